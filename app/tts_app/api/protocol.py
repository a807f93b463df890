"""HTTP/1.1 as uvicorn and httptools read it, within limits. uvicorn has none for this parser."""

import asyncio
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from functools import partial
from http import HTTPStatus
from typing import Any

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import MAX_LINE_LENGTH, MAX_NUM_HEADERS

from tts_app.api.callers import Callers
from tts_app.api.connections import Connections, Full, Limits, Phase
from tts_app.api.errors import ApiError, error_response
from tts_app.telemetry.logs import log

_SLICE = 16_384
"""Bytes that are parsed at a time: what is over a limit is found before the rest is parsed."""
_PIPELINED = 32
"""Requests that may follow each other in a connection before the first of them is answered."""
_UNREAD = 262_144
"""Bytes that are read and dropped after an early answer, so that the caller can read it."""
HANDSHAKE = 60.0
"""Seconds in which a WebSocket's handshake is answered."""
LINGER = 2.0
"""Seconds in which a refused caller can read the answer: TCP drops it if we close at once (RFC 9112, 9.6)."""
_READ = 49_152
"""Bytes that a caller must read within `send_seconds`: those between the two marks of uvloop's buffer."""


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """The WebSocket that a guarded connection has become. Whoever answers no ping is cut off."""

    def __init__(self, *, ended: Callable[[], None], **uvicorn: Any) -> None:
        """`ended` is called when the connection is lost."""
        super().__init__(**uvicorn)
        self._ended = ended
        self._deadline = self.loop.call_later(HANDSHAKE, self._end_handshake)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and tell the session."""
        self._deadline.cancel()
        self._ended()
        super().connection_lost(exc)

    async def send(self, message: ASGISendEvent) -> None:
        """Send what the app says; a refusal completes a handshake, too (uvicorn would log it as an error)."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

    def _end_handshake(self) -> None:
        """End the connection if nothing has answered its handshake."""
        if not self.handshake_complete:
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        """End the connection at once: what waits to be sent would wait for ever, and the session with it."""
        super().keepalive_timeout()
        self.transport.abort()

    async def run_asgi(self) -> None:
        """Run the session; its caller has a moment to read the end."""
        await super().run_asgi()
        self.loop.call_later(LINGER, self.transport.abort)


class GuardedProtocol(HttpToolsProtocol):
    """A connection of a caller that may be anybody."""

    def __init__(
        self,
        *,
        connections: Connections[Any],
        limits: Limits,
        callers: Callers,
        refused: Callable[[ApiError], None] = lambda _error: None,
        **uvicorn: Any,
    ) -> None:
        """`refused` is told with what error the connection is refused."""
        super().__init__(**uvicorn)
        self._on_refused = refused
        self._connections = connections
        self._limits = limits
        self._callers = callers
        self._refused = False
        self._is_socket = False
        self.ws_protocol_class = partial(  # type: ignore[assignment] # a class with some of its arguments
            GuardedWebSocket, ended=lambda: connections.leave(self)
        )
        self._running: RequestResponseCycle | None = None
        self._reading = Phase.WAITING
        self._unsent = 0
        self._start_head()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection in, or say that there is no room."""
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        trusted = self._callers.is_trusted(peer)
        full = self._connections.join(self, self._callers.of(peer), bounded=not trusted)
        if full is not None:
            self.refuse(_no_room(full))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and tell the request that runs."""
        self._connections.leave(self)
        self._end_requests()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, up to a limit."""
        if self._refused:
            self._drop(len(data))
            return
        for start in range(0, len(data), _SLICE):
            if self._refused or self._is_socket or self.transport.is_closing():
                return  # what follows a handshake before its answer is no frame that counts
            piece = data[start : start + _SLICE]
            self._silent += len(piece)
            super().data_received(piece)
            self._note()  # a request that is no HTTP has been answered, and the connection closed
            if self._is_over:
                self.refuse(self._too_large())
            elif self._is_upgrade_with_body:
                self.refuse(_upgrade())
            elif len(self.pipeline) > _PIPELINED:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin to count anew, unless the connection is about to be refused."""
        super().on_message_begin()
        if self._is_refusable:
            return
        self._start_head()
        self._reading = Phase.HEADERS
        self._note()

    def on_url(self, url: bytes) -> None:
        """Count the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer; those over the limit are not kept.

        Nor are trailers: the request's headers have been checked already (RFC 9110, 6.5.1).
        """
        self._count(len(name) + len(value) + 4)
        self._lines += 1
        if not self._is_over and not self._started:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the request begin, unless it is over a limit."""
        self._silent = 0
        # The parser takes what follows a request for an upgrade for another protocol, its body too.
        if self.parser.should_upgrade() and _has_body(self.headers):
            self._is_upgrade_with_body = True
        if self._is_refusable:
            return
        self._started = True
        self._reading = Phase.BODY
        super().on_headers_complete()
        self._note()

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the body on; drop it if the answer is complete."""
        self._silent = 0
        if not self._started:
            return
        if self.cycle.response_complete:
            self._drop(len(body))
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the caller has said everything."""
        self._silent = 0
        if not self._started:
            return
        self._reading = Phase.WAITING
        super().on_message_complete()
        self._note()

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it."""
        super().on_response_complete()
        self._note()

    def pause_writing(self) -> None:
        """Note that the caller does not read."""
        super().pause_writing()
        self._note()

    def resume_writing(self) -> None:
        """Note that the caller reads again."""
        super().resume_writing()
        self._note()

    def close(self) -> None:
        """End an idle connection; the caller has a moment to read the rest of its last answer."""
        if self.transport.is_closing():
            self.transport.abort()
            return
        unsent = self.transport.get_write_buffer_size()
        self.transport.close()
        if unsent:  # it is sent first, and nobody need ever read it
            self.loop.call_later(LINGER, self.transport.abort)

    def abort(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    def expire(self, phase: Phase) -> None:
        """End a connection that has spent too long in `phase`."""
        match phase:
            case Phase.HEADERS:
                self.refuse(_too_slow("headers", self._limits.header_seconds))
            case Phase.BODY if self._is_answered:
                self.close()
            case Phase.BODY:
                self.refuse(_too_slow("body", self._limits.body_seconds))
            case Phase.STALLED:
                self._expect_reading()
            case _:
                self.close()

    def refuse(self, error: ApiError) -> None:
        """Answer with `error` in place of whatever was asked, and close."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        log("connection refused", status=error.status, code=error.code)
        self._on_refused(error)
        self._end_requests()
        if not self._is_answered and self._running is not None and self._running.response_started:
            self.transport.abort()
            return
        self.transport.write(_raw(error))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:  # with TLS, which says goodbye to the caller first
            self.transport.close()
        self.loop.call_later(LINGER, self.transport.abort)

    def _should_upgrade(self) -> bool:
        """Return whether the request is a WebSocket's handshake, and the connection is free for it.

        Others that ask for an upgrade are answered as if they did not: a server may ignore that.
        """
        is_handshake = any(name == b"sec-websocket-key" for name, _ in self.headers)
        return is_handshake and self.parser.get_method() == b"GET" and bool(super()._should_upgrade())

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over; it goes on counting, and its times are the session's from now on."""
        if not self._is_answered:  # it would write between the bytes of that answer
            self.transport.abort()
            return
        if self._has_long_line:
            self.refuse(_too_long_for_a_socket())
            return
        self._is_socket = True
        self._note()
        super().handle_websocket_upgrade()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        async def followed(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            try:
                await app(scope, receive, send)
            finally:
                self.loop.call_soon(self._note)  # if it fails, uvicorn closes the connection

        self._running = cycle
        super()._start_asgi_task(cycle, followed)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a server may ignore Upgrade (RFC 9110, 7.8), and a log line helps only who attacks."""

    def _end_requests(self) -> None:
        """Tell the request that runs that its caller is gone: uvicorn tells only the last that arrived."""
        self.pipeline.clear()
        for cycle in (self._running, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def _note(self) -> None:
        """Record the phase in which the connection is now."""
        before, phase = self._connections.phase(self), self._phase
        if before is None:
            return
        if phase is Phase.STALLED and before is not phase:
            self._unsent = _unread(self.transport)
        self._connections.enter(self, phase)

    @property
    def _phase(self) -> Phase:
        if self._is_socket:
            return Phase.ANSWERING
        if self.flow.write_paused or self.transport.is_closing():
            return Phase.STALLED
        if self._is_answered:
            return self._reading
        arrives = self._reading is Phase.BODY and self._running is self.cycle
        return Phase.BODY if arrives else Phase.ANSWERING

    @property
    def _is_answered(self) -> bool:
        return self._running is None or self._running.response_complete

    def _expect_reading(self) -> None:
        """End the connection of a caller that has read next to nothing of a long answer."""
        unsent = _unread(self.transport)
        if self._unsent - unsent < _READ:
            self.transport.abort()
            return
        self._unsent = unsent
        self._connections.renew(self)

    def _drop(self, size: int) -> None:
        """Count bytes that nobody reads, and end the connection of a caller that sends too many."""
        self._unread += size
        if self._unread > _UNREAD:
            self.transport.abort()

    def _start_head(self) -> None:
        self._head = self._lines = self._silent = self._unread = 0
        self._started = self._is_upgrade_with_body = False

    def _count(self, size: int) -> None:
        self._head += size
        self._silent = 0

    @property
    def _is_over(self) -> bool:
        size = self._head + self._silent
        return size > self._limits.header_bytes or self._lines > self._limits.header_lines

    @property
    def _has_long_line(self) -> bool:
        """Whether what reads a handshake would take one of its lines for an attack, and never answer."""
        lines = [len(b"GET  HTTP/1.1\r\n") + len(self.url)]
        lines += [len(name) + len(value) + len(b": \r\n") for name, value in self.headers]
        return max(lines) > MAX_LINE_LENGTH or len(self.headers) > MAX_NUM_HEADERS

    @property
    def _is_refusable(self) -> bool:
        return self._is_over or self._is_upgrade_with_body

    def _too_large(self) -> ApiError:
        limits = self._limits
        return ApiError(
            431,
            f"The request's headers are too large: at most {limits.header_bytes} bytes in "
            f"{limits.header_lines} lines, the address included.",
        )


def _no_room(full: Full) -> ApiError:
    retry = {"Retry-After": "5"}
    if full is Full.ADDRESS:
        return ApiError(429, "Too many connections from this address: close some of them.", headers=retry)
    return ApiError(503, "Too many connections: try again later.", code="overloaded", headers=retry)


def _too_long_for_a_socket() -> ApiError:
    return ApiError(
        431,
        f"A WebSocket's handshake has lines of at most {MAX_LINE_LENGTH} bytes, its address included, and at "
        f"most {MAX_NUM_HEADERS} headers.",
    )


def _too_slow(part: str, seconds: float) -> ApiError:
    return ApiError(408, f"The request's {part} did not arrive within {seconds:g} seconds.")


def _upgrade() -> ApiError:
    message = (
        "This server speaks HTTP/1.1 only, and a request with a body cannot ask for another protocol: "
        "send it without `Upgrade`."
    )
    return ApiError(400, message, code="upgrade_with_body")


def _has_body(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 \t"))
        for name, value in headers
    )


def _unread(transport: asyncio.Transport) -> int:
    """Return the bytes that the caller has not taken yet, here and in the kernel, which takes megabytes."""
    unread = transport.get_write_buffer_size()
    with suppress(OSError):  # not every system counts the kernel's
        queued = ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        unread += struct.unpack("i", queued)[0]
    return unread


def _raw(error: ApiError) -> bytes:
    """Return `error` as an answer in HTTP/1.1, after which the connection ends."""
    answer = error_response(error)
    headers = [*answer.raw_headers, (b"connection", b"close")]
    lines = [b"HTTP/1.1 %d %s" % (error.status, HTTPStatus(error.status).phrase.encode())]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])
