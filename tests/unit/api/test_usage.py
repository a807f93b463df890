"""What callers use is recorded, and their tenant sees it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tts_app.amounts import Amounts
from tts_app.api.usage_recorder import UsageRecorder
from tts_app.security.principal import Scope
from tts_app.storage.usage import Usages

Start = Callable[..., Awaitable[Any]]
SPEECH = {"input": "one two", "voice": "alloy"}
STORED = {"text": "one two", "language": "en"}
CHAT = {"model": "writer", "messages": [{"role": "user", "content": "Hi."}]}


def bearer(api: Any, tenant: str, *scopes: Scope) -> dict[str, str]:
    key, _ = api.context.issuer.create(tenant, "test", scopes, None, "test")
    return {"Authorization": f"Bearer {key.text}"}


async def usage(api: Any, headers: dict[str, str] | None = None, query: str = "") -> Any:
    await api.context.metering._usage.flush()
    answer = await api.client.get(f"/v1/usage{query}", headers=headers or {})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_usage_has_what_was_spoken_and_written_by_day_model_and_voice(api: Any) -> None:
    spoken = {**CHAT, "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "mp3"}}
    for path, body in (
        ("/v1/audio/speech", SPEECH), ("/v1/audio/speech", SPEECH),
        ("/v1/chat/completions", CHAT), ("/v1/chat/completions", spoken),
    ):  # fmt: skip
        assert (await api.client.post(path, json=body)).status_code == 200
    made = await api.client.post("/v1/speech", json=STORED, headers={"Prefer": "wait=20"})
    assert made.status_code == 201
    today = datetime.now(UTC).date().isoformat()
    found = await usage(api)
    assert (found["object"], found["tenant"]) == ("list", "default")
    kokoro, writer = found["data"]
    assert kokoro == {
        "day": today, "model": "kokoro", "voice": "female_en-US", "requests": 3,
        "characters": 7 + 7 + 7 + len("Hello there!"), "audio_seconds": 4.0,
        "prompt_tokens": 0, "completion_tokens": 0,
    }  # fmt: skip
    assert writer == {
        "day": today, "model": "writer", "voice": None, "requests": 2, "characters": 0,
        "audio_seconds": 0.0, "prompt_tokens": 14, "completion_tokens": 6,
    }  # fmt: skip


async def test_usage_is_a_tenant_s_own_but_for_administrators_of_default(start: Start) -> None:
    api = await start(key_required=True)
    hotel, clinic = bearer(api, "hotel", Scope.SPEAK), bearer(api, "clinic", *Scope)
    answer = await api.client.post("/v1/audio/speech", json=SPEECH, headers=hotel)
    assert answer.status_code == 200
    assert len((await usage(api, hotel))["data"]) == 1
    assert (await usage(api, clinic))["data"] == []
    for other in (clinic, bearer(api, "default", Scope.SPEAK)):
        refused = await api.client.get("/v1/usage?tenant=hotel", headers=other)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_tenant")
    seen = await usage(api, bearer(api, "default", Scope.ADMIN), "?tenant=hotel")
    assert (seen["tenant"], len(seen["data"])) == ("hotel", 1)


async def test_usage_takes_days(api: Any) -> None:
    assert (await api.client.post("/v1/audio/speech", json=SPEECH)).status_code == 200
    assert (await usage(api, query="?from=2026-01-01&to=2026-01-31"))["data"] == []
    before = datetime.now(UTC).date() - timedelta(days=10)
    assert len((await usage(api, query=f"?from={before}"))["data"]) == 1


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("from=yesterday", "from"),
        ("to=2026-13-01", "to"),
        ("to=0001-01-01", "to"),
        ("from=2026-02-01&to=2026-01-01", "from"),
        ("from=2024-01-01&to=2026-01-01", "from"),
        ("tenant=Hotel%20Group", "tenant"),
        ("days=3", "days"),
    ],
)
async def test_usage_refuses(api: Any, query: str, param: str) -> None:
    answer = await api.client.get(f"/v1/usage?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


async def test_usage_waits_while_the_database_is_away_and_is_stored_at_the_stop(
    api: Any, outage: Any
) -> None:
    usages, today = Usages(api.context.database), date(2026, 11, 30)
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
    recorder = UsageRecorder(usages, clock=lambda: noon)
    await recorder.start()
    outage.on = True
    for _ in range(2):
        recorder.record("hotel", "site", "kokoro", "female_en-US", Amounts(7, 0.5))
        await recorder.flush()
    outage.on = False
    assert usages.list("hotel", today, today) == []
    await recorder.stop()
    ((_, total),) = usages.list("hotel", today, today)
    assert (total.requests, total.amounts.characters) == (2, 14)


async def test_usage_is_stored_every_few_seconds(api: Any, until: Any) -> None:
    usages = Usages(api.context.database)
    recorder = UsageRecorder(usages, every=0.01)
    await recorder.start()
    recorder.record("hotel", "site", "kokoro", "female_en-US", Amounts(7, 0.5))
    await until(lambda: usages.list("hotel", date(2026, 1, 1), date(2100, 1, 1)))
    await recorder.stop()
