"""Frames: how a replica sends a gateway all the answers that it writes for it, many in one message.

A message costs Ray the same whether it carries one token or a thousand. So a replica and a gateway have one
stream between them, and each of its messages holds everything that was written since the last one.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from tts_app.engines.text import Delta

FLUSH_INTERVAL = 0.02
"""Seconds between two messages while there is something to send. First and last tokens do not wait for it."""


Frame = tuple[int, int, str, int, Delta | None]
"""A delta in transit: the gateway's number of the request, the index of the answer, text, tokens, and the
delta itself if it is more than text. A plain tuple, because thousands a second are pickled and unpickled."""

_END = -1
"""In place of an answer's index: nothing more will come for the request."""


def frame(request: int, delta: Delta) -> Frame:
    """Return `delta` as a frame."""
    more = delta.finish or delta.reasoning or delta.logprobs or delta.tool_calls or delta.usage
    if more:
        return request, delta.index, "", 0, delta
    return request, delta.index, delta.text, delta.tokens, None


def end(request: int) -> Frame:
    """Return the last frame of `request`."""
    return request, _END, "", 0, None


class StreamMux:
    """A replica's side: collects frames for one gateway into messages. For one event loop."""

    def __init__(self, flush_interval: float = FLUSH_INTERVAL) -> None:
        self._flush_interval = flush_interval
        self._frames: list[Frame] = []
        self._filled = asyncio.Event()
        self._urgent = asyncio.Event()
        self.requests = 0
        """Requests of the gateway that are being written."""
        self.listened_to = False
        """Whether the gateway reads the messages."""

    def put(self, frame: Frame, urgent: bool = False) -> None:
        """Send `frame` with the next message; at once if it is urgent."""
        self._frames.append(frame)
        self._filled.set()
        if urgent:
            self._urgent.set()

    async def messages(self, idle: float) -> AsyncIterator[list[Frame]]:
        """Yield what is to be sent, one message per interval; end after `idle` seconds without requests."""
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
    """A gateway's side: the deltas of one request. Those that are not read in time are joined."""

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
        """Yield the deltas; those that wait are joined, one for each answer. For one reader.

        Raises:
            BaseException: the error that `fail` was given.
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
    """Return the frames of one request as one delta for each answer."""
    if len(frames) == 1:
        return (_delta(frames[0]),)
    answers: dict[int, list[Frame]] = {}
    for frame in frames:
        answers.setdefault(frame[1], []).append(frame)
    whole = [_one(index, parts) for index, parts in answers.items()]
    return sorted(whole, key=lambda delta: delta.usage is not None)  # usage comes with the very last delta


def _delta(frame: Frame) -> Delta:
    _, index, text, tokens, rest = frame
    return rest or Delta(index, text, tokens=tokens)


def _one(index: int, frames: Sequence[Frame]) -> Delta:
    if all(frame[4] is None for frame in frames):
        return Delta(index, "".join([frame[2] for frame in frames]), tokens=sum(frame[3] for frame in frames))
    return Delta.joined([_delta(frame) for frame in frames])
