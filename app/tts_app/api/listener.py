"""The gateway's own HTTP server: callers reach it without Ray Serve's proxy between.

What the proxy passes on is an item of a call between processes, about 0.4 ms of CPU in either, so thousands
of streams cannot go through it; here a chunk is a write to a socket (docs/decisions/0012-direct-gateway.md).
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
"""Seconds that requests have to end by themselves: less than Serve gives a replica to stop."""
_SOCKETS = 16
"""libuv, since 1.45, accepts one connection of a socket each time that the event loop goes round. While it
writes to thousands of streams that is ten times a second: so there are several sockets to accept from."""
_BACKLOG = 4096


class Address(BaseModel):
    """Where to listen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int


@asynccontextmanager
async def listening(app: ASGIApp, address: Address) -> AsyncIterator[None]:
    """Answer requests at `address` with `app` meanwhile, in this event loop. Leaving it lets them end first.

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
    """Return sockets that share a port, which the gateway that takes this one's place may share too."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sockets: list[socket.socket] = []
    try:
        for _ in range(_SOCKETS):
            listener = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((address.host, address.port))
            listener.listen(_BACKLOG)  # at once, so that nobody is turned away until the server runs
    except OSError:
        for listener in sockets:
            listener.close()
        raise
    return sockets
