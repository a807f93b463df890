"""`/v1/audio/speech/stream` over real sockets: what is said, barge-in, and who may not come in."""

import asyncio
import base64
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets
from certificates import write_certificate
from sqlalchemy.exc import OperationalError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from cluster.process import free_port
from tts_app.api import speech_socket
from tts_app.api.connections import Limits
from tts_app.api.listener import Address, listening
from tts_app.api.websockets import WebSocketsAsGet
from tts_app.certificates import Certificate
from tts_app.engines.base import EngineError
from tts_app.security.key_file import KeyFileError
from tts_app.security.principal import Scope
from tts_app.security.provider import ProviderAwayError
from tts_app.serving.client import ModelUnavailableError
from tts_app.serving.clones import NoVaultError

Start = Callable[..., Any]
PATH = "/v1/audio/speech/stream"
SECRET = "a-secret-of-16-ch"
START = {"type": "start", "voice": "alloy", "response_format": "pcm"}
FIRST = "This is a whole first sentence. "


@asynccontextmanager
async def serving(api: Any, limits: Limits | None = None) -> AsyncIterator[str]:
    """Let the API listen; yield the socket's address."""
    port = free_port("127.0.0.1")
    app = api.client._transport.app
    async with listening(app, Address(host="127.0.0.1", port=port), limits):
        yield f"ws://127.0.0.1:{port}{PATH}"


@asynccontextmanager
async def talking(api: Any, **start: Any) -> AsyncIterator[ClientConnection]:
    """Connect, and start."""
    async with serving(api) as address, connect(address) as socket:
        await socket.send(json.dumps({**START, **start}))
        started = await heard(socket)
        assert started["type"] == "started"
        yield socket


async def heard(socket: ClientConnection) -> Any:
    """Return the next message: parsed, or the audio."""
    message = await asyncio.wait_for(socket.recv(), 10)
    return message if isinstance(message, bytes) else json.loads(message)


async def turn(socket: ClientConnection) -> tuple[bytes, dict[str, Any]]:
    """Return the audio up to the next message that is none, and that message."""
    audio = b""
    while isinstance(message := await heard(socket), bytes):
        audio += message
    return audio, message


async def say(socket: ClientConnection, *texts: str) -> None:
    for text in texts:
        await socket.send(json.dumps({"type": "text", "text": text}))


async def command(socket: ClientConnection, kind: str) -> None:
    await socket.send(json.dumps({"type": kind}))


async def test_a_text_is_spoken_while_it_is_written(api: Any) -> None:
    async with talking(api) as socket:
        await say(socket, "This is a whole ", "first sentence. ", "And")
        assert await heard(socket) == b"This@heart;", "before the turn is whole"
        await say(socket, " the", " rest")
        await command(socket, "flush")
        audio, done = await turn(socket)
        assert (
            audio
            == b"is@heart;a@heart;whole@heart;first@heart;sentence.@heart;And@heart;the@heart;rest@heart;"
        )
        assert done == {"type": "done", "characters": 44, "seconds": 4.5}
        assert api.load == (0, 0)


async def test_turns_follow_each_other_and_end_closes(api: Any) -> None:
    async with talking(api) as socket:
        await say(socket, "One.")
        await command(socket, "flush")
        await say(socket, "Two.")
        await command(socket, "flush")
        await say(socket, "Three.")
        await command(socket, "end")
        assert [(await turn(socket))[0] for _ in range(3)] == [
            b"One.@heart;",
            b"Two.@heart;",
            b"Three.@heart;",
        ]
        with pytest.raises(ConnectionClosed) as closed:
            await heard(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000


async def test_barge_in_stops_the_model_and_the_next_turn_is_spoken(api: Any, until: Any) -> None:
    async with talking(api) as socket:
        api.model.gate.clear()
        await say(socket, FIRST, FIRST)
        await until(lambda: api.load == (1, 0))
        await say(socket, "More that nobody will hear.")
        await command(socket, "cancel")
        assert await turn(socket) == (b"", {"type": "cancelled"})
        assert api.load == (0, 0)
        assert api.model.cancelled == 1
        api.model.gate.set()
        await say(socket, "Sorry.")
        await command(socket, "flush")
        audio, done = await turn(socket)
        assert (audio, done["characters"]) == (b"Sorry.@heart;", 6)


async def test_a_caller_who_leaves_frees_the_slot(api: Any, until: Any) -> None:
    api.model.gate.clear()
    async with talking(api) as socket:
        await say(socket, FIRST, FIRST)
        await until(lambda: api.load == (1, 0))
        socket.transport.abort()
        await until(lambda: api.load == (0, 0))


async def test_a_new_start_changes_the_voice_between_turns(api: Any) -> None:
    async with talking(api) as socket:
        await say(socket, "One.")
        await socket.send(json.dumps({**START, "voice": "onyx", "user": "u", "instructions": "Sing."}))
        messages = [await heard(socket) for _ in range(3)]
        started = next(one for one in messages if isinstance(one, dict) and one["type"] == "started")
        assert started["voice"] == "male_en-US"
        assert started["ignored"] == ["instructions", "user"]
        assert b"One.@heart;" in messages
        await say(socket, "Two.")
        await command(socket, "flush")
        assert (await turn(socket))[0] == b"Two.@michael;"


async def test_a_turn_without_words_is_done_without_audio(api: Any) -> None:
    async with talking(api) as socket:
        await say(socket, "---")
        await command(socket, "flush")
        assert await turn(socket) == (b"", {"type": "done", "characters": 3, "seconds": 0.0})
        await command(socket, "flush")
        await command(socket, "cancel")
        assert await heard(socket) == {"type": "cancelled"}


async def test_a_turn_that_no_text_comes_into_is_ended_and_then_the_session(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open turn holds a slot of the model, and a session a connection."""
    monkeypatch.setattr(speech_socket, "TURN_IDLE", 0.1)
    api = await start(idle_timeout=0.3)
    async with talking(api) as socket:
        await say(socket, "Hello")
        audio, done = await turn(socket)
        assert (audio, done["type"]) == (b"Hello@heart;", "done")
        assert (await heard(socket))["type"] == "end"
        with pytest.raises(ConnectionClosed):
            await heard(socket)


@pytest.mark.parametrize(("bound", "text"), [("TURN_IDLE", ""), ("TURN_IDLE", " \n"), ("TURN", "and ")])
async def test_a_turn_is_not_kept_open_by_blanks_nor_for_ever(
    api: Any, monkeypatch: pytest.MonkeyPatch, bound: str, text: str
) -> None:
    monkeypatch.setattr(speech_socket, bound, 0.3)
    async with talking(api) as socket:
        await say(socket, FIRST, "And")

        async def keep_on() -> None:
            while True:
                await say(socket, text)
                await asyncio.sleep(0.02)

        keeping = asyncio.create_task(keep_on())
        _, done = await asyncio.wait_for(turn(socket), 5)
        keeping.cancel()
        assert done["type"] == "done"


async def test_a_session_ends_after_its_time(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_socket, "SESSION", 0.3)
    async with talking(api) as socket:
        assert (await heard(socket))["type"] == "end"


@pytest.mark.parametrize(
    ("message", "param", "words"),
    [
        ("{", None, "not valid JSON"),
        ("[" * 50_000, None, "not valid JSON"),
        ("[]", "type", "Allowed: start, text, flush, cancel, end"),
        ('{"type": "speak"}', "type", "Allowed: start"),
        ('{"type": ["text"]}', "type", "Allowed: start"),
        ('{"type": "text"}', "text", "required"),
        ('{"type": "text", "text": 7}', "text", "string"),
        ('{"type": "text", "text": "a\\u0000"}', "text", "null"),
        ('{"type": "text", "text": "\\ud800"}', "text", "surrogate"),
        ('{"type": "text", "text": "a", "colour": "red"}', "colour", "no parameter"),
        ('{"type": "start", "voice": "bob"}', "voice", "female_en-US"),
        ('{"type": "start"}', "voice", "required"),
        ('{"type": "start", "voice": "alloy", "sample_rate": 1}', "sample_rate", "Allowed"),
        (b"\x00\x01", None, "text frames"),
    ],
)
async def test_a_wrong_message_is_named_and_ends_the_session(
    api: Any, message: str | bytes, param: str | None, words: str
) -> None:
    async with talking(api) as socket:
        await socket.send(message)
        said = await heard(socket)
        assert said["type"] == "error"
        assert (said["error"]["param"], said["error"]["type"]) == (param, "invalid_request_error")
        assert words in said["error"]["message"]
        with pytest.raises(ConnectionClosed) as closed:
            await heard(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_text_before_start_is_an_error(api: Any) -> None:
    async with serving(api) as address, connect(address) as socket:
        await say(socket, "Hello.")
        assert (await heard(socket))["error"]["code"] == "not_started"


async def test_a_turn_and_its_messages_are_bounded(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_socket, "TURNS", 2)
    api = await start(max_text=100)
    async with talking(api) as socket:
        await say(socket, "x" * 60, "y" * 60)
        assert (await heard(socket))["error"]["code"] == "text_too_long"
    api.model.gate.clear()
    async with talking(api) as socket:
        for _ in range(3):
            await say(socket, "Hello.")
            await command(socket, "flush")
        assert (await heard(socket))["error"]["code"] == "too_many_turns"
    async with talking(api) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await say(socket, "z" * 70_000)
            await heard(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    assert api.load == (0, 0)


async def test_what_fails_is_told_and_closes(api: Any, until: Any) -> None:
    for error, code in (
        (EngineError("too long"), "engine_refused"),
        (RuntimeError("secret"), "internal_error"),
    ):
        async with talking(api) as socket:
            api.model.error = error
            await say(socket, "Hello.")
            await command(socket, "flush")
            _, said = await turn(socket)
            assert said["error"]["code"] == code
            assert "secret" not in said["error"]["message"]
        await until(lambda: api.load == (0, 0))


@pytest.mark.parametrize(
    ("error", "code", "closed_with"),
    [
        (ModelUnavailableError("It is starting."), "model_unavailable", 1011),
        (NoVaultError(), "voice_key_missing", 1011),
        (OperationalError("SELECT", {}, ConnectionError("secret")), "unavailable", 1011),
        (TimeoutError("secret"), "internal_error", 1011),
    ],
)
async def test_a_start_that_fails_is_told(
    api: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str, closed_with: int
) -> None:
    async def fail(*_given: Any) -> None:
        raise error

    monkeypatch.setattr(speech_socket, "chosen_voice", fail)
    async with serving(api) as address, connect(address) as socket:
        await socket.send(json.dumps(START))
        said = await heard(socket)
        assert (said["type"], said["error"]["code"]) == ("error", code)
        assert "secret" not in said["error"]["message"]
        with pytest.raises(ConnectionClosed) as closed:
            await heard(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == closed_with


@pytest.mark.parametrize(
    "error",
    [
        ProviderAwayError("It is away."),
        KeyFileError("It is no file."),
        OperationalError("SELECT", {}, ConnectionError("it is away")),
    ],
)
async def test_a_turn_whose_caller_nobody_can_check_is_told_as_at_the_door(
    api: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def away(_key: str | None) -> None:
        raise error

    async with talking(api) as socket:
        monkeypatch.setattr(api.context.authenticator, "principal", away)
        await say(socket, "Hello.")
        said = await heard(socket)
        assert (said["type"], said["error"]["code"]) == ("error", "unavailable")


async def test_a_full_queue_is_told(api: Any, until: Any) -> None:
    api.model.gate.clear()
    body = {"model": "tts-1", "input": "one", "voice": "alloy"}
    others = [asyncio.create_task(api.client.post("/v1/audio/speech", json=body)) for _ in range(4)]
    await until(lambda: api.load == (2, 2))
    async with talking(api) as socket:
        await say(socket, "Hello.")
        await command(socket, "flush")
        assert (await heard(socket))["error"]["code"] == "overloaded"
    api.model.gate.set()
    await asyncio.gather(*others)


def carried(key: str) -> list[Any]:
    text = base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")
    return [websockets.Subprotocol("ttsp.v1"), websockets.Subprotocol(f"ttsp.bearer.{text}")]


async def test_a_key_comes_in_a_header_or_a_subprotocol(start: Start) -> None:
    api = await start(api_key=SECRET)
    async with serving(api) as address:
        async with connect(address, additional_headers={"Authorization": f"Bearer {SECRET}"}) as socket:
            assert socket.subprotocol is None
        async with connect(address, subprotocols=carried(SECRET)) as socket:
            assert socket.subprotocol == "ttsp.v1", "the key is not sent back"
            await socket.send(json.dumps(START))
            assert (await heard(socket))["type"] == "started"
            await say(socket, "Hello.")
            await command(socket, "flush")
            assert (await turn(socket))[0] == b"Hello.@heart;"


@pytest.mark.parametrize(
    "offered",
    [
        None,
        carried("wrong"),
        [websockets.Subprotocol("ttsp.bearer.!!!")],
        [websockets.Subprotocol("ttsp.bearer.")],
    ],
)
async def test_nobody_comes_in_without_the_key(start: Start, offered: Any) -> None:
    api = await start(api_key=SECRET)
    async with serving(api) as address:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(address, subprotocols=offered):
                pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["error"]["type"] == "authentication_error"
    assert refused.value.response.headers["x-request-id"]


async def test_a_key_without_the_scope_may_not(start: Start) -> None:
    api = await start(api_key=SECRET)
    key, _ = api.context.issuer.create("default", "reader", [Scope.READ], None, "test")
    async with serving(api) as address:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(address, subprotocols=carried(key.text)):
                pass
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body)["error"]["code"] == "insufficient_scope"


async def test_a_key_that_is_revoked_speaks_no_further_turn(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tts_app.security.authenticator._REMEMBERED", 0.0)
    api = await start(key_required=True)
    key, record = api.context.issuer.create("default", "agent", [Scope.SPEAK], None, "test")
    async with serving(api) as address, connect(address, subprotocols=carried(key.text)) as socket:
        await socket.send(json.dumps(START))
        await heard(socket)
        await say(socket, "Hello.")
        await command(socket, "flush")
        assert (await turn(socket))[0] == b"Hello.@heart;"
        api.context.keys.revoke("default", record.id, time.time())
        await say(socket, "Hello again.")
        assert (await heard(socket))["error"]["type"] == "authentication_error"


async def test_pages_of_other_sites_may_not_unless_they_are_named(start: Start) -> None:
    api = await start(cors_origins=("https://app.example",))
    async with serving(api) as address:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(address, origin=websockets.Origin("https://evil.example")):
                pass
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body)["error"]["code"] == "foreign_origin"
        async with connect(address, origin=websockets.Origin("https://app.example")):
            pass
        own = address.removeprefix("ws://").partition("/")[0]
        async with connect(address, origin=websockets.Origin(f"http://{own}")):
            pass


async def test_other_addresses_take_no_handshake_and_say_so_behind_the_door(start: Start) -> None:
    api = await start(api_key=SECRET)
    async with serving(api) as address:
        base = address.removesuffix(PATH)
        key = {"Authorization": f"Bearer {SECRET}"}
        for path, headers, status in (
            ("/v1/models", {}, 401),
            ("/v1/models", key, 404),
            ("/v1/speech/a/audio", {}, 401),
            ("/v1/speech/a/audio", key, 404),
            ("/healthz", {}, 404),
            ("/no/such", {}, 404),
            ("/v1/audio/speech", key, 404),
        ):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(base + path, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == status, path
            if status == 404:
                error = json.loads(refused.value.response.body)["error"]
                assert error["code"] == "no_websocket"
                assert PATH in error["message"]


async def test_a_handshake_has_an_empty_body_once_and_then_ends_with_its_caller() -> None:
    """Who watches for the caller's leaving must neither spin nor miss it."""
    heard: list[str] = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        heard.extend([(await receive())["type"] for _ in range(2)])

    said = asyncio.Queue[Any]()
    for kind in ("connect", "receive"):
        said.put_nowait({"type": f"websocket.{kind}"})
    scope = {"type": "websocket", "path": PATH, "headers": []}

    async def send(_message: Any) -> None:
        """Nothing is answered."""

    serving = asyncio.create_task(WebSocketsAsGet(app)(scope, said.get, send))
    await asyncio.sleep(0.05)
    assert not serving.done(), "the caller is still there"
    said.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await asyncio.wait_for(serving, 5)
    assert heard == ["http.request", "http.disconnect"]


@pytest.mark.parametrize(
    ("query", "headers"), [("?" + "x" * 9000, {}), ("", {"X-Long": "x" * 9000}), ("", {"Cookie": "y" * 8185})]
)
async def test_a_handshake_with_a_line_too_long_is_answered(api: Any, query: str, headers: Any) -> None:
    async with serving(api) as address:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(address + query, additional_headers=headers, open_timeout=5):
                pass
        async with connect(address + "?" + "x" * 8000, additional_headers={"X-Long": "x" * 8000}):
            pass
    assert refused.value.response.status_code == 431
    assert "8192 bytes" in json.loads(refused.value.response.body)["error"]["message"]


async def test_a_handshake_that_nothing_answers_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tts_app.api.protocol.HANDSHAKE", 0.2)

    async def silent(scope: Any, receive: Any, _send: Any) -> None:
        while scope["type"] == "websocket" and (await receive())["type"] != "websocket.disconnect":
            pass

    port = free_port("127.0.0.1")
    async with listening(silent, Address(host="127.0.0.1", port=port)):
        with pytest.raises((InvalidMessage, ConnectionClosed, OSError)) as ended:
            async with connect(f"ws://127.0.0.1:{port}/", open_timeout=5):
                pass
    assert not isinstance(ended.value, TimeoutError)


async def test_a_refused_handshake_is_no_error_of_ours(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    api = await start(api_key=SECRET)
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.addHandler(caplog.handler)
    try:
        async with serving(api) as address:
            with pytest.raises(InvalidStatus):
                async with connect(address):
                    pass
            await asyncio.sleep(0.1)
    finally:
        uvicorn.removeHandler(caplog.handler)
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_plain_request_is_told_to_upgrade(api: Any) -> None:
    answer = await api.client.get(PATH)
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
    assert answer.json()["error"]["code"] == "upgrade_required"


async def test_a_socket_counts_as_a_connection_and_stops_counting(api: Any, until: Any) -> None:
    limits = Limits(connections=2, per_address=2)
    async with serving(api, limits) as address:
        for _ in range(3):
            async with connect(address) as one, connect(address) as two:
                await one.send(json.dumps(START))
                await two.send(json.dumps(START))
                await heard(one)
                await heard(two)
                with pytest.raises(InvalidStatus) as refused:
                    async with connect(address):
                        pass
                assert refused.value.response.status_code in (429, 503)
            await asyncio.sleep(0.1)


async def test_who_answers_no_ping_is_cut_off_and_frees_the_slot(
    api: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that is gone without a word, or reads nothing: its session would wait for ever."""
    monkeypatch.setattr("tts_app.api.listener.PING", 0.2)
    api.model.gate.clear()
    async with serving(api) as address:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.split(":")[2].split("/")[0]))
        handshake = (
            f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        writer.write(handshake.encode())
        assert b"101" in await reader.readline()
        for message in (START, {"type": "text", "text": FIRST * 2}):
            data = json.dumps(message).encode()
            assert len(data) < 126
            writer.write(bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data)  # masked with zeros
        await until(lambda: api.load == (1, 0))
        await until(lambda: api.load == (0, 0))
        writer.close()


async def test_a_socket_works_with_tls(api: Any, tmp_path: Path) -> None:
    files = write_certificate(tmp_path)
    port = free_port("127.0.0.1")
    address, certificate = Address(host="127.0.0.1", port=port), Certificate(files.chain, files.key)
    async with (
        listening(api.client._transport.app, address, certificate=certificate),
        connect(f"wss://127.0.0.1:{port}{PATH}", ssl=files.trusting(), server_hostname="localhost") as socket,
    ):
        await socket.send(json.dumps(START))
        assert (await heard(socket))["type"] == "started"
        await say(socket, "Hello.")
        await command(socket, "end")
        audio, done = await turn(socket)
        assert (audio, done["type"]) == (b"Hello.@heart;", "done")


async def test_what_was_spoken_is_metered(start: Start) -> None:
    api = await start(quotas="characters=45/day")
    async with talking(api) as socket:
        await say(socket, FIRST)
        await command(socket, "flush")
        assert (await turn(socket))[1]["type"] == "done"
        await say(socket, FIRST)
        await command(socket, "flush")
        assert (await turn(socket))[1]["type"] == "done", "a turn is begun if anything is left"
        await say(socket, FIRST)
        await command(socket, "flush")
        _, said = await turn(socket)
        assert said["error"]["code"] == "rate_limit_exceeded"


async def test_each_turn_is_in_the_audit_before_its_audio(start: Start) -> None:
    api = await start(audit=True)
    async with talking(api) as socket:
        for _ in range(2):
            await say(socket, "Hello.")
            await command(socket, "flush")
            await turn(socket)
    page = (await api.client.get("/v1/audit")).json()["data"]
    assert [row["action"] for row in page].count("speech.stream") == 2
