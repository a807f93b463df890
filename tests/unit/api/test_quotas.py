"""Callers are held to their quotas, and give back what they did not use."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tts_app.security.principal import Scope
from tts_app.serving.embedded import Playground, ServingError
from tts_app.settings import Settings

Start = Callable[..., Awaitable[Any]]
SPEECH = {"input": "one two", "voice": "alloy"}
STORED = {"text": "one two", "language": "en"}
CHAT = {"model": "writer", "messages": [{"role": "user", "content": "Hello there"}], "max_tokens": 40}
BATCH = {"posts": [{"id": 1, "text": {"en": "Welcome."}}], "avatars": {"locales": ["en-US"]}}


def ask(api: Any, path: str, body: Any, key: str = "") -> Awaitable[httpx.Response]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    answer: Awaitable[httpx.Response] = api.client.post(path, content=json.dumps(body), headers=headers)
    return answer


def rates(answer: httpx.Response, name: str) -> tuple[int, int]:
    """The limit and what is left of it, as the headers have them."""
    return tuple(int(answer.headers[f"x-ratelimit-{part}-{name}"]) for part in ("limit", "remaining"))  # type: ignore[return-value]


async def settled(api: Any) -> None:
    """Wait until what was reserved is settled."""
    while tasks := set(api.context.metering.guard._tasks):
        await asyncio.wait(tasks)


async def test_no_quotas_no_headers(api: Any) -> None:
    answer = await ask(api, "/v1/audio/speech", SPEECH)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
    assert api.context.metering.guard._counts._local.storage == {}


async def test_the_short_address_of_speech_counts_too(start: Start) -> None:
    api = await start(quotas="requests=2/day")
    answer = await ask(api, "/audio/speech", SPEECH)
    assert (answer.status_code, rates(answer, "requests")) == (200, (2, 1))


async def test_request_over_the_quota_is_429_and_says_when_it_may_come_back(start: Start) -> None:
    api = await start(quotas="requests=2/day")
    first = await api.client.get("/v1/models")
    assert (first.status_code, rates(first, "requests")) == (200, (2, 1))
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    assert (await api.client.get("/v1/models")).status_code == 200
    refused = await api.client.get("/v1/models")
    assert (refused.status_code, rates(refused, "requests")) == (429, (2, 0))
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert error["message"].startswith("Your tenant may use 2 requests a day, and 0 are left: try again in")
    assert 43_200 <= int(refused.headers["retry-after"]) <= 86_400 + 43_200, "half of today must be too old"
    assert (await api.client.get("/healthz")).status_code == 200


async def test_refused_request_uses_nothing_and_reads_no_body(start: Start) -> None:
    api = await start(quotas="requests=1/day")
    assert (await api.client.get("/v1/models")).status_code == 200
    for _ in range(3):
        assert (await api.client.post("/v1/audio/speech", content=b"no JSON")).status_code == 429
    (count,) = api.context.metering.guard._counts._local.storage.values()
    assert count == 1


async def test_tenants_have_quotas_of_their_own_and_keys_too(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "quotas.json"
    api = await start(key_required=True, quotas="requests=2/day")
    first, second, clinic = (
        api.context.issuer.create(tenant, "test", frozenset(Scope), None, "test")[0]
        for tenant in ("hotel", "hotel", "clinic")
    )
    answers = [
        await ask(api, "/v1/audio/speech", SPEECH, key.text) for key in (first, second, second, clinic)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200], "keys share their tenant's"
    limited = json.dumps({"tenants": {"hotel": "requests=none"}, "keys": {second.id: "requests=1/day"}})
    file.write_text(limited, encoding="utf-8")
    api = await start(key_required=True, quotas="requests=2/day", quotas_file=file)
    answers = [
        await ask(api, "/v1/audio/speech", SPEECH, key.text) for key in (second, second, first, first, first)
    ]
    assert [answer.status_code for answer in answers] == [200, 429, 200, 200, 200]
    assert answers[1].json()["error"]["message"].startswith("Your key may use 1 requests a day")


async def test_characters_are_counted_and_a_text_that_never_fits_is_400(start: Start) -> None:
    api = await start(quotas="characters=10/day,requests=100/day")
    first = await ask(api, "/v1/audio/speech", SPEECH)
    assert (first.status_code, rates(first, "characters"), rates(first, "requests")) == (
        200,
        (10, 3),
        (100, 99),
    )
    refused = await ask(api, "/v1/audio/speech", SPEECH)
    assert (refused.status_code, rates(refused, "characters")) == (429, (10, 3))
    assert (await ask(api, "/v1/audio/speech", {**SPEECH, "input": "one"})).status_code == 200
    never = await ask(api, "/v1/audio/speech", {**SPEECH, "input": "one two three"})
    assert (never.status_code, never.json()["error"]["code"]) == (400, "larger_than_quota")
    assert "retry-after" not in never.headers
    assert len(api.model.spoken) == 3


async def test_request_that_fails_gives_back_what_it_reserved(start: Start) -> None:
    api = await start(quotas="characters=10/day")
    for wrong in ({**SPEECH, "input": "   "}, {**SPEECH, "voice": "nobody"}):
        assert (await ask(api, "/v1/audio/speech", wrong)).status_code == 400
    await settled(api)
    answer = await ask(api, "/v1/audio/speech", {**SPEECH, "input": "one two 34"})
    assert (answer.status_code, rates(answer, "characters")) == (200, (10, 0))


async def test_caller_who_leaves_gives_back_what_was_not_spoken(start: Start, until: Any) -> None:
    api = await start(quotas="characters=1000/day,streams=1")
    api.model.gate.clear()
    long = {**SPEECH, "input": "word " * 180}
    request = asyncio.create_task(ask(api, "/v1/audio/speech", long))
    await until(lambda: api.load == (1, 0))
    assert (await ask(api, "/v1/audio/speech", SPEECH)).status_code == 429, "of streams"
    request.cancel()
    await asyncio.wait([request])
    await until(lambda: not api.context.metering.guard._streams)
    await settled(api)
    api.model.gate.set()
    answer = await ask(api, "/v1/audio/speech", SPEECH)
    assert (answer.status_code, rates(answer, "characters")) == (200, (1000, 993)), "nothing was spoken"


async def test_audio_is_settled_with_what_was_spoken(start: Start) -> None:
    """The simulated voice takes half a second a word."""
    api = await start(quotas="audio_seconds=100/day")
    answer = await ask(api, "/v1/audio/speech", {**SPEECH, "input": "one " * 21})
    limit, reserved = rates(answer, "audio-seconds")
    assert (limit, reserved < 100) == (100, True)
    await settled(api)
    again = await ask(api, "/v1/audio/speech", {**SPEECH, "input": "x"})
    assert rates(again, "audio-seconds") == (100, 100 - 11 - 1)


async def test_tokens_are_reserved_then_settled_with_the_model_s_count(start: Start) -> None:
    """The simulated writer says 7 tokens of prompt and 3 of answer."""
    api = await start(quotas="tokens=50/day")
    first = await ask(api, "/v1/chat/completions", CHAT)
    assert (first.status_code, rates(first, "tokens")) == (200, (50, 50 - 3 - 40))
    await settled(api)
    second = await ask(api, "/v1/completions", {"model": "writer", "prompt": "Once", "max_tokens": 39})
    assert (second.status_code, rates(second, "tokens")) == (200, (50, 50 - 10 - 40))
    await settled(api)
    refused = await ask(api, "/v1/chat/completions", CHAT)
    assert (refused.status_code, rates(refused, "tokens")) == (429, (50, 30))
    assert len(api.writer.requests) == 2


async def test_answer_that_is_spoken_is_charged_when_it_ends(start: Start) -> None:
    api = await start(quotas="tokens=1000/day,characters=12/day")
    spoken = {**CHAT, "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "mp3"}}
    assert (await ask(api, "/v1/chat/completions", spoken)).status_code == 200
    await settled(api)
    assert rates(await ask(api, "/v1/chat/completions", CHAT), "tokens") == (1000, 1000 - 10 - 43)
    refused = await ask(api, "/v1/chat/completions", spoken)
    assert (refused.status_code, rates(refused, "characters")) == (429, (12, 0)), "'Hello there!' has 12"


async def test_streams_are_limited_while_they_last(start: Start, until: Any) -> None:
    api = await start(quotas="streams=1")
    api.writer.gate.clear()
    first = asyncio.create_task(ask(api, "/v1/chat/completions", CHAT))
    await until(lambda: api.text_load == (1, 0))
    refused = await ask(api, "/v1/audio/speech", SPEECH)
    assert (refused.status_code, int(refused.headers["retry-after"]) >= 1) == (429, True)
    assert "as it may have at a time: 1." in refused.json()["error"]["message"]
    api.writer.gate.set()
    assert (await first).status_code == 200
    assert (await ask(api, "/v1/audio/speech", SPEECH)).status_code == 200


async def test_stored_speech_is_reserved_and_settled_when_it_is_made(start: Start, until: Any) -> None:
    api = await start(quotas="characters=20/day,audio_seconds=1000/day")
    made = await api.client.post("/v1/speech", json=STORED, headers={"Prefer": "wait=20"})
    assert (made.status_code, rates(made, "characters")) == (201, (20, 13))
    await settled(api)
    again = await api.client.post("/v1/speech", json={**STORED, "text": "x"})
    assert rates(again, "audio-seconds") == (1000, 1000 - 1 - 1)


async def test_stored_speech_that_is_deleted_before_it_was_made_gives_all_back(start: Start) -> None:
    api = await start(quotas="characters=7/day")
    await api.context.durable.stop()
    made = (await api.client.post("/v1/speech", json=STORED)).json()
    assert (await api.client.post("/v1/speech", json=STORED)).status_code == 429
    assert (await api.client.delete(made["links"]["self"])).status_code == 204
    await settled(api)
    assert (await api.client.post("/v1/speech", json=STORED)).status_code == 202


async def test_stored_speech_that_is_refused_gives_all_back(start: Start) -> None:
    api = await start(quotas="characters=14/day", durable_queue=1)
    await api.context.durable.stop()
    assert (await api.client.post("/v1/speech", json=STORED)).status_code == 202
    overloaded = await api.client.post("/v1/speech", json=STORED)
    assert (overloaded.status_code, overloaded.json()["error"]["code"]) == (429, "overloaded")
    await settled(api)
    (count,) = api.context.metering.guard._counts._local.storage.values()
    assert count == 7


async def test_stored_bytes_are_limited_until_something_is_deleted(start: Start) -> None:
    api = await start(quotas="stored_bytes=10B")
    made = (await api.client.post("/v1/speech", json=STORED, headers={"Prefer": "wait=20"})).json()
    assert made["bytes"] >= 10
    for path, body in (("/v1/speech", STORED), ("/v1/batches", BATCH)):
        refused = await ask(api, path, body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
        assert (refused.headers["x-should-retry"], "retry-after" in refused.headers) == ("false", False)
    assert (await api.client.delete(made["links"]["self"])).status_code == 204
    assert (await ask(api, "/v1/speech", STORED)).status_code == 202


async def test_batches_at_once_are_limited_in_number(start: Start, tmp_path: Path) -> None:
    """M8: 78 of 78 batches were accepted in 0.7 s."""
    api = await start(quotas="batches=2,characters=1000/day")
    await api.context.batches.stop()
    answers = await asyncio.gather(*(ask(api, "/v1/batches", BATCH) for _ in range(20)))
    made = [answer.json()["id"] for answer in answers if answer.status_code == 202]
    assert len(made) == 2
    assert {answer.status_code for answer in answers} == {202, 429}
    assert len(list((tmp_path / "out" / "batches").iterdir())) == 2, "a refused batch leaves no folder"
    await settled(api)
    assert (await ask(api, f"/v1/batches/{made[0]}/cancel", {})).status_code == 200
    await settled(api)
    answer = await ask(api, "/v1/batches", BATCH)
    assert (answer.status_code, rates(answer, "characters")) == (202, (1000, 1000 - 2 * 2 * 8)), "two avatars"
    assert (await ask(api, f"/v1/batches/{made[0]}/retry", {})).status_code == 429


async def test_batches_at_once_never_wait_for_each_other_s_threads(start: Start) -> None:
    """More of them than the process has threads for files and the database."""
    api = await start(quotas="stored_bytes=1GiB,characters=100000/day")
    await api.context.batches.stop()
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(ask(api, "/v1/batches", BATCH) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {202}


async def test_batch_that_is_sent_again_with_its_key_is_answered_over_the_quota(start: Start) -> None:
    api = await start(quotas="batches=1,characters=16/day")
    await api.context.batches.stop()
    key = {"Idempotency-Key": "monday"}
    answers = [await api.client.post("/v1/batches", json=BATCH, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]


@pytest.mark.parametrize("text", ["requests=5", "words=5/day"])
async def test_wrong_quotas_are_refused_at_the_start(start: Start, text: str) -> None:
    with pytest.raises(ValueError, match="is no quota"):
        await start(quotas=text)


async def test_wrong_file_of_quotas_is_refused_at_the_start(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"TTSP_QUOTAS_FILE, .*, cannot be used: No such file"):
        await start(quotas_file=tmp_path / "none.json")
    (tmp_path / "wrong.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"cannot be used: it must be an object"):
        await start(quotas_file=tmp_path / "wrong.json")


def test_wrong_file_of_quotas_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text('{"keys": {"site": "streams=1"}}', encoding="utf-8")
    settings = Settings(quotas_file=tmp_path / "wrong.json", state_dir=tmp_path)
    with pytest.raises(ServingError, match=r"wrong.json, cannot be used: keys: 'site' is no id of a key"):
        Playground(settings)
