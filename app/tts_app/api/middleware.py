"""What happens around every request: its id, the limit of its body, its log line, and the last resort."""

import logging
import re
import secrets
import time
from collections.abc import Mapping
from types import MappingProxyType

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tts_app.api.errors import ApiError, error_response
from tts_app.telemetry.about import about
from tts_app.telemetry.logs import log

_HEADER = b"x-request-id"
_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class BrokenAnswerError(Exception):
    """An answer broke off after its beginning; the log has the reason. The message is the type of that."""


class RequestContext:
    """Pure ASGI, so that streams pass through untouched."""

    def __init__(
        self,
        app: ASGIApp,
        max_body: int,
        proxied: bool = False,
        larger: Mapping[tuple[str, str], int] = MappingProxyType({}),
    ) -> None:
        """`larger` is how many bytes a body may have by method and path, where that is not `max_body`."""
        self._app = app
        self._max_body = max_body
        self._larger = larger
        self._proxied = proxied

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given: bytes = dict(scope["headers"]).get(_HEADER, b"")
        identity = given if _ACCEPTABLE.fullmatch(given) else secrets.token_hex(16).encode()
        # Ray Serve's proxy makes an id if a request has none, and adds the id that it sent us to the answer.
        echoed = self._proxied and identity == given
        exchange = _Exchange(send, None if echoed else identity)
        with about(request_id=identity.decode()):
            await self._serve(scope, receive, exchange)

    async def _serve(self, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        started = time.perf_counter()
        try:
            if (encoding := dict(scope["headers"]).get(b"content-encoding", b"identity")) != b"identity":
                raise _compressed(encoding)
            await self._app(scope, self._limited(scope, receive), exchange.send)
        except ApiError as error:
            await error_response(error)(scope, receive, exchange.send)
        except Exception as error:  # noqa: BLE001 - the last resort
            log("request crashed", level=logging.ERROR, error=error, path=_route(scope))
            if exchange.status is not None:
                # Too late for an answer: the caller sees a broken connection. Serve's proxy logs what is
                # raised with its message, which may quote the text.
                raise BrokenAnswerError(type(error).__name__) from None
            response = error_response(ApiError(500, "Something went wrong here; the log has the request id."))
            await response(scope, receive, exchange.send)
        finally:
            log(
                "request",
                method=scope["method"],
                path=_route(scope),
                status=exchange.status,
                bytes=exchange.bytes,
                seconds=round(time.perf_counter() - started, 4),
            )

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """Return a `receive` that refuses a body over the limit, whether its length is announced or not."""
        most = self._larger.get((scope["method"], scope["path"]), self._max_body)
        too_large = HTTPException(413, f"The body is larger than {most} bytes.")
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        size = 0

        async def limited() -> Message:
            nonlocal size
            if announced.isdigit() and int(announced) > most:
                raise too_large
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise too_large
            return message

        return limited


def _compressed(encoding: bytes) -> ApiError:
    name = encoding[:20].decode("ascii", "replace")
    return ApiError(415, f"The body must not be compressed, and this one is {name!r}.")


class _Exchange:
    """Records an answer as it is sent, and adds the request's id to it, if there is one to add."""

    def __init__(self, send: Send, identity: bytes | None) -> None:
        self._send = send
        self._identity = identity
        self.status: int | None = None
        self.bytes = 0

    async def send(self, message: Message) -> None:
        """Pass `message` on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._identity is not None:
                message["headers"] = [*message.get("headers", []), (_HEADER, self._identity)]
        self.bytes += len(message.get("body", b""))
        await self._send(message)


def _route(scope: Scope) -> str:
    """Return the route's pattern: the path itself may hold what a user wrote."""
    route = scope.get("route")
    return str(getattr(route, "path", "")) or "unknown"
