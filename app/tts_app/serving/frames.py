"""What a replica sends a gateway of all the answers that it writes for it, many in one message.

A message costs Ray the same whether it carries one token or a thousand: so a replica and a gateway have one
stream between them, and each message on it holds whatever was written since the last one.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

from tts_app.engines.text import Delta

BEAT = 0.02
"""Seconds between two messages while there is something to tell. No first or last token waits for it."""


class Frame(NamedTuple):
    """A delta of one answer on its way; plain, for thousands a second are pickled."""

    request: int
    """The gateway's number of the request."""
    answer: int
    """Which of its answers."""
    text: str
    tokens: int
    rest: Delta | None
    """The delta itself where it is more than text."""
    end: bool = False
    """Nothing more will come of this request."""

    @property
    def delta(self) -> Delta:
        """The delta that it carries."""
        return self.rest or Delta(self.answer, self.text, tokens=self.tokens)


def frame(request: int, delta: Delta) -> Frame:
    """Return `delta` as a frame."""
    more = delta.finish or delta.reasoning or delta.logprobs or delta.tool_calls or delta.usage
    if more:
        return Frame(request, delta.index, "", 0, delta)
    return Frame(request, delta.index, delta.text, delta.tokens, None)


class Outbox:
    """A replica's side: frames for one gateway, taken a message at a time. For one event loop."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._filled = asyncio.Event()
        self._urgent = asyncio.Event()
        self.requests = 0
        """Requests of the gateway that are being written."""

    def put(self, frame: Frame, urgent: bool = False) -> None:
        """Send `frame` with the next message; at once if it is urgent."""
        self._frames.append(frame)
        self._filled.set()
        if urgent:
            self._urgent.set()

    async def messages(self, idle: float) -> AsyncIterator[list[Frame]]:
        """Yield what there is to send, one message a beat; end where nothing was asked for `idle` seconds."""
        while True:
            try:
                async with asyncio.timeout(idle):
                    await self._filled.wait()
            except TimeoutError:
                if self.requests == 0:
                    return
                continue
            self._filled.clear()
            self._urgent.clear()
            frames, self._frames = self._frames, []
            yield frames
            try:
                async with asyncio.timeout(BEAT):
                    await self._urgent.wait()
            except TimeoutError:
                pass


class Inbox:
    """A gateway's side: the deltas of one request. What is not taken in time is joined, never piled up."""

    def __init__(self) -> None:
        self._deltas: list[Delta] = []
        self._changed = asyncio.Event()
        self._end = asyncio.Event()
        self._error: BaseException | None = None

    async def ended(self) -> None:
        """Wait until nothing more can come."""
        await self._end.wait()

    def put(self, frame: Frame) -> None:
        """Take a frame in."""
        if frame.end:
            self._end.set()
        else:
            self._deltas.append(frame.delta)
        self._changed.set()

    def fail(self, error: BaseException) -> None:
        """End it with `error`, unless it has ended already."""
        if not self._end.is_set():
            self._end.set()
            self._error = error
            self._changed.set()

    async def deltas(self) -> AsyncIterator[Delta]:
        """Yield the deltas, those that wait as one an answer.

        Raises:
            BaseException: what `fail` was told.
        """
        while True:
            await self._changed.wait()
            self._changed.clear()
            deltas, self._deltas = self._deltas, []
            for delta in joined(deltas):
                yield delta
            if self._end.is_set() and not self._deltas:
                break
        if self._error is not None:
            raise self._error


def joined(deltas: Sequence[Delta]) -> Iterable[Delta]:
    """Return the same text in one delta an answer."""
    if len(deltas) < 2:
        return deltas
    answers: dict[int, list[Delta]] = {}
    for delta in deltas:
        answers.setdefault(delta.index, []).append(delta)
    whole = [_one(index, parts) for index, parts in answers.items()]
    return sorted(whole, key=lambda delta: delta.usage is not None)  # usage comes with the very last one


def _one(index: int, parts: Sequence[Delta]) -> Delta:
    if len(parts) == 1:
        return parts[0]
    return Delta(
        index,
        text="".join(part.text for part in parts),
        reasoning="".join(part.reasoning for part in parts),
        tokens=sum(part.tokens for part in parts),
        logprobs=tuple(item for part in parts for item in part.logprobs),
        tool_calls=tuple(item for part in parts for item in part.tool_calls),
        finish=next((part.finish for part in parts if part.finish), None),
        usage=next((part.usage for part in parts if part.usage), None),
    )
