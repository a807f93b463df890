"""Routes, or parts of them, whose work is given up when the caller leaves before there is an answer.

Behind Ray Serve's proxy, Serve cancels the work. Where the gateway listens itself, nothing does: uvicorn
reports a disconnect only to code that asks, and only streamed answers ask, once they are being sent.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.responses import Response

_LEFT = 499
"""Status in the log of a request whose caller left, the same as of Serve's proxy; it is never sent."""

T = TypeVar("T")


class CallerLeftError(Exception):
    """The caller left before there was an answer."""


class CancelOnDisconnect(APIRoute):
    """A route whose handler is cancelled when its caller leaves. Not for work that must be done anyhow."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with a watch for disconnects; the answer is sent afterwards, without it."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if request.app.state.context.proxied:
                return await handler(request)
            try:
                await request.body()  # after it, only a disconnect can be received
                return await unless_left(handler(request), request)
            except (ClientDisconnect, CallerLeftError):
                return left_response()

        return handle


def left_response() -> Response:
    """Return what stands for an answer in the log of a request whose caller left."""
    return Response(status_code=_LEFT)


async def unless_left(work: Coroutine[Any, Any, T], request: Request) -> T:
    """Return the result of `work`, which is cancelled if the caller leaves; the body must have been read.

    Raises:
        CallerLeftError: the caller left.
    """
    if request.app.state.context.proxied:
        return await work
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
        # Others cancel too, as uvicorn does when it stops: their cancellation must go through.
        if not (left and task and task.uncancel() == 0):
            raise
        raise CallerLeftError from None
    finally:
        watching.cancel()
