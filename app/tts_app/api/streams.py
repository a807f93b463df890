"""Answers that are sent while they are made."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Generic, TypeVar

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

Item = TypeVar("Item")
_HEADERS = {"Cache-Control": "no-store"}


class PrimedStream(Generic[Item]):
    """A stream whose first item is already made: a failure before it becomes a proper error."""

    def __init__(self, first: list[Item], rest: AsyncGenerator[Item, None]) -> None:
        self._first = first
        self._rest = rest

    @classmethod
    async def prime(cls, source: AsyncGenerator[Item, None]) -> "PrimedStream[Item]":
        """Wait for the first item of `source`; close `source` if that fails or is cancelled."""
        try:
            return cls([await anext(source)], source)
        except BaseException:
            await source.aclose()
            raise

    def __aiter__(self) -> "PrimedStream[Item]":
        return self

    async def __anext__(self) -> Item:
        return self._first.pop() if self._first else await anext(self._rest)

    async def aclose(self) -> None:
        """Give up what was not sent yet."""
        await self._rest.aclose()


async def kept_alive(events: AsyncGenerator[bytes, None], silence: float) -> AsyncGenerator[bytes, None]:
    """Yield server-sent `events`, and a comment after each `silence` seconds: proxies end silent streams."""
    waiting: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            waiting = asyncio.create_task(_next(events))
            while not waiting.done():
                await asyncio.wait([waiting], timeout=silence)
                if not waiting.done():
                    yield b": nothing new\n\n"
            if (event := waiting.result()) is None:
                return
            yield event
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await events.aclose()


async def _next(events: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(events, None)


class ClosingStream(StreamingResponse):
    """A streamed answer, `body`, whose `source` is closed as soon as it ends, also if the caller leaves.

    Starlette leaves that to the garbage collector, and a slot would stay taken until then.
    """

    def __init__(self, source: PrimedStream[Item], body: AsyncIterator[bytes], media_type: str) -> None:
        super().__init__(body, media_type=media_type, headers=_HEADERS)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._source.aclose()
