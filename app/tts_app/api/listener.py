"""The gateway's own HTTP server: callers reach it without Ray Serve's proxy in between.

The proxy passes each chunk on as an item of a call between processes, about 0.4 ms of CPU in each of the two.
Thousands of streams cannot go through it. Here a chunk is a write to a socket
(docs/decisions/0012-direct-gateway.md).
"""

import asyncio
import logging
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import uvicorn
from pydantic import BaseModel, ConfigDict
from starlette.types import ASGIApp

from tts_app.api.callers import Callers
from tts_app.api.connections import Connections, Limits
from tts_app.api.errors import ApiError
from tts_app.api.protocol import GuardedProtocol
from tts_app.api.speech_socket import MESSAGE
from tts_app.api.tls import Handshake, SecuredProtocol, accepting
from tts_app.certificates import Certificate
from tts_app.telemetry.logs import log

GRACE = 8
"""Seconds in which requests may end by themselves: less than Serve gives a replica to stop."""
PING = 20.0
"""Seconds between two pings of a WebSocket, and those in which each must be answered."""
_SOCKETS = 16
"""Since 1.45, libuv accepts one connection per socket in each turn of the event loop. While the loop writes
to thousands of streams it turns ten times a second, so there are several sockets to accept from."""
_BACKLOG = 4096
_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""Seconds of silence before the kernel probes, seconds between probes, and their number. Where an answer is
silent for long, a caller that is gone is found in two minutes, and routers do not forget the connection."""
_SWEEP = 1.0
"""Seconds between two looks at which connections have taken too long."""
_FILES_FOR_CONNECTIONS = 0.75
"""Share of the files that the process may open which may be connections: the rest is for everything else."""


class Address(BaseModel):
    """Where to listen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int


@asynccontextmanager
async def listening(
    app: ASGIApp,
    address: Address,
    limits: Limits | None = None,
    callers: Callers | None = None,
    certificate: Certificate | None = None,
    refused: Callable[[ApiError], None] = lambda _error: None,
) -> AsyncIterator[None]:
    """Answer requests at `address` with `app` inside the context, in this event loop.

    On exit, requests get `GRACE` seconds to end. `limits` and `callers` have defaults. With a `certificate`
    it speaks TLS. `refused` is told with what error a connection is refused that never reaches `app`.

    Raises:
        OSError: the address cannot be listened on.
    """
    limits = _within_files(limits or Limits())
    callers = callers or Callers()
    connections: Connections[GuardedProtocol | Handshake] = Connections(limits, lambda one: one.close())
    guards: dict[str, Any] = {
        "connections": connections,
        "limits": limits,
        "callers": callers,
        "refused": refused,
    }
    sockets = _listen(address)
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        http=partial(GuardedProtocol, **guards),  # type: ignore[arg-type] # a class with some of its arguments
        ws="websockets-sansio",
        ws_max_size=MESSAGE,
        ws_ping_interval=PING,
        ws_ping_timeout=PING,
        ws_per_message_deflate=False,  # a small message could unpack to a large one
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=round(limits.idle_seconds),
        timeout_graceful_shutdown=GRACE,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=sockets if certificate is None else []))
    sweeping = asyncio.create_task(_sweep(connections))
    try:
        if certificate is None:
            yield
        else:
            ours = {"config": config, "server_state": server.server_state, "app_state": {}, **guards}
            make = partial(SecuredProtocol, **ours)
            async with accepting(sockets, make, certificate, connections, limits, callers):
                yield
    finally:
        server.should_exit = True
        await serving
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping


async def _sweep(connections: Connections[GuardedProtocol | Handshake]) -> None:
    while True:
        await asyncio.sleep(_SWEEP)
        for connection, phase in connections.overdue():
            try:
                connection.expire(phase)
            except Exception as error:  # noqa: BLE001 - the timers of the others must go on
                log("connection not ended", level=logging.ERROR, error=error, phase=phase.value)
                connection.abort()


def _within_files(limits: Limits) -> Limits:
    """Let the process open as many files as it may; return `limits` that leave some for other uses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    most = int(soft * _FILES_FOR_CONNECTIONS)
    return replace(limits, connections=min(limits.connections, most))


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
            _keep_alive(listener)
            listener.bind((address.host, address.port))
            listener.listen(_BACKLOG)  # now: until the server runs, callers wait and are not refused
    except OSError:
        for listener in sockets:
            listener.close()
        raise
    return sockets


def _keep_alive(listener: socket.socket) -> None:
    """Let the kernel probe silent connections; those that `listener` accepts inherit it."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _ALIVE.items():
        if (option := getattr(socket, name, None)) is not None:  # macOS lacks one of them
            listener.setsockopt(socket.IPPROTO_TCP, option, value)
