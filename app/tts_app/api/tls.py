"""TLS for the gateway's own listener, within the same limits.

The event loop's own TLS server tells nobody of a connection before its handshake is complete: whoever opens
connections and says nothing would be in no table, and could not be closed for others. So connections are
accepted here, counted, and then secured.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from tts_app.api.callers import Callers
from tts_app.api.connections import Connections, Limits, Phase
from tts_app.api.protocol import LINGER, GuardedProtocol
from tts_app.certificates import Certificate
from tts_app.telemetry.logs import log

_RENEW = 10.0
"""Seconds between two looks at the files of the certificate."""
_HIGH = 65_536
"""Bytes of an answer that may wait to be encrypted, as many as may wait without TLS. The loops' 512 KiB would
be moved on at once, to where it cannot be seen whether a slow caller reads."""
_PAUSE = 0.2
"""Seconds until the next try if no connection can be accepted, as when the process may open no more files."""


class Handshake:
    """A connection that is not secured yet. It counts as idle, so it is closed if a new one needs room."""

    def __init__(
        self, connection: socket.socket, connections: "Connections[GuardedProtocol | Handshake]"
    ) -> None:
        self._socket = connection
        self._connections = connections
        self._task: asyncio.Task[None] | None = None
        self._has_begun = False

    def start(
        self, make: Callable[[], GuardedProtocol], certificate: Certificate, seconds: float
    ) -> asyncio.Task[None]:
        """Begin to secure the connection for the protocol of `make`; return the task that does it."""
        self._task = asyncio.create_task(self._secure(make, certificate, seconds))
        self._task.add_done_callback(self._end)
        return self._task

    def leave(self) -> None:
        """Stop counting: the connection has ended, or its protocol counts it from now on."""
        self._connections.leave(self)

    def close(self) -> None:
        """End the connection."""
        if self._task is not None:
            self._task.cancel()  # the loop's transport then closes the socket

    def expire(self, _phase: Phase) -> None:
        """End the connection: it has taken too long."""
        self.close()

    def abort(self) -> None:
        """End the connection."""
        self.close()

    def _end(self, _task: asyncio.Task[None]) -> None:
        self.leave()
        if not self._has_begun:  # the task was cancelled before its first step
            self._socket.close()

    async def _secure(
        self, make: Callable[[], GuardedProtocol], certificate: Certificate, seconds: float
    ) -> None:
        self._has_begun = True
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                make,
                self._socket,
                ssl=certificate.context,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=LINGER,
            )
        except OSError as error:  # the caller's fault: no TLS, no cipher in common, too slow, gone
            log("no TLS", level=logging.DEBUG, error=error)


class SecuredProtocol(GuardedProtocol):
    """A connection whose handshake is complete."""

    def __init__(self, *, handshake: Handshake, **guarded: Any) -> None:
        super().__init__(**guarded)
        self._handshake = handshake

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection in, in place of its handshake."""
        self._handshake.leave()
        transport.set_write_buffer_limits(_HIGH)
        super().connection_made(transport)


@asynccontextmanager
async def accepting(
    listeners: Sequence[socket.socket],
    make: Callable[..., SecuredProtocol],
    certificate: Certificate,
    connections: "Connections[GuardedProtocol | Handshake]",
    limits: Limits,
    callers: Callers,
) -> AsyncIterator[None]:
    """Accept and secure connections inside the context; on exit, close the listeners.

    `make` returns the protocol of a connection and takes its `handshake`. Connections that are secured go on.
    """
    running: set[asyncio.Task[None]] = set()

    def take(connection: socket.socket, peer: str) -> None:
        handshake = Handshake(connection, connections)
        bounded = not callers.is_trusted(peer)
        if connections.join(handshake, callers.of(peer), bounded=bounded) is not None:
            connection.close()  # there is no way to say why
            return
        secured = partial(make, handshake=handshake)
        task = handshake.start(secured, certificate, limits.header_seconds)
        running.add(task)
        task.add_done_callback(running.discard)

    tasks = [asyncio.create_task(_accept(listener, take)) for listener in listeners]
    tasks.append(asyncio.create_task(_renew(certificate)))
    try:
        yield
    finally:
        ended = [*tasks, *running]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        for listener in listeners:
            listener.close()


async def _accept(listener: socket.socket, take: Callable[[socket.socket, str], None]) -> None:
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    while True:
        try:
            connection, peer = await loop.sock_accept(listener)
        except OSError as error:
            if error.errno != errno.ECONNABORTED:  # that caller has gone already
                log("no connection accepted", level=logging.ERROR, error=error)
                await asyncio.sleep(_PAUSE)
            continue
        take(connection, peer[0])


async def _renew(certificate: Certificate) -> None:
    while True:
        await asyncio.sleep(_RENEW)
        await asyncio.to_thread(certificate.renew)
