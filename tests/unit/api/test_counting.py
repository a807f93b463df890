"""Every request is counted: by its route, and by labels of which there are few."""

import asyncio
import contextlib
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from measured import Measured
from sqlalchemy.exc import OperationalError

from tts_app.api.counting import counted_status
from tts_app.api.errors import _CODES
from tts_app.api.refusals import _BY_CODE, refusal_of
from tts_app.telemetry.metrics.http import LEFT, METHODS, Refusal

SPEECH = "/v1/audio/speech"
SAY = {"input": "One two three.", "voice": "alloy"}
ROOT = Path(__file__).parents[3]


async def test_a_request_is_counted_by_route_method_and_status(api: Any, measured: Measured) -> None:
    assert (await api.client.get("/v1/speech/speech_unknown")).status_code == 404
    found = {"route": "/v1/speech/{speech_id}", "method": "GET"}
    assert measured.total("ttsp_http_requests", **found, status="404") == 1
    assert len(measured.all("ttsp_http_request_seconds", **found)) == 1
    assert measured.total("ttsp_refusals", reason="not_found") == 1


async def test_a_head_request_has_the_route_of_get(api: Any, measured: Measured) -> None:
    await api.client.head("/healthz")
    assert measured.total("ttsp_http_requests", route="/healthz", method="HEAD", status="200") == 1


async def test_a_stream_is_counted_at_its_last_byte(api: Any, until: Any, measured: Measured) -> None:
    api.model.gate.clear()
    asking = asyncio.create_task(api.client.post(SPEECH, json=SAY))
    await until(lambda: api.load == (1, 0))
    assert measured.all("ttsp_http_requests", route=SPEECH) == []
    api.model.gate.set()
    assert (await asking).status_code == 200
    assert measured.total("ttsp_http_requests", route=SPEECH, method="POST", status="200") == 1


@pytest.mark.parametrize(
    ("sent", "complete", "crashed", "status"),
    [
        (200, True, False, 200),
        (404, True, False, 404),
        (200, False, False, LEFT),
        (None, False, False, LEFT),
        (200, False, True, 500),
        (None, False, True, 500),
        (LEFT, True, False, LEFT),
    ],
)
def test_counted_status(sent: int | None, complete: bool, crashed: bool, status: int) -> None:
    assert counted_status(sent, complete, crashed) == status


async def test_a_caller_who_leaves_is_499(api: Any, until: Any, measured: Measured) -> None:
    api.model.gate.clear()
    asking = asyncio.create_task(api.client.post(SPEECH, json=SAY))
    await until(lambda: api.load == (1, 0))
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError, httpx.HTTPError):
        await asking
    await until(lambda: measured.total("ttsp_http_requests", route=SPEECH, status="499") == 1)
    assert measured.total("ttsp_speech_requests", outcome="abandoned", priority="interactive") == 1


async def test_an_answer_that_breaks_off_is_a_failure(api: Any, until: Any, measured: Measured) -> None:
    spoken = api.model.spoken

    async def breaks(*_given: Any, **_more: Any) -> Any:
        if spoken:
            raise ValueError("a bug")
        spoken.append("One")
        return [0.0]

    api.model.synthesise = breaks
    with contextlib.suppress(httpx.HTTPError):
        await api.client.post(SPEECH, json=SAY)
    await until(lambda: measured.total("ttsp_http_requests", route=SPEECH, status="500") == 1)
    assert measured.total("ttsp_speech_failures", reason="internal", model="kokoro") == 1


async def test_open_requests_are_shown(start: Any, until: Any, measured: Measured) -> None:
    api = await start()
    api.model.gate.clear()
    asking = asyncio.create_task(api.client.post(SPEECH, json=SAY))
    await until(lambda: api.load == (1, 0))
    api.context.http.show()
    assert measured.all("ttsp_http_requests_open")[-1] == 1
    api.model.gate.set()
    await asking
    api.context.http.show()
    assert measured.all("ttsp_http_requests_open")[-1] == 0


async def test_what_the_door_refuses_has_its_route(start: Any, measured: Measured) -> None:
    api = await start(api_key="a-key-of-sixteen-characters")
    assert (await api.client.post(SPEECH, json=SAY)).status_code == 401
    assert measured.total("ttsp_http_requests", route=SPEECH, method="POST", status="401") == 1
    assert measured.total("ttsp_refusals", reason="unauthenticated") == 1


async def test_what_quotas_and_queues_refuse(start: Any, until: Any, measured: Measured) -> None:
    api = await start(queue=1)
    api.model.gate.clear()
    asking = [asyncio.create_task(api.client.post(SPEECH, json=SAY)) for _ in range(3)]
    await until(lambda: api.load == (2, 1))
    assert (await api.client.post(SPEECH, json=SAY)).status_code == 429
    assert measured.total("ttsp_refusals", reason="overload") == 1
    assert measured.total("ttsp_speech_requests", outcome="refused") == 1
    assert measured.total("ttsp_queue_shed", kind="speech", model="kokoro", reason="full") == 1
    api.model.gate.set()
    await asyncio.gather(*asking)


async def test_a_database_that_is_away_is_no_failure_of_an_unmatched_route(
    api: Any, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_key: str | None) -> None:
        raise OperationalError("SELECT", {}, ConnectionError("it is away"))

    monkeypatch.setattr(api.context.authenticator, "principal", away)
    assert (await api.client.post(SPEECH, json=SAY)).status_code == 503
    assert measured.total("ttsp_http_requests", route=SPEECH, status="503") == 1
    assert measured.total("ttsp_refusals", reason="unavailable") == 1


async def test_callers_cannot_make_series(api: Any, measured: Measured) -> None:
    """Whatever a caller sends: routes, methods, voices and models of theirs are no labels."""
    before: dict[str, int] = {}
    for number in range(40):
        await api.client.get(f"/of/mine/{number}")
        await api.client.get(f"/v1/speech/speech_{number}")
        await api.client.request(f"METHOD{number}", SPEECH)
        await api.client.post(SPEECH, json={**SAY, "voice": f"voice_{number}"})
        await api.client.post(SPEECH, json={**SAY, "model": f"model_{number}"})
        await api.client.post(SPEECH, json=SAY, headers={"x-request-id": f"id-{number}"})
        if number == 1:
            before = measured.series
    for name, number in measured.series.items():  # gauges are shown by and by
        assert number <= 8 if name in measured.gauges else number == before[name], name
    assert measured.labels("ttsp_http_requests", "route") == {"unmatched", SPEECH, "/v1/speech/{speech_id}"}
    assert measured.labels("ttsp_http_requests", "method") <= {*METHODS, "other"}
    assert measured.labels("ttsp_speech_audio_seconds", "voice") == {"female_en-US"}
    assert measured.labels("ttsp_speech_requests", "model") == {"kokoro"}


def test_every_code_of_an_error_has_a_reason() -> None:
    written = set()
    for path in (ROOT / "app" / "tts_app" / "api").glob("*.py"):
        written |= set(re.findall(r'code="(\w+)"', path.read_text()))
    assert len(written) > 40, "the search finds the codes of the errors"
    assert set(_BY_CODE) <= written | set(_CODES.values()), "a code that no error has"
    for status, code in _CODES.items():
        assert (refusal_of(status, code) is None) == (status == 500), code


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, "invalid_value", Refusal.INVALID),
        (400, "text_too_long", Refusal.TOO_LARGE),
        (400, "larger_than_quota", Refusal.QUOTA),
        (401, "invalid_token", Refusal.UNAUTHENTICATED),
        (403, "foreign_origin", Refusal.FORBIDDEN),
        (404, "unknown_speech", Refusal.NOT_FOUND),
        (408, "request_timeout", Refusal.TIMEOUT),
        (409, "not_ready", Refusal.CONFLICT),
        (413, "body_too_large", Refusal.TOO_LARGE),
        (421, "unknown_host", Refusal.FORBIDDEN),
        (429, "overloaded", Refusal.OVERLOAD),
        (429, "rate_limit_exceeded", Refusal.QUOTA),
        (429, "too_many_wrong_keys", Refusal.UNAUTHENTICATED),
        (500, "unreadable_answer", None),
        (501, "not_implemented", Refusal.UNSUPPORTED),
        (503, "model_unavailable", Refusal.UNAVAILABLE),
        (503, "audit_unavailable", Refusal.AUDIT),
    ],
)
def test_refusal_of(status: int, code: str, reason: Refusal | None) -> None:
    assert refusal_of(status, code) is reason
