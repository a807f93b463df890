"""HEAD answers what GET does, without the body, and a stream ends at once."""

import asyncio
from collections.abc import AsyncIterator

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from cluster.process import free_port
from tts_app.api.head import HeadAsGet
from tts_app.api.listener import Address, listening


async def test_head_is_get_without_a_body() -> None:
    ended = asyncio.Event()

    async def page(_request: Request) -> Response:
        return PlainTextResponse("twelve bytes")

    async def stream(_request: Request) -> Response:
        async def events() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"data: more\n\n"
                    await asyncio.sleep(0.01)
            finally:
                ended.set()

        return StreamingResponse(events(), media_type="text/event-stream")

    routes = [Route("/page", page, methods=["GET"]), Route("/events", stream, methods=["GET"]),
              Route("/change", page, methods=["POST"])]  # fmt: skip
    port = free_port("127.0.0.1")
    app = HeadAsGet(Starlette(routes=routes))
    async with (
        listening(app, Address(host="127.0.0.1", port=port)),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        answer = await client.head("/page")
        assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "12", b"")
        answer = await asyncio.wait_for(client.head("/events"), 10)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")
        await asyncio.wait_for(ended.wait(), 10)
        assert (await client.head("/none")).status_code == 404
        assert (await client.head("/change")).status_code == 405
        assert (await client.get("/page")).text == "twelve bytes"
