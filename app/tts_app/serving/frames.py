"""What a replica sends a gateway of all the answers that it writes for it, many in one message.

A message costs Ray the same whether it carries one token or a thousand: so a replica and a gateway have one
stream between them, and each message on it holds whatever was written since the last one.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from tts_app.engines.text import Delta

FLUSH_INTERVAL = 0.02
"""Seconds between two messages while there is something to tell. No first or last token waits for it."""


Frame = tuple[int, int, str, int, Delta | None]
"""A delta on its way: the gateway's number of the request, which of its answers, text, tokens, and the delta
itself where it is more than text. Plain, for thousands a second are pickled and taken apart again."""

_END = -1
"""Stands for an answer: nothing more will come of the request."""


def frame(request: int, delta: Delta) -> Frame:
    """Return `delta` as a frame."""
    more = delta.finish or delta.reasoning or delta.logprobs or delta.tool_calls or delta.usage
    if more:
        return request, delta.index, "", 0, delta
    return request, delta.index, delta.text, delta.tokens, None


def end(request: int) -> Frame:
    """Return the frame after which nothing comes of `request`."""
    return request, _END, "", 0, None


class StreamMux:
    """A replica's side: frames for one gateway, taken a message at a time. For one event loop."""

    def __init__(self, flush_interval: float = FLUSH_INTERVAL) -> None:
        self._flush_interval = flush_interval
        self._frames: list[Frame] = []
        self._filled = asyncio.Event()
        self._urgent = asyncio.Event()
        self.requests = 0
        """Requests of the gateway that are being written."""
        self.listened_to = False
        """Whether the gateway's line takes what is put here."""

    def put(self, frame: Frame, urgent: bool = False) -> None:
        """Send `frame` with the next message; at once if it is urgent."""
        self._frames.append(frame)
        self._filled.set()
        if urgent:
            self._urgent.set()

    async def messages(self, idle: float) -> AsyncIterator[list[Frame]]:
        """Yield what there is to send, a message an interval; end after `idle` seconds without requests."""
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
                async with asyncio.timeout(self._flush_interval):
                    await self._urgent.wait()
            except TimeoutError:
                pass


class Receiver:
    """A gateway's side: the deltas of one request. What is not taken in time is joined, never piled up."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._frames: list[Frame] = []
        self._reader: asyncio.Future[None] | None = None
        self._end = asyncio.Event()
        self._error: BaseException | None = None

    async def ended(self) -> None:
        """Wait until nothing more can come."""
        await self._end.wait()

    def put(self, frame: Frame) -> None:
        """Take a frame in."""
        if frame[1] == _END:
            self._end.set()
        else:
            self._frames.append(frame)
        self._wake()

    def fail(self, error: BaseException) -> None:
        """End it with `error`, unless it has ended already."""
        if not self._end.is_set():
            self._end.set()
            self._error = error
            self._wake()

    async def deltas(self) -> AsyncIterator[Delta]:
        """Yield the deltas, those that wait as one an answer. For one reader.

        Raises:
            BaseException: what `fail` was told.
        """
        while True:
            if self._frames:
                frames, self._frames = self._frames, []
                for delta in joined(frames):
                    yield delta
            elif self._end.is_set():
                break
            else:
                self._reader = self._loop.create_future()
                await self._reader
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def joined(frames: Sequence[Frame]) -> Iterable[Delta]:
    """Return what frames of one request hold, in one delta an answer."""
    if len(frames) == 1:
        return (_delta(frames[0]),)
    answers: dict[int, list[Frame]] = {}
    for frame in frames:
        answers.setdefault(frame[1], []).append(frame)
    whole = [_one(index, parts) for index, parts in answers.items()]
    return sorted(whole, key=lambda delta: delta.usage is not None)  # usage comes with the very last one


def _delta(frame: Frame) -> Delta:
    _, index, text, tokens, rest = frame
    return rest or Delta(index, text, tokens=tokens)


def _one(index: int, frames: Sequence[Frame]) -> Delta:
    if all(frame[4] is None for frame in frames):
        return Delta(index, "".join([frame[2] for frame in frames]), tokens=sum(frame[3] for frame in frames))
    return Delta.joined([_delta(frame) for frame in frames])
