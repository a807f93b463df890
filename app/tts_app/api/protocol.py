"""HTTP/1.1 as uvicorn and httptools read it, within limits. uvicorn has none for this parser."""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

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
_LINGER = 2.0
"""Seconds in which a refused caller can read the answer: TCP drops it if we close at once (RFC 9112, 9.6)."""


class GuardedProtocol(HttpToolsProtocol):
    """A connection of a caller that may be anybody."""

    def __init__(
        self, *, connections: "Connections[GuardedProtocol]", limits: Limits, callers: Callers, **uvicorn: Any
    ) -> None:
        super().__init__(**uvicorn)
        self._connections = connections
        self._limits = limits
        self._callers = callers
        self._refused = False
        self._start_head()
        self._received = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection in, or say that there is no room."""
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        trusted = self._callers.is_trusted(peer)
        full = self._connections.join(self, self._callers.of(peer), bounded=not trusted)
        if full is not None:
            self.refuse(_no_room(full))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, up to a limit."""
        if self._refused:
            self._drop(len(data))
            return
        if self._connections.phase(self) is Phase.WAITING:
            self._connections.enter(self, Phase.HEADERS)
        for start in range(0, len(data), _SLICE):
            if self._refused or self.transport.is_closing():
                return
            piece = data[start : start + _SLICE]
            self._silent += len(piece)
            super().data_received(piece)
            if self._is_over:
                self.refuse(self._too_large())
            elif len(self.pipeline) > _PIPELINED:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin to count anew."""
        super().on_message_begin()
        self._start_head()
        self._received = False

    def on_url(self, url: bytes) -> None:
        """Count the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer; those over the limit are not kept."""
        self._count(len(name) + len(value) + 4)
        self._lines += 1
        if not self._is_over:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the request begin, unless it is over a limit."""
        self._silent = 0
        if not self._is_over:
            self._started = True
            super().on_headers_complete()
            self._connections.enter(self, Phase.BODY)

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
        self._received = True
        if not self._started:
            return
        super().on_message_complete()
        done = self.cycle.response_complete
        self._connections.enter(self, Phase.WAITING if done else Phase.ANSWERING)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if self._received and self.cycle.response_complete:
            self._connections.enter(self, Phase.WAITING)

    def pause_writing(self) -> None:
        """Note that the caller does not read."""
        super().pause_writing()
        self._connections.enter(self, Phase.STALLED)

    def resume_writing(self) -> None:
        """Note that the caller reads again."""
        super().resume_writing()
        if self._connections.phase(self) is Phase.STALLED:
            self._connections.enter(self, Phase.ANSWERING)

    def close(self) -> None:
        """End an idle connection."""
        self.transport.close()

    def expire(self, phase: Phase) -> None:
        """End a connection that has spent too long in `phase`."""
        match phase:
            case Phase.HEADERS:
                self.refuse(_too_slow("headers", self._limits.header_seconds))
            case Phase.BODY:
                self.refuse(_too_slow("body", self._limits.body_seconds))
            case Phase.STALLED:
                self.transport.abort()
            case _:
                self.close()

    def refuse(self, error: ApiError) -> None:
        """Answer with `error` in place of whatever was asked, and close."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        log("connection refused", status=error.status, code=error.code)
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.abort()
                return
        self.transport.write(_raw(error))
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(_LINGER, self.transport.abort)
        else:
            self.transport.close()

    def _drop(self, size: int) -> None:
        """Count bytes that nobody reads, and end the connection of a caller that sends too many."""
        self._unread += size
        if self._unread > _UNREAD:
            self.transport.abort()

    def _start_head(self) -> None:
        self._head = self._lines = self._silent = self._unread = 0
        self._started = False

    def _count(self, size: int) -> None:
        self._head += size
        self._silent = 0

    @property
    def _is_over(self) -> bool:
        size = self._head + self._silent
        return size > self._limits.header_bytes or self._lines > self._limits.header_lines

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


def _too_slow(part: str, seconds: float) -> ApiError:
    return ApiError(408, f"The request's {part} did not arrive within {seconds:g} seconds.")


def _raw(error: ApiError) -> bytes:
    """Return `error` as an answer in HTTP/1.1, after which the connection ends."""
    answer = error_response(error)
    headers = [*answer.raw_headers, (b"connection", b"close")]
    lines = [b"HTTP/1.1 %d %s" % (error.status, HTTPStatus(error.status).phrase.encode())]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])
