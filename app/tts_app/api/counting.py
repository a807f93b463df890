"""Counts every request: by its route and how it was answered, and why it was refused."""

import time
from collections.abc import Callable, Sequence
from http import HTTPStatus

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tts_app.api.errors import refused_as
from tts_app.api.refusals import refusal_of
from tts_app.telemetry.metrics.http import LEFT, UNMATCHED, HttpMetrics


class Counting:
    """Pure ASGI, around everything else that answers."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: HttpMetrics,
        routes: Sequence[BaseRoute],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`routes` are those of the service, with their whole paths."""
        self._app = app
        self._routes = routes
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = refused_as(scope)
        answer = _Answer(send)
        crashed = False
        began = self._clock()
        self._metrics.began()
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            crashed = True
            raise
        finally:
            status = counted_status(answer.status, answer.complete, crashed)
            self._metrics.ended(route_of(scope, self._routes), scope["method"], status, self._clock() - began)
            if refused and (reason := refusal_of(answer.status or 0, refused[0])):
                self._metrics.refused(reason)


def counted_status(sent: int | None, complete: bool, crashed: bool) -> int:
    """Return the status that counts of an answer of which `sent`, or none, was sent.

    What crashed in the midst of an answer is a failure, whatever was sent before. An answer that ends too
    early, and has not crashed, has lost its caller.
    """
    if crashed:
        return HTTPStatus.INTERNAL_SERVER_ERROR
    return sent if sent is not None and complete else LEFT


def route_of(scope: Scope, routes: Sequence[BaseRoute]) -> str:
    """Return the pattern of a request's route: the path itself may hold what a caller wrote.

    A request that was answered before it reached its route is matched here.
    """
    route = scope.get("route") or next((one for one in routes if _fits(one, scope)), None)
    return str(getattr(route, "path", "")) or UNMATCHED


def _fits(route: BaseRoute, scope: Scope) -> bool:
    return route.matches(scope)[0] is not Match.NONE


class _Answer:
    """Notes how far an answer got."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.complete = False

    async def send(self, message: Message) -> None:
        """Pass `message` on."""
        await self._send(message)
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
