"""HEAD wherever GET is: the same answer without its body (RFC 9110, 9.3.2). FastAPI routes have GET alone."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Answers HEAD with the headers of the answer to GET. Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            # Once the answer is complete, the server reports a disconnect to an app that would send more.
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})

        inner = {**scope, "method": "GET"}
        await self._app(inner, receive, send_head)
        if "route" in inner:
            scope["route"] = inner["route"]  # for the log
