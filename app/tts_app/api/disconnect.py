"""Routes whose work is given up when the caller leaves before there is an answer.

Behind Ray Serve's proxy Serve cancels it. Where the gateway listens itself nobody does: uvicorn tells of it
only whoever asks, and of the answers only streamed ones ask, from when they are sent.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.responses import Response

_LEFT = 499
"""Status in the log of a request whose caller left, as Serve's proxy has it; nobody is sent it."""


class CancelOnDisconnect(APIRoute):
    """A route whose handler is cancelled when its caller leaves. Not for work that is to be done anyhow."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, watched; FastAPI sends what it returns afterwards, unwatched."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if request.app.state.context.proxied:
                return await handler(request)
            try:
                await request.body()  # whatever is received after it tells of the caller
            except ClientDisconnect:
                return Response(status_code=_LEFT)
            return await _unless_left(handler(request), request)

        return handle


async def _unless_left(work: Coroutine[Any, Any, Response], request: Request) -> Response:
    """Return the answer that `work` makes, or a substitute once it was cancelled because the caller left."""
    task = asyncio.current_task()
    left = False

    async def watch() -> None:
        nonlocal left
        while (await request.receive())["type"] != "http.disconnect":
            pass
        left = True
        if task:
            task.cancel()

    watching = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        # Whoever else cancels, as uvicorn does when it stops, is not to be kept from it.
        if not (left and task and task.uncancel() == 0):
            raise
        return Response(status_code=_LEFT)
    finally:
        watching.cancel()
