"""The listener's limits, over real sockets: one caller reaches a limit, the others are served."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from cluster.process import free_port
from tts_app.api.callers import Callers, networks
from tts_app.api.connections import Limits
from tts_app.api.listener import Address, listening
from tts_app.api.protocol import GuardedProtocol

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


LARGE = 16 << 20
"""Bytes of an answer that the buffers of two sockets do not take."""


class App:
    """Answers `/` at once, `/held` when `gate` is open, `/early` before it reads, `/flood` with no end."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.flooded = asyncio.Event()
        self.routes = Starlette(
            routes=[
                Route("/", self.answer, methods=["GET", "POST"]),
                Route("/held", self.held),
                Route("/flood", self.flood),
                Route("/large", self.large),
                Route("/trailer", self.trailer, methods=["POST"]),
            ]
        )

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["path"] == "/early":
            await PlainTextResponse("no", 401)(scope, receive, send)
            return
        await self.routes(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        return PlainTextResponse(f"{len(await request.body())} bytes")

    async def held(self, _request: Request) -> Response:
        await self.gate.wait()
        return PlainTextResponse("held")

    async def large(self, _request: Request) -> Response:
        return Response(bytes(LARGE))

    async def trailer(self, request: Request) -> Response:
        await request.body()
        return PlainTextResponse(request.headers.get("x-late", "none"))

    async def flood(self, _request: Request) -> Response:
        async def blocks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield bytes(1 << 20)
                    await asyncio.sleep(0)
            finally:
                self.flooded.set()

        return StreamingResponse(blocks())


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Return status and body of one answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)
        status, *lines = head.decode().split("\r\n")
        length = next(int(line.split(": ")[1]) for line in lines if line.lower().startswith("content-length"))
        return int(status.split()[1]), await asyncio.wait_for(self.reader.readexactly(length), 20)

    async def is_closed(self) -> bool:
        try:
            return await asyncio.wait_for(self.reader.read(1 << 16), 20) == b""
        except ConnectionError:
            return True


class SlowReader:
    """A raw connection that reads when it is told to, through a small buffer."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def read(self) -> int:
        """Read what is there, or wait for it; return its bytes, 0 at the end."""
        return len(await asyncio.get_running_loop().sock_recv(self.socket, 1 << 20))


class Listener:
    def __init__(self, app: App, port: int) -> None:
        self.app = app
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._open: list[asyncio.StreamWriter] = []
        self._slow: list[socket.socket] = []

    async def connect(self, source: str = "127.0.0.1") -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(source, 0))
        self._open.append(writer)
        return Client(reader, writer)

    def connect_slowly(self) -> SlowReader:
        reader = SlowReader(self._port)
        self._slow.append(reader.socket)
        return reader

    async def others_are_served(self) -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            assert (await client.get(self.url, timeout=10)).text == "0 bytes"

    def close(self) -> None:
        for writer in self._open:
            writer.close()
        for slow in self._slow:
            slow.close()


def open_files() -> int:
    return psutil.Process().num_fds()


@asynccontextmanager
async def listener(limits: Limits, callers: Callers | None = None) -> AsyncIterator[Listener]:
    app, port = App(), free_port("127.0.0.1")
    async with listening(app, Address(host="127.0.0.1", port=port), limits, callers):
        here = Listener(app, port)
        try:
            yield here
        finally:
            app.gate.set()
            here.close()


def code(body: bytes) -> str:
    return str(json.loads(body)["error"]["code"])


async def test_listener_serves_a_new_caller_beside_idle_connections() -> None:
    async with listener(Limits(per_address=20)) as here:
        idle = [await here.connect() for _ in range(60)]
        await here.others_are_served()
        assert all([await one.is_closed() for one in idle[:40]])
        await idle[-1].send(GET + b"\r\n")
        assert (await idle[-1].answer())[0] == 200


async def test_listener_has_a_limit_in_all_and_lets_answers_end() -> None:
    async with listener(Limits(connections=3)) as here:
        held = [await here.connect(f"127.0.0.{n}") for n in (2, 3, 4)]
        for one in held:
            await one.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.2)
        status, body = await (await here.connect("127.0.0.5")).answer()
        assert (status, code(body)) == (503, "overloaded")
        here.app.gate.set()
        assert [(await one.answer())[1] for one in held] == [b"held"] * 3
        await here.others_are_served()


async def test_listener_refuses_an_address_whose_connections_are_all_answered() -> None:
    async with listener(Limits(per_address=2)) as here:
        for _ in range(2):
            await (await here.connect("127.0.0.2")).send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.2)
        assert (await (await here.connect("127.0.0.2")).answer())[0] == 429
        await here.others_are_served()


async def test_listener_trusts_a_proxy_with_any_number_of_connections() -> None:
    async with listener(Limits(per_address=2), Callers(networks(["127.0.0.2"]))) as here:
        proxied = [await here.connect("127.0.0.2") for _ in range(10)]
        for one in proxied:
            await one.send(GET + b"\r\n")
        assert [(await one.answer())[0] for one in proxied] == [200] * 10


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(GET + b"X: " + b"a" * 200_000, id="endless header"),
        pytest.param(GET + b"A: b\r\n" * 5000, id="many lines"),
        pytest.param(GET + b"A: b\r\n" * 5000 + b"\r\n", id="many lines, complete"),
        pytest.param(GET + b"X: " + b"a" * 40_000 + b"\r\n\r\n", id="large header, complete"),
        pytest.param(b"GET /" + b"a" * 200_000, id="endless address"),
        pytest.param(b"\r\n" * 100_000, id="empty lines"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 5000,
            id="many trailers",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: " + b"b" * 200_000,
            id="endless trailer",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a=" + b"b" * 200_000,
            id="endless chunk extension",
        ),
    ],
)
async def test_listener_refuses_large_headers(head: bytes) -> None:
    async with listener(Limits()) as here:
        one = await here.connect()
        one.writer.write(head)
        status, body = await one.answer()
        assert (status, code(body)) == (431, "headers_too_large")
        assert await one.is_closed()
        await here.others_are_served()


async def test_listener_takes_headers_up_to_the_limit() -> None:
    async with listener(Limits()) as here:
        one = await here.connect()
        await one.send(GET + b"".join(b"X-%d: y\r\n" % n for n in range(99)) + b"\r\n")
        assert (await one.answer())[0] == 200
        await one.send(GET + b"X: " + b"a" * 32_000 + b"\r\n\r\n")
        assert (await one.answer())[0] == 200


async def test_listener_ends_a_request_that_arrives_slowly() -> None:
    async with listener(Limits(header_seconds=0.5, body_seconds=0.5)) as here:
        headers, body = await here.connect(), await here.connect()
        await headers.send(GET)
        await body.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        for one, part in ((headers, "headers"), (body, "body")):
            status, answer = await one.answer()
            assert (status, code(answer)) == (408, "request_timeout")
            assert part in answer.decode()
            assert await one.is_closed()
        await here.others_are_served()


async def test_listener_closes_idle_connections() -> None:
    async with listener(Limits(idle_seconds=0.5)) as here:
        silent, used = await here.connect(), await here.connect()
        await used.send(GET + b"\r\n")
        assert (await used.answer())[0] == 200
        assert await silent.is_closed()
        assert await used.is_closed()


async def test_listener_ends_an_answer_that_nobody_reads() -> None:
    async with listener(Limits(send_seconds=0.5)) as here:
        one = await here.connect()
        await one.send(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(here.app.flooded.wait(), 20)


async def test_listener_does_not_end_an_answer_that_takes_long() -> None:
    limits = Limits(header_seconds=0.3, body_seconds=0.3, idle_seconds=0.3, send_seconds=0.3)
    async with listener(limits) as here:
        one = await here.connect()
        await one.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(3)
        here.app.gate.set()
        assert await one.answer() == (200, b"held")


async def test_listener_keeps_a_connection_whose_small_body_was_answered_early() -> None:
    async with listener(Limits()) as here:
        one = await here.connect()
        await one.send(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        assert await one.answer() == (401, b"no")
        await one.send(b"x" * 100_000 + GET + b"\r\n")
        assert await one.answer() == (200, b"0 bytes")


async def test_listener_ends_a_large_body_that_was_answered_early() -> None:
    async with listener(Limits()) as here:
        one = await here.connect()
        await one.send(b"POST /early HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert await one.answer() == (401, b"no")
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                await one.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await asyncio.sleep(0.001)
        await here.others_are_served()


async def test_listener_answers_pipelined_requests_in_order_up_to_a_number() -> None:
    async with listener(Limits()) as here:
        one = await here.connect()
        await one.send((GET + b"\r\n") * 10)
        assert [(await one.answer())[0] for _ in range(10)] == [200] * 10
        many = await here.connect()
        many.writer.write((b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n") * 500)
        assert await many.is_closed()
        await here.others_are_served()


async def test_listener_takes_a_body_and_more_requests_on_one_connection() -> None:
    async with listener(Limits()) as here:
        one = await here.connect()
        for size in (0, 10, 300_000):
            head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
            await one.send(head + b"x" * size)
            assert await one.answer() == (200, b"%d bytes" % size)


async def test_listener_refuses_what_is_no_http() -> None:
    async with listener(Limits()) as here:
        one = await here.connect()
        await one.send(b"\x16\x03\x01 hello\r\n\r\n")
        head = await asyncio.wait_for(one.reader.read(1 << 16), 20)
        assert head.startswith(b"HTTP/1.1 400 ")
        assert await one.is_closed()


async def test_listener_leaves_no_socket_of_a_caller_that_resets() -> None:
    async with listener(Limits(connections=5)) as here:
        for _ in range(20):
            one = await here.connect()
            await one.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
            one.writer.transport.abort()
        await asyncio.sleep(0.2)
        sock = socket.create_connection(("127.0.0.1", int(here.url.rsplit(":", 1)[1])))
        sock.close()
        await here.others_are_served()


async def test_listener_lets_nobody_hold_a_connection_with_the_beginning_of_a_second_request() -> None:
    async with listener(Limits(header_seconds=0.5, per_address=1)) as here:
        held = await here.connect()
        await held.send(GET + b"\r\nGET /")
        assert await held.answer() == (200, b"0 bytes")
        await held.send(b"x")
        assert (await held.answer())[0] == 408
        held = await here.connect()
        await held.send(GET + b"\r\nGET /")
        assert await held.answer() == (200, b"0 bytes")
        await held.send(b"x")
        await here.others_are_served()  # it makes room


async def test_listener_answers_before_it_ends_the_beginning_of_a_second_request() -> None:
    async with listener(Limits(header_seconds=0.3, body_seconds=0.3)) as here:
        one = await here.connect()
        await one.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        await one.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        await asyncio.sleep(2.5)
        here.app.gate.set()
        assert await one.answer() == (200, b"held")
        assert (await one.answer())[0] == 408


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"], ids=["kept", "closed"])
async def test_listener_keeps_no_connection_whose_answer_is_not_read(header: bytes) -> None:
    """The answer is complete for the application; its last megabytes wait for a caller who never reads."""
    async with listener(Limits(send_seconds=0.5, idle_seconds=1)) as here:
        slow = here.connect_slowly()
        await asyncio.sleep(0.2)
        before = open_files()
        await slow.send(b"GET /large HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n")
        deadline = asyncio.get_running_loop().time() + 20
        while open_files() >= before:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.1)


async def test_listener_lets_a_caller_read_slowly() -> None:
    async with listener(Limits(send_seconds=0.5)) as here:
        slow = here.connect_slowly()
        await slow.send(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        began, read = asyncio.get_running_loop().time(), 0
        while size := await slow.read():
            read += size
            if asyncio.get_running_loop().time() - began < 4:
                await asyncio.sleep(0.02)
        assert read > LARGE


async def test_listener_refuses_headers_that_are_too_large_whatever_follows() -> None:
    async with listener(Limits()) as here:
        one = await here.connect()
        await one.send(b"GET /held HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 150 + b"\r\n" + GET + b"\r\n")
        assert (await one.answer())[0] == 431
        assert await one.is_closed()


async def test_listener_tells_the_first_of_several_requests_that_its_caller_left() -> None:
    async with listener(Limits()) as here:
        one = await here.connect()
        await one.send(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n" + GET + b"\r\n")
        await one.reader.readexactly(1 << 20)
        one.writer.transport.abort()
        await asyncio.wait_for(here.app.flooded.wait(), 20)


async def test_listener_takes_no_trailer_for_a_header() -> None:
    async with listener(Limits()) as here:
        one = await here.connect()
        head = b"POST /trailer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        await one.send(head + b"0\r\nX-Late: yes\r\n\r\n")
        assert await one.answer() == (200, b"none")


async def test_listener_says_nothing_more_to_a_caller_who_has_been_answered() -> None:
    async with listener(Limits(body_seconds=0.5)) as here:
        one = await here.connect()
        await one.send(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        assert await one.answer() == (401, b"no")
        assert await one.is_closed()


UPGRADES = [
    pytest.param(b"Connection: Upgrade\r\nUpgrade: websocket\r\n", id="websocket"),
    pytest.param(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n", id="h2c"),
]


@pytest.mark.parametrize("headers", UPGRADES)
async def test_listener_ignores_that_another_protocol_is_asked_for(headers: bytes) -> None:
    async with listener(Limits()) as here:
        one = await here.connect()
        for _ in range(2):
            await one.send(GET + headers + b"\r\n")
            assert await one.answer() == (200, b"0 bytes")


@pytest.mark.parametrize("headers", UPGRADES)
@pytest.mark.parametrize("length", [b"Content-Length: 27\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_listener_takes_no_body_for_a_request(headers: bytes, length: bytes) -> None:
    async with listener(Limits()) as here:
        one = await here.connect()
        await one.send(b"POST / HTTP/1.1\r\nHost: x\r\n" + headers + length + b"\r\n")
        await asyncio.sleep(0.1)
        await one.send(b"GET / HTTP/1.1\r\nHost: y\r\n\r\n")
        status, body = await one.answer()
        assert (status, code(body)) == (400, "upgrade_with_body")
        assert await one.is_closed()


async def test_listener_ends_the_connections_after_one_that_cannot_be_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_self: GuardedProtocol, _error: Exception) -> None:
        raise OSError("broken")

    async with listener(Limits(header_seconds=0.3)) as here:
        with monkeypatch.context() as patch:
            patch.setattr(GuardedProtocol, "refuse", broken)
            first = await here.connect()
            await first.send(GET)
            assert await first.is_closed()
        second = await here.connect()
        await second.send(GET)
        assert (await second.answer())[0] == 408
