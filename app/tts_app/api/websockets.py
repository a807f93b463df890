"""WebSockets behind the same door as everything else: a handshake is a GET request until it is accepted.

So host, key, quota, audit, log and metrics hold for it as for any request, and what is wrong with it is
answered in the one form of errors. Only then does a session talk over the socket.
"""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tts_app.api.errors import ApiError

_SOCKET = "tts_app.socket"
PATH = "/v1/audio/speech/stream"
"""The only address that speaks WebSocket."""
SUBPROTOCOL = "ttsp.v1"
"""What the messages are, as browsers must be told if they offer any subprotocol."""
BEARER = "ttsp.bearer."
"""Begins the subprotocol that carries a key or token, in URL-safe Base64: a page can send no header."""
GOING_AWAY, POLICY, BROKEN = 1001, 1008, 1011
"""Codes with which a socket is closed (RFC 6455, 7.4.1)."""


class SocketClosedError(Exception):
    """The caller has closed the socket, or is gone."""


class Socket:
    """An accepted WebSocket."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.is_closed = False

    async def read(self) -> str | bytes:
        """Return the next message.

        Raises:
            SocketClosedError: there will be none.
        """
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.is_closed = True
            raise SocketClosedError
        text: str | None = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    async def tell(self, said: Mapping[str, Any]) -> None:
        """Send a message in JSON.

        Raises:
            SocketClosedError: nobody hears it.
        """
        await self._write({"type": "websocket.send", "text": json.dumps(said, ensure_ascii=False)})

    async def send_audio(self, data: bytes) -> None:
        """Send a piece of audio.

        Raises:
            SocketClosedError: nobody hears it.
        """
        await self._write({"type": "websocket.send", "bytes": data})

    async def close(self, code: int = 1000) -> None:
        """Close the socket. Idempotent."""
        if not self.is_closed:
            with suppress(SocketClosedError):
                await self._write({"type": "websocket.close", "code": code})
            self.is_closed = True

    async def _write(self, message: Message) -> None:
        if self.is_closed:
            raise SocketClosedError
        try:
            await self._send(message)
        except OSError:  # as servers say that the caller is gone
            self.is_closed = True
            raise SocketClosedError from None


Session = Callable[[Socket], Awaitable[None]]


class Upgraded(Response):
    """The answer to a handshake: the session that follows it."""

    def __init__(self, session: Session) -> None:
        super().__init__(status_code=101)
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept the socket, and talk until the session ends."""
        await send({"type": "http.response.start", "status": 101, "headers": []})
        socket = Socket(*scope[_SOCKET])
        try:
            await self._session(socket)
        except SocketClosedError:
            pass
        except BaseException:
            await socket.close(BROKEN)
            raise
        await socket.close()
        await send({"type": "http.response.body", "body": b""})


def is_handshake(scope: Scope) -> bool:
    """Return whether a request asks for a WebSocket."""
    return _SOCKET in scope


def check_path(scope: Scope) -> None:
    """Refuse a handshake where there is no WebSocket: other routes answer requests, not sockets.

    Raises:
        ApiError: 404.
    """
    if is_handshake(scope) and scope["path"] != PATH:
        message = f"There is no WebSocket at this address: only {PATH} speaks it."
        raise ApiError(404, message, code="no_websocket")


class WebSocketsAsGet:
    """Shows the rest of the app a WebSocket's handshake as a GET request. Pure ASGI, around everything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        offered = scope.get("subprotocols", [])
        explains = "websocket.http.response" in (scope.get("extensions") or {})
        answer = _Answer(send, SUBPROTOCOL if SUBPROTOCOL in offered else None, explains)
        await receive()  # websocket.connect

        whole = False

        async def no_body() -> Message:
            nonlocal whole
            if not whole:
                whole = True
                return {"type": "http.request", "body": b"", "more_body": False}
            while (await receive())["type"] != "websocket.disconnect":
                pass  # what is said before the answer is no frame that counts
            return {"type": "http.disconnect"}

        asked = {
            **scope,
            "type": "http",
            "method": "GET",
            "scheme": {"ws": "http", "wss": "https"}.get(scope.get("scheme", "ws"), "http"),
            "headers": _with_bearer(scope["headers"], offered),
            "subprotocols": [],
            _SOCKET: (receive, send),
        }
        await self._app(asked, no_body, answer.send)


class _Answer:
    """Turns the answer to the GET request into that of a handshake."""

    def __init__(self, send: Send, subprotocol: str | None, explains: bool) -> None:
        """`explains`: whether the server can send an answer that is no socket; else it says 403."""
        self._send = send
        self._subprotocol = subprotocol
        self._explains = explains
        self._accepted = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] == 101:
                self._accepted = True
                headers = [one for one in message["headers"] if one[0].lower() != b"content-length"]
                accept = {"type": "websocket.accept", "subprotocol": self._subprotocol, "headers": headers}
                await self._send(accept)
            elif self._explains:
                await self._send({**message, "type": "websocket.http.response.start"})
            else:
                await self._send({"type": "websocket.close", "code": POLICY})
        elif self._explains and not self._accepted:
            await self._send({**message, "type": "websocket.http.response.body"})


def _with_bearer(headers: list[tuple[bytes, bytes]], offered: list[str]) -> list[tuple[bytes, bytes]]:
    """Return the headers with the key of a subprotocol, if they have none of their own."""
    carried = next((one for one in offered if one.startswith(BEARER)), None)
    # The key is not in what others see of the headers.
    left = [(name, value) for name, value in headers if name.lower() != b"sec-websocket-protocol"]
    if carried is None or "authorization" in Headers(raw=headers):
        return left
    text = carried.removeprefix(BEARER)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""  # no key is right that is empty: the door says what is wanted
    return [*left, (b"authorization", b"Bearer " + key)]
