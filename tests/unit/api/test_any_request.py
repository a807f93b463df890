"""Requests that Schemathesis makes of the OpenAPI document, valid and not: no answer is a failure of ours.

The document is held in what it says of answers. What it does not say yet, `UNDOCUMENTED` lists: statuses that
every route can have, and the form of errors, which FastAPI documents as its own 422.
"""

import asyncio
from contextlib import suppress
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from tts_app.api.app import create_app
from tts_app.batch.hosted import HostedBatches

ALLOWED = (501, 503)
"""What is not built, and what is away."""
UNDOCUMENTED = frozenset({400, 401, 403, 404, 405, 406, 409, 413, 415, 421, 422, 429})
SENT = ("method", "url", "params", "json", "data", "content")
EXAMPLES = 8
"""Requests of each route and kind."""
KEY = "a-key-of-many-characters"
load_all_checks()
CONFORMS = CHECKS.get_one("response_schema_conformance")


def operations(document: dict[str, Any]) -> list[Any]:
    found = schemathesis.openapi.from_dict(document)
    return [result.ok() for result in found.get_all_operations()]


async def ask(api: Any, operation: Any, mode: GenerationMode, headers: dict[str, str]) -> list[str]:
    """Send requests of one route; return what is wrong with their answers."""
    loop, faults = asyncio.get_running_loop(), []

    @seed(18)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        keywords = case.as_transport_kwargs(base_url="http://playground")
        sent = {**keywords.pop("headers", {}), **headers}
        request = {
            k: v for k, v in keywords.items() if k in ("method", "url", "params", "json", "data", "content")
        }
        if isinstance(request.get("data"), bytes | str):
            request["content"] = request.pop("data")
        try:
            built = api.client.build_request(**request, headers={k: str(v) for k, v in sent.items()})
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
            return  # no client can send it
        answer = asyncio.run_coroutine_threadsafe(api.client.send(built), loop).result()
        if answer.status_code >= 500 and answer.status_code not in ALLOWED:
            faults.append(f"{built.method} {built.url}: {answer.status_code} {answer.text[:300]}")
        elif answer.status_code not in UNDOCUMENTED:
            try:
                case.validate_response(answer, checks=[CONFORMS])
            except schemathesis.errors.SchemathesisError as error:
                faults.append(f"{built.method} {built.url}: {error}")
            except AssertionError as error:
                faults.append(f"{built.method} {built.url}: {error}")

    with suppress(Unsatisfiable):  # a route without parameters has no wrong ones
        await asyncio.to_thread(send)
    return faults


async def faults_of(api: Any, mode: GenerationMode, headers: dict[str, str]) -> list[str]:
    """Return what is wrong with the answers of all routes."""
    document = create_app(api.context).openapi()
    return [fault for operation in operations(document) for fault in await ask(api, operation, mode, headers)]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        pytest.param({}, {}, id="open"),
        pytest.param({"api_key": KEY}, {}, id="without a key"),
        pytest.param({"api_key": KEY}, {"authorization": f"Bearer {KEY}"}, id="with a key"),
    ],
)
async def test_no_request_fails_us(
    start: Any, mode: GenerationMode, changes: dict[str, Any], headers: dict[str, str]
) -> None:
    assert await faults_of(await start(**changes), mode, headers) == []


async def test_a_failure_of_ours_is_found(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(HostedBatches, "page", broken)
    faults = await faults_of(api, GenerationMode.POSITIVE, {})
    assert faults
    assert all(fault.startswith("GET http://playground/v1/batches") for fault in faults)
