import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

from tts_app.telemetry import traces
from tts_app.telemetry.trace_recorder import SERVE_SCOPE, Recorder, WithoutText
from tts_app.telemetry.traces import Tracing, tracing_of

COLLECTOR_URL = "http://collector:4318"
COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR_URL}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
WORD = "zanzibarquokka"


class Recorded:
    """What was recorded."""

    def __init__(self, ratio: float) -> None:
        self.exporter = InMemorySpanExporter()
        self.recorder = Recorder("test", ratio, SimpleSpanProcessor(WithoutText(self.exporter)))

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}

    def parent_of(self, name: str) -> str:
        parent = self.spans[name].parent
        return "" if parent is None else format_span_id(parent.span_id)


def id_of(span: ReadableSpan) -> str:
    return format_span_id(span.get_span_context().span_id)


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> Iterator[Recorded]:
    made = Recorded(getattr(request, "param", 1.0))
    traces.use(made.recorder)
    yield made
    traces.use(None)


nothing_by_chance = pytest.mark.parametrize("recorded", [0.0], indirect=True)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (COLLECTOR, Tracing("http://collector:4318", 0.01)),
        (COLLECTOR | {"OTEL_SDK_DISABLED": "true"}, None),
        (COLLECTOR | {"OTEL_TRACES_SAMPLER_ARG": "0.25"}, Tracing("http://collector:4318", 0.25)),
        (
            COLLECTOR | {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"},
            Tracing("http://collector:4318", 1),
        ),
        (COLLECTOR | {"OTEL_TRACES_SAMPLER": "parentbased_always_on"}, Tracing(COLLECTOR_URL, 1)),
        (COLLECTOR | {"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, Tracing(COLLECTOR_URL, 0)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://a/v1/traces"}, Tracing("https://a/v1/traces", 0.01)),
    ],
)
def test_the_environment_says_what_is_traced(environment: dict[str, str], expected: Tracing | None) -> None:
    assert tracing_of(environment) == expected


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
            "_ENDPOINT is.*http://collector:4318",
        ),
        ({"OTEL_TRACES_SAMPLER_ARG": "1%"}, "OTEL_TRACES_SAMPLER_ARG is '1%'.*0 .none. to 1"),
        ({"OTEL_TRACES_SAMPLER_ARG": "1.5"}, "OTEL_TRACES_SAMPLER_ARG is '1.5'"),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, "OTEL_TRACES_SAMPLER is 'always_on', allowed: parentbased"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc': only http/protobuf",
        ),
    ],
)
def test_a_wrong_variable_is_named(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tracing_of(COLLECTOR | wrong)


def test_while_traces_are_off_nothing_is_recorded() -> None:
    with traces.entry("request", CALLER) as span, traces.span("part") as part:
        assert span is part is traces.NOTHING
        assert traces.carried() == {}
        assert traces.trace_id() == ""


def test_a_request_goes_on_with_its_callers_trace(recorded: Recorded) -> None:
    with traces.entry("request", {**CALLER, "tracestate": "vendor=1"}, serves=True) as request:
        assert traces.trace_id() == TRACE
        assert request.response_header.startswith(f"00-{TRACE}-")
        with traces.span("part", {"ttsp.segments": 2}):
            assert traces.carried()["tracestate"] == "vendor=1"
    assert recorded.parent_of("request") == PARENT
    assert recorded.parent_of("part") == id_of(recorded.spans["request"])
    assert recorded.spans["part"].attributes == {"ttsp.segments": 2}


@pytest.mark.parametrize("wrong", ["", "00-zz", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01"])
def test_what_is_no_trace_context_counts_as_none(recorded: Recorded, wrong: str) -> None:
    with traces.entry("request", {"traceparent": wrong}):
        assert traces.trace_id() not in ("", TRACE)
    assert recorded.parent_of("request") == ""


@nothing_by_chance
def test_a_trace_that_is_not_sampled_leaves_no_span(recorded: Recorded) -> None:
    with traces.entry("request"), traces.span("part"):
        assert traces.carried() == {}
        assert traces.trace_id() == ""
    assert recorded.spans == {}


@nothing_by_chance
def test_a_caller_who_records_its_trace_gets_ours(recorded: Recorded) -> None:
    with traces.entry("request", CALLER), traces.span("part"):
        pass
    assert recorded.spans.keys() == {"request", "part"}


def test_a_caller_who_does_not_record_gets_none(recorded: Recorded) -> None:
    with traces.entry("request", {"traceparent": f"00-{TRACE}-{PARENT}-00"}), traces.span("part"):
        assert traces.trace_id() == ""
    assert recorded.spans == {}


def test_behind_serves_proxy_a_request_begins_no_trace(recorded: Recorded) -> None:
    with traces.entry("request", begins=False) as span:
        assert span is traces.NOTHING
    assert recorded.spans == {}


def test_serve_begins_no_trace_in_a_replica(recorded: Recorded) -> None:
    serve = recorded.recorder.provider.get_tracer(SERVE_SCOPE)
    for name in ("replica_handle_request Voice synthesise", "route_to_replica"):
        serve.start_span(name).end()
    assert recorded.spans == {}
    serve.start_span("proxy_http_request").end()
    assert recorded.spans.keys() == {"proxy_http_request"}


def test_a_span_outside_a_trace_is_none(recorded: Recorded) -> None:
    with traces.span("part") as part:
        assert part is traces.NOTHING
    assert recorded.spans == {}


def test_another_process_goes_on_with_a_trace(recorded: Recorded) -> None:
    with traces.entry("request"):
        carrier = traces.carried()
    with traces.resumed(carrier), traces.span("elsewhere"):
        pass
    assert recorded.parent_of("elsewhere") == id_of(recorded.spans["request"])
    assert len(recorded.exporter.get_finished_spans()) == 2, (
        "the span of the other process is not ended twice"
    )


def test_serves_own_span_comes_before_the_carrier(recorded: Recorded) -> None:
    with traces.entry("request"):
        carrier = traces.carried()
        with traces.span("serve"), traces.resumed(carrier), traces.span("elsewhere"):
            pass
    assert recorded.parent_of("elsewhere") == id_of(recorded.spans["serve"])


def test_an_item_of_a_batch_is_linked_to_the_request_for_it(recorded: Recorded) -> None:
    with traces.entry("request"):
        cause = traces.carried()
    item = traces.entry("item", cause=cause)
    item.end()
    (link,) = recorded.spans["item"].links
    assert format_span_id(link.context.span_id) == id_of(recorded.spans["request"])
    assert recorded.parent_of("item") == ""


def test_a_shared_call_is_linked_with_all_that_it_serves(recorded: Recorded) -> None:
    first, second = traces.entry("first"), traces.entry("second")
    with first:
        callers = [traces.current()]
    with second:
        callers += [traces.current(), traces.NOTHING]

        def call() -> None:
            with traces.shared_call("call", callers, {"ttsp.segments": 3}):
                pass

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    spans = recorded.spans
    assert recorded.parent_of("call") == id_of(spans["first"])
    assert [link.context for link in spans["call"].links] == [
        spans["first"].get_span_context(),
        spans["second"].get_span_context(),
    ]
    assert [link.context for link in spans["second"].links] == [spans["call"].get_span_context()]
    assert spans["first"].links == (), "its caller had left"


@nothing_by_chance
def test_a_shared_call_of_callers_that_are_not_recorded_has_no_span(recorded: Recorded) -> None:
    with traces.entry("request"), traces.shared_call("call", [traces.current()]) as call:
        assert call is traces.NOTHING


def test_of_an_error_the_type_alone_is_recorded(recorded: Recorded) -> None:
    with pytest.raises(ValueError, match=WORD), traces.entry("request"), traces.span("part"):
        raise ValueError(WORD)
    part = recorded.spans["part"]
    assert part.attributes == {"error.type": "builtins.ValueError"}
    assert part.status.status_code is StatusCode.ERROR
    assert WORD not in "".join(span.to_json() for span in recorded.spans.values())


def test_a_caller_who_leaves_is_no_error(recorded: Recorded) -> None:
    with pytest.raises(asyncio.CancelledError), traces.entry("request"):
        raise asyncio.CancelledError
    assert recorded.spans["request"].attributes == {"ttsp.abandoned": True}
    assert recorded.spans["request"].status.status_code is StatusCode.UNSET


def _numbered(most: int) -> traces.Attributes:
    return {"ttsp.most": most}


@traces.traced("numbers", _numbered)
async def numbers(most: int) -> AsyncGenerator[int, None]:
    for number in range(most):
        with traces.span(f"number {number}"):
            await asyncio.sleep(0)
        yield number


async def test_a_generator_runs_within_its_span_and_its_reader_does_not(recorded: Recorded) -> None:
    with traces.entry("request"):
        made = numbers(2)
    async for number in made:  # in a task that is in no trace
        assert traces.trace_id() == "", number
    spans = recorded.spans
    assert recorded.parent_of("numbers") == id_of(spans["request"])
    assert recorded.parent_of("number 1") == id_of(spans["numbers"])
    assert spans["numbers"].attributes == {"ttsp.most": 2}


async def test_a_generator_that_is_closed_ends_its_span(recorded: Recorded) -> None:
    with traces.entry("request"):
        made = numbers(9)
        assert await anext(made) == 0
        await asyncio.create_task(made.aclose())  # type: ignore[arg-type]
    attributes: Any = recorded.spans["numbers"].attributes
    assert attributes["ttsp.abandoned"] is True


def test_of_serves_spans_nothing_is_kept_that_a_caller_wrote(recorded: Recorded) -> None:
    serve = recorded.recorder.provider.get_tracer(SERVE_SCOPE)
    span = serve.start_span("proxy_http_request")
    span.update_name(f"proxy_http_request Gateway GET /v1/{WORD}")
    span.set_attributes({"request_id": WORD, "request_route_path": WORD, "app": "gateway"})
    span.record_exception(ValueError(WORD))
    span.set_status(StatusCode.ERROR, WORD)
    span.end()
    (kept,) = recorded.exporter.get_finished_spans()
    assert WORD not in kept.to_json()
    assert kept.name == "proxy_http_request Gateway GET"
    assert kept.attributes == {"app": "gateway", "error.type": "ValueError"}
    assert kept.status.status_code is StatusCode.ERROR
    assert format_trace_id(kept.get_span_context().trace_id)


def test_spans_of_other_libraries_are_not_sent(recorded: Recorded) -> None:
    recorded.recorder.provider.get_tracer("fastapi").start_span(WORD).end()
    assert recorded.exporter.get_finished_spans() == ()


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a simulated collector, and the bodies that it gets."""
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()


def test_a_process_that_ends_sends_its_spans_before(collector: tuple[str, list[bytes]]) -> None:
    address, bodies = collector
    program = (
        "from tts_app.telemetry import traces\ntraces.set_up('short')\nwith traces.entry('request'): pass"
    )
    environment = os.environ | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": address,
        "OTEL_TRACES_SAMPLER_ARG": "1",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    }
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert ended.stderr == b""
    (body,) = bodies
    assert b"request" in body
    assert b"short" in body
