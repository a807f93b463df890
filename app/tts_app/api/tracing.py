"""The span of each request: the first of a trace, or the next one of the caller's."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tts_app.telemetry import traces
from tts_app.telemetry.about import request_id

_NOT_TRACED = frozenset({"/healthz", "/readyz"})
"""Paths that probes ask for all the time."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CONTEXT = (b"traceparent", b"tracestate")


class TracedRequests:
    """Pure ASGI, so that streams pass through untouched. `RequestContext`, inside, knows the request's id."""

    def __init__(self, app: ASGIApp, begins: bool = True) -> None:
        """`begins`: whether traces begin here; behind Serve's proxy they begin there."""
        self._app = app
        self._begins = begins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within its span."""
        if scope["type"] != "http" or scope["path"] in _NOT_TRACED:
            await self._app(scope, receive, send)
            return
        carrier = {
            name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _CONTEXT
        }
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        named = {"http.request.method": method}
        with traces.entry(method, carrier, named, serves=True, begins=self._begins) as span:
            if span is traces.NOTHING:
                await self._app(scope, receive, send)
                return

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _describe(span, message)
                await send(message)

            try:
                await self._app(scope, receive, told)
            finally:
                if route := getattr(scope.get("route"), "path", ""):
                    span.rename(f"{method} {route}")
                    span.set({"http.route": route})


def _describe(span: traces.Span, answer: Message) -> None:
    """Record an answer that begins, and tell the caller its trace."""
    status, headers = answer["status"], list(answer.get("headers", []))
    span.set({"http.response.status_code": status})
    if status >= 500:
        span.failed(str(status))
    span.set({"ttsp.request_id": request_id()})
    answer["headers"] = [*headers, (b"traceresponse", span.response_header.encode())]
