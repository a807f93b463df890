"""The gateway's own HTTP server: callers reach it without Ray Serve's proxy in between.

The proxy passes each chunk on as an item of a call between processes, about 0.4 ms of CPU in each of the two.
Thousands of streams cannot go through it. Here a chunk is a write to a socket
(docs/decisions/0012-direct-gateway.md).
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from pydantic import BaseModel, ConfigDict
from starlette.types import ASGIApp

from tts_app.serve_config import KEEP_ALIVE

GRACE = 8
"""Seconds in which requests may end by themselves: less than Serve gives a replica to stop."""
_SOCKETS = 16
"""Since 1.45, libuv accepts one connection per socket in each turn of the event loop. While the loop writes
to thousands of streams it turns ten times a second, so there are several sockets to accept from."""
_BACKLOG = 4096


class Address(BaseModel):
    """Where to listen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int


@asynccontextmanager
async def listening(app: ASGIApp, address: Address) -> AsyncIterator[None]:
    """Answer requests at `address` with `app` inside the context, in this event loop.

    On exit, requests get `GRACE` seconds to end.

    Raises:
        OSError: the address cannot be listened on.
    """
    sockets = _listen(address)
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        http="httptools",
        ws="none",
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=sockets))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _listen(address: Address) -> list[socket.socket]:
    """Return sockets that share a port; the gateway that replaces this one may share it too."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sockets: list[socket.socket] = []
    try:
        for _ in range(_SOCKETS):
            listener = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((address.host, address.port))
            listener.listen(_BACKLOG)  # now: until the server runs, callers wait and are not refused
    except OSError:
        for listener in sockets:
            listener.close()
        raise
    return sockets
