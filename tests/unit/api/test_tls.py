"""TLS of the gateway's own listener, over real sockets: the same limits, the handshake among them.

Each case runs on the event loop of the standard library and on uvloop, Ray Serve's: their TLS differs.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import uvloop
from certificates import Files, write_certificate
from cryptography.x509 import load_der_x509_certificate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from cluster.process import free_port
from tts_app.api import tls
from tts_app.api.connections import Limits
from tts_app.api.listener import Address, listening
from tts_app.certificates import Certificate

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HELD = b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n"
Run = Callable[[Coroutine[Any, Any, None]], None]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def run_on_a_loop_of_its_own(test: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(test)

    return run_on_a_loop_of_its_own


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return write_certificate(tmp_path)


class Here:
    """A listener and its callers."""

    def __init__(self, port: int, files: Files) -> None:
        self.port = port
        self.url = f"https://127.0.0.1:{port}"
        self.trusted = files.trusting()
        self.gate = asyncio.Event()
        self.flooded = asyncio.Event()
        self.asked = 0
        self._open: list[asyncio.StreamWriter] = []

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self.answer, methods=["GET", "POST"]),
                Route("/held", self.held),
                Route("/flood", self.flood),
            ]
        )

    async def answer(self, request: Request) -> Response:
        return PlainTextResponse(f"{request.url.scheme} {len(await request.body())}")

    async def held(self, _request: Request) -> Response:
        self.asked += 1
        await self.gate.wait()
        return PlainTextResponse("held")

    async def flood(self, _request: Request) -> Response:
        async def blocks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield bytes(1 << 20)
                    await asyncio.sleep(0)
            finally:
                self.flooded.set()

        return StreamingResponse(blocks())

    async def connect(self, *, secured: bool = True, source: str = "127.0.0.1") -> Connection:
        context = self.trusted if secured else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, local_addr=(source, 0)
        )
        self._open.append(writer)
        return reader, writer

    async def others_are_served(self) -> None:
        async with httpx.AsyncClient(verify=self.trusted, trust_env=False, timeout=30) as client:
            assert (await client.get(self.url)).text == "https 0"

    def close(self) -> None:
        self.gate.set()
        for writer in self._open:
            writer.transport.abort()


@asynccontextmanager
async def listener(files: Files, limits: Limits | None = None) -> AsyncIterator[Here]:
    here = Here(free_port("127.0.0.1"), files)
    certificate = Certificate(files.chain, files.key)
    address = Address(host="127.0.0.1", port=here.port)
    async with listening(here.app, address, limits, certificate=certificate):
        try:
            yield here
        finally:
            here.close()


async def status_of(connection: Connection) -> int:
    """Return the status of one answer, whose body is read."""
    head = await asyncio.wait_for(connection[0].readuntil(b"\r\n\r\n"), 20)
    length = next(int(line.split(b":")[1]) for line in head.splitlines() if b"content-length" in line.lower())
    await asyncio.wait_for(connection[0].readexactly(length), 20)
    return int(head.split()[1])


async def is_closed(connection: Connection) -> bool:
    try:
        while await asyncio.wait_for(connection[0].read(1 << 16), 20):
            pass
    except (ConnectionError, ssl.SSLError):
        pass
    return True


def sockets_in_use() -> int:
    return sum(1 for one in psutil.Process().net_connections("tcp") if one.status != "LISTEN")


def test_listener_speaks_tls(run: Run, files: Files) -> None:
    async def test() -> None:
        async with listener(files) as here:
            async with httpx.AsyncClient(verify=here.trusted, trust_env=False, timeout=30) as client:
                answers = await asyncio.gather(*(client.get(here.url) for _ in range(30)))
                assert {answer.text for answer in answers} == {"https 0"}
                assert (await client.post(here.url, content=bytes(300_000))).text == "https 300000"
            connection = await here.connect()
            secured = connection[1].get_extra_info("ssl_object")
            assert secured.version() == "TLSv1.3"
            connection[1].write(GET * 10)
            assert [await status_of(connection) for _ in range(10)] == [200] * 10

    run(test())


def test_listener_takes_tls_1_2_and_none_before(run: Run, files: Files) -> None:
    async def test() -> None:
        async with listener(files) as here:
            here.trusted.maximum_version = ssl.TLSVersion.TLSv1_2
            connection = await here.connect()
            assert connection[1].get_extra_info("ssl_object").version() == "TLSv1.2"
            old = files.trusting()
            old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            old.maximum_version = ssl.TLSVersion.TLSv1_1
            old.set_ciphers("ALL:@SECLEVEL=0")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection("127.0.0.1", here.port, ssl=old)
            await here.others_are_served()

    run(test())


def test_listener_closes_who_speaks_no_tls(run: Run, files: Files) -> None:
    async def test() -> None:
        async with listener(files) as here:
            for said in (GET, b"\x16\x03\x01" + bytes(1000), b"\x00"):
                plain = await here.connect(secured=False)
                plain[1].write(said)
                if said != b"\x00":  # that may be the beginning of anything
                    assert await is_closed(plain)
            await here.others_are_served()

    run(test())


def test_listener_serves_a_new_caller_beside_connections_without_a_handshake(run: Run, files: Files) -> None:
    async def test() -> None:
        async with listener(files, Limits(per_address=20)) as here:
            silent = [await here.connect(secured=False) for _ in range(60)]
            await here.others_are_served()
            assert all([await is_closed(one) for one in silent[:40]])

    run(test())


def test_listener_has_one_place_for_a_handshake_and_its_connection(run: Run, files: Files) -> None:
    async def test() -> None:
        async with listener(files, Limits(per_address=1)) as here:
            for _ in range(5):
                connection = await here.connect()
                connection[1].write(GET)
                assert await status_of(connection) == 200

    run(test())


def test_listener_lets_answers_end_when_there_is_no_more_room(run: Run, files: Files, until: Until) -> None:
    async def test() -> None:
        async with listener(files, Limits(connections=3)) as here:
            held = [await here.connect(source=f"127.0.0.{n}") for n in (2, 3, 4)]
            for one in held:
                one[1].write(HELD)
            await until(lambda: here.asked == 3)
            assert await is_closed(await here.connect(secured=False, source="127.0.0.5"))
            here.gate.set()
            assert [await status_of(one) for one in held] == [200] * 3
            await here.others_are_served()

    run(test())


def test_listener_ends_a_handshake_that_trickles(run: Run, files: Files) -> None:
    async def test() -> None:
        async with listener(files, Limits(header_seconds=0.5)) as here:
            began = time.monotonic()
            slow, silent = await here.connect(secured=False), await here.connect(secured=False)
            # The beginning of a ClientHello of 512 bytes.
            for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03":
                slow[1].write(bytes([byte]))
                await asyncio.sleep(0)
            assert await is_closed(slow)
            assert await is_closed(silent)
            assert time.monotonic() - began >= 0.5, "it was given its time"
            await here.others_are_served()

    run(test())


def test_listener_limits_requests_in_tls(run: Run, files: Files) -> None:
    async def test() -> None:
        async with listener(files, Limits(header_seconds=1, idle_seconds=1, header_bytes=4096)) as here:
            large, slow, idle = [await here.connect() for _ in range(3)]
            large[1].write(b"GET / HTTP/1.1\r\nX: " + b"a" * 50_000)
            slow[1].write(b"GET / HTTP/1.1\r\n")
            assert await status_of(large) == 431
            assert await status_of(slow) == 408
            for one in (large, slow, idle):
                assert await is_closed(one)
            await here.others_are_served()

    run(test())


def test_listener_ends_an_answer_in_tls_that_nobody_reads(run: Run, files: Files) -> None:
    async def test() -> None:
        async with listener(files, Limits(send_seconds=0.5)) as here:
            _, writer = await here.connect()
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.wait_for(here.flooded.wait(), 30)

    run(test())


def test_listener_leaves_no_socket_in_any_phase(run: Run, files: Files, until: Until) -> None:
    async def test() -> None:
        before = sockets_in_use()
        async with listener(files, Limits(header_seconds=0.5, idle_seconds=0.5)) as here:
            for _ in range(20):
                for secured in (True, False):
                    _, writer = await here.connect(secured=secured)
                    writer.write(GET[:20] if secured else b"\x16\x03")
                    writer.transport.abort()
                await here.connect(secured=False)  # ended by us
            await until(lambda: sockets_in_use() <= before + 20)  # our own ends of those
        await until(lambda: sockets_in_use() <= before)

    run(test())


def test_listener_ends_handshakes_and_lets_requests_end_when_it_stops(
    run: Run, files: Files, until: Until
) -> None:
    async def test() -> None:
        here = Here(free_port("127.0.0.1"), files)
        certificate = Certificate(files.chain, files.key)
        async with listening(here.app, Address(host="127.0.0.1", port=here.port), certificate=certificate):
            asked, silent = await here.connect(), await here.connect(secured=False)
            asked[1].write(HELD)
            await until(lambda: here.asked == 1)
            asyncio.get_running_loop().call_later(0.2, here.gate.set)
        assert await status_of(asked) == 200
        assert await is_closed(silent)
        with pytest.raises(ConnectionError):
            await here.connect(secured=False)

    run(test())


def test_listener_takes_a_renewed_certificate(
    run: Run, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "_RENEW", 0.02)

    def serial(here: Here) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", here.port), 20) as plain,
            context.wrap_socket(plain) as one,
        ):
            return load_der_x509_certificate(one.getpeercert(binary_form=True) or b"").serial_number

    async def test() -> None:
        async with listener(files) as here:
            old = await here.connect()
            assert await asyncio.to_thread(serial, here) == files.serial
            renewed = await asyncio.to_thread(write_certificate, files.chain.parent)
            async with asyncio.timeout(30):
                while await asyncio.to_thread(serial, here) != renewed.serial:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            old[1].write(GET)
            assert await status_of(old) == 200, "connections of before go on"

    run(test())
