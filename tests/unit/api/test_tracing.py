from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tts_app.api.tracing import TracedRequests
from tts_app.telemetry import traces
from tts_app.telemetry.about import about
from tts_app.telemetry.trace_recorder import Recorder

CALLER = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


async def answer(request: Request) -> Response:
    return PlainTextResponse("done", int(request.path_params["status"]))


ROUTES = [Route("/v1/{status}", answer, methods=["GET"]), Route("/healthz", lambda _: Response())]


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    traces.use(Recorder("test", 1.0, SimpleSpanProcessor(exporter)))
    yield exporter
    traces.use(None)


async def ask(path: str, begins: bool = True, method: str = "GET", **headers: str) -> httpx.Response:
    inner = Starlette(routes=ROUTES)

    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        with about(request_id="abc"):
            await inner(scope, receive, send)

    app: Any = TracedRequests(known, begins=begins)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, headers=headers)


def one(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = exporter.get_finished_spans()
    return span


async def test_a_request_is_named_by_its_route(exporter: InMemorySpanExporter) -> None:
    assert (await ask("/v1/200")).headers["traceresponse"].endswith("-03")
    assert one(exporter).name == "GET /v1/{status}"
    assert one(exporter).attributes == {
        "http.request.method": "GET",
        "http.route": "/v1/{status}",
        "http.response.status_code": 200,
        "ttsp.request_id": "abc",
    }


async def test_only_the_services_own_failures_are_errors(exporter: InMemorySpanExporter) -> None:
    for status in (404, 503):
        await ask(f"/v1/{status}")
    refused, failed = exporter.get_finished_spans()
    assert refused.status.status_code is StatusCode.UNSET
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "503"


async def test_probes_have_no_trace(exporter: InMemorySpanExporter) -> None:
    await ask("/healthz", **CALLER)
    assert exporter.get_finished_spans() == ()


async def test_a_method_that_does_not_exist_is_not_repeated(exporter: InMemorySpanExporter) -> None:
    await ask("/v1/200", method="ZANZIBAR")
    assert one(exporter).name == "_OTHER /v1/{status}"


async def test_behind_serves_proxy_a_trace_does_not_begin(exporter: InMemorySpanExporter) -> None:
    assert "traceresponse" not in (await ask("/v1/200", begins=False)).headers
    assert exporter.get_finished_spans() == ()


async def test_behind_serves_proxy_a_trace_goes_on(exporter: InMemorySpanExporter) -> None:
    with traces.entry("proxy_http_request"):
        await ask("/v1/200", begins=False)
    inner, outer = exporter.get_finished_spans()
    assert inner.parent == outer.get_span_context()
