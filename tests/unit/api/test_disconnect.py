"""Callers who leave a gateway that listens itself, over real connections: what they asked for is given up."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tts_app.api.app import create_app
from tts_app.api.listener import Address, listening
from tts_app.serving import service
from tts_app.speech import PLANNERS
from tts_app.storage.speeches import Speeches

CHAT = {"model": "writer", "messages": [{"role": "user", "content": "Hello"}]}
SPOKEN = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "mp3"}}
SPEECH = {"input": "one two", "voice": "alloy"}
REQUESTS = [
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", CHAT | {"stream": True}),
    ("/v1/chat/completions", CHAT | SPOKEN),
    ("/v1/completions", {"model": "writer", "prompt": "Say"}),
    ("/v1/audio/speech", SPEECH),
    ("/v1/audio/speech", SPEECH | {"stream_format": "sse"}),
]


@pytest.fixture
async def client(api: Any) -> AsyncIterator[httpx.AsyncClient]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with (
        listening(create_app(api.context), Address(host="127.0.0.1", port=port)),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
    ):
        yield client


def requests(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.fields for record in caplog.records if record.message == "request"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("path", "body"), REQUESTS)
async def test_what_runs_and_what_waits_is_given_up(
    api: Any,
    client: httpx.AsyncClient,
    until: Any,
    caplog: pytest.LogCaptureFixture,
    path: str,
    body: dict[str, Any],
) -> None:
    """Two are served at a time, the other two wait in line."""
    caplog.set_level(logging.INFO)
    api.writer.gate.clear()
    api.model.gate.clear()
    callers = [asyncio.create_task(client.post(path, json=body)) for _ in range(4)]
    await until(lambda: (2, 2) in (api.load, api.text_load))
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    await until(lambda: api.load == api.text_load == (0, 0))
    assert api.writer.closed == len(api.writer.requests)
    assert api.model.spoken == []
    await until(lambda: len(requests(caplog)) == 4)
    assert {line["status"] for line in requests(caplog)} <= {499, 200}  # a stream had begun
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_who_stays_is_answered_again_and_again_on_one_connection(
    api: Any, client: httpx.AsyncClient
) -> None:
    used = set()
    for path, body in REQUESTS * 2:
        async with client.stream("POST", path, json=body) as answer:
            assert answer.status_code == 200
            assert await answer.aread()
            used.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(used) == 1
    assert api.load == api.text_load == (0, 0)


async def test_who_leaves_before_the_whole_request_has_come(
    client: httpx.AsyncClient, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    writer.write(head + b'Content-Length: 99\r\n\r\n{"model": ')
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await until(lambda: len(requests(caplog)) == 1)
    assert requests(caplog)[0]["status"] == 499


async def test_a_durable_speech_is_made_whether_its_caller_stays_or_not(
    api: Any, client: httpx.AsyncClient, until: Any
) -> None:
    api.model.gate.clear()
    asked = {"text": "one two", "language": "en"}
    caller = asyncio.create_task(client.post("/v1/speech", json=asked, headers={"Prefer": "wait=9"}))
    await until(lambda: api.load == (1, 0))
    caller.cancel()
    await asyncio.wait([caller])
    await asyncio.sleep(0.05)
    api.model.gate.set()
    await until(lambda: api.model.spoken == ["one", "two"])


async def test_the_check_of_a_durable_speech_is_given_up_and_nothing_is_accepted(
    api: Any, client: httpx.AsyncClient, until: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    caplog.set_level(logging.INFO)
    running = 0

    async def check(*_: Any) -> None:
        nonlocal running
        running += 1
        try:
            await asyncio.Event().wait()
        finally:
            running -= 1

    monkeypatch.setattr(service.speech, "check", check)
    asked = {"text": "one two", "language": "en"}
    callers = [asyncio.create_task(client.post("/v1/speech", json=asked)) for _ in range(PLANNERS + 1)]
    await until(lambda: running == PLANNERS)
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    await until(lambda: len(requests(caplog)) == len(callers))
    assert running == 0
    assert {line["status"] for line in requests(caplog)} == {499}
    assert await asyncio.to_thread(Speeches(api.context.database).count_unfinished) == {}
