"""The gateway's own server: it answers where it is told, lets requests end, and says what is in its way."""

import asyncio
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cluster.process import free_port
from tts_app.api.listener import Address, listening
from tts_app.api.protocol import GuardedProtocol


def answering(gate: asyncio.Event) -> Starlette:
    async def answer(_request: Request) -> Response:
        await gate.wait()
        return PlainTextResponse("here")

    return Starlette(routes=[Route("/", answer)])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_it_answers_at_its_address_and_nowhere_else(host: str) -> None:
    gate, port = asyncio.Event(), free_port("127.0.0.1")
    gate.set()
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    async with (
        listening(answering(gate), Address(host=host, port=port)),
        httpx.AsyncClient(timeout=30) as client,
    ):
        answers = await asyncio.gather(*(client.get(url) for _ in range(50)))
        assert {answer.text for answer in answers} == {"here"}
        assert "server" not in answers[0].headers
        other = "127.0.0.2" if host == "127.0.0.1" else "127.0.0.1"
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://{other}:{port}")
    async with httpx.AsyncClient(timeout=30) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_a_request_under_way_is_answered_before_it_ends() -> None:
    gate, port = asyncio.Event(), free_port("127.0.0.1")
    async with httpx.AsyncClient(timeout=30) as client:
        async with listening(answering(gate), Address(host="127.0.0.1", port=port)):
            asked = asyncio.create_task(client.get(f"http://127.0.0.1:{port}"))
            await asyncio.sleep(0.1)
            asyncio.get_running_loop().call_later(0.2, gate.set)
        assert (await asked).text == "here"


async def test_a_port_that_another_program_has_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = Address(host="127.0.0.1", port=other.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            async with listening(answering(asyncio.Event()), address):
                pass


async def test_it_probes_silent_connections() -> None:
    probed: list[int] = []

    class Looked(GuardedProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            sock = transport.get_extra_info("socket")
            probed.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
            super().connection_made(transport)

    gate, port = asyncio.Event(), free_port("127.0.0.1")
    gate.set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tts_app.api.listener.GuardedProtocol", Looked)
        async with (
            listening(answering(gate), Address(host="127.0.0.1", port=port)),
            httpx.AsyncClient(timeout=30) as client,
        ):
            await client.get(f"http://127.0.0.1:{port}")
    assert probed == [1]
