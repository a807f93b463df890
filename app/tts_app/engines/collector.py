"""Collects the segments of many callers into the calls of one engine, in batches where it speaks several.

`choose` is the policy, pure. `Collector` runs the engine in one thread, for any number of event loops.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread

from tts_app.audio.samples import Audio
from tts_app.engines.base import BatchingEngine, Capabilities, EngineError, Segment, Size, SpeechEngine
from tts_app.engines.watch import UNWATCHED, EngineWatch, SegmentOutcome, padding
from tts_app.telemetry import traces

MOST_PADDING = 0.25
"""Share of a batch's frames that may be padding."""
HEAD_START = 2.0
"""Seconds by which the first segment of an utterance goes before others: its caller hears nothing yet. Others
wait no longer than that for it, however many new callers come."""
WINDOW = 0.005
"""Seconds after a call in which the next one waits for more segments: the callers whose segments it spoke
send their next ones. A call that finds the engine idle waits for nobody, nor does one behind which segments
of other lengths wait."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A segment that waits for its call."""

    segment: Segment
    size: Size
    background: bool
    arrived: float
    """By `time.monotonic`."""
    audio: "Future[Audio]" = field(default_factory=Future)
    caller: traces.Span = field(default_factory=traces.current)
    """The span of the segment."""

    @property
    def order(self) -> tuple[bool, float]:
        """Sorts who is next: background work last, then by arrival, first segments with a head start."""
        return self.background, self.arrived - (HEAD_START if self.segment.first else 0.0)


def choose(waiting: Iterable[Waiting], limits: Capabilities) -> list[Waiting]:
    """Return the segments of the next call, from those that wait.

    The one that is next in order is always among them. Others of its group follow, those closest to it in
    length first, as long as the batch stays within `max_batch`, `max_frames` and MOST_PADDING. Background
    work shares a call with background work alone: it must not make another caller's call longer.
    """
    ordered = sorted(waiting, key=lambda one: one.order)
    if not ordered:
        return []
    lead = ordered[0]
    chosen, total, longest = [lead], lead.size.frames, lead.size.frames
    for one in sorted(ordered[1:], key=lambda one: abs(one.size.frames - lead.size.frames)):
        if len(chosen) == limits.max_batch:
            break
        if (one.size.group, one.background) != (lead.size.group, lead.background):
            continue
        cost = (len(chosen) + 1) * max(longest, one.size.frames)
        if cost <= limits.max_frames and total + one.size.frames >= (1 - MOST_PADDING) * cost:
            chosen.append(one)
            total, longest = total + one.size.frames, max(longest, one.size.frames)
    return chosen


class Collector:
    """Gives an engine one call at a time. Segments that were cancelled by then are not among them."""

    def __init__(self, engine: SpeechEngine, watch: EngineWatch = UNWATCHED) -> None:
        self._engine = engine
        self._watch = watch
        self._limits = engine.capabilities
        self._waiting: list[Waiting] = []
        self._closed = False
        self._changed = Condition()
        self._thread = Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    async def synthesise(self, segment: Segment, background: bool) -> Audio:
        """Speak a segment. A cancelled one is taken out, if no call has it yet.

        Raises:
            EngineError: the engine cannot speak the segment, or is closed.
        """
        size = self._engine.size(segment) if isinstance(self._engine, BatchingEngine) else Size(0.0)
        one = Waiting(segment, size, background, time.monotonic())
        one.audio.add_done_callback(self._ended)
        with self._changed:
            if self._closed:
                raise EngineError("The engine is closed.")
            self._waiting.append(one)
            self._changed.notify()
        return await asyncio.wrap_future(one.audio)

    def _ended(self, audio: "Future[Audio]") -> None:
        self._watch.ended(outcome_of(audio))

    def close(self) -> None:
        """Fail the segments that wait; return when the call under way has ended."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = self._waiting, []
            self._changed.notify()
        for one in waiting:
            if one.audio.set_running_or_notify_cancel():
                one.audio.set_exception(EngineError("The engine is closed."))
        self._thread.join()

    def _work(self) -> None:
        ended = 0.0
        while batch := self._next(ended + WINDOW):
            now = time.monotonic()
            for one in batch:
                self._watch.waited(now - one.arrived)
            self._speak(batch)
            ended = time.monotonic()

    def _next(self, window: float) -> list[Waiting]:
        """Wait for the segments of the next call, till `window` for a full one; return none when closed."""
        with self._changed:
            while not self._closed:
                self._waiting = [one for one in self._waiting if not one.audio.cancelled()]
                chosen = choose(self._waiting, self._limits)
                left = window - time.monotonic() if self._may_grow(chosen) else 0.0
                if chosen and left <= 0:
                    started = [one for one in chosen if one.audio.set_running_or_notify_cancel()]
                    self._waiting = [one for one in self._waiting if one not in chosen]
                    if started:
                        return started
                else:
                    self._changed.wait(left if chosen else None)
        return []

    def _may_grow(self, chosen: Sequence[Waiting]) -> bool:
        """Return whether to wait for more: not for a full batch, nor while other segments need the engine."""
        return len(chosen) < self._limits.max_batch and len(chosen) == len(self._waiting)

    def _speak(self, batch: Sequence[Waiting]) -> None:
        """Speak a batch. Where it fails, each segment is tried once alone: one of them may be the cause."""
        try:
            done = list(zip(batch, self._called(batch), strict=True))
        except Exception as error:  # noqa: BLE001 - raised where each segment is waited for
            if len(batch) == 1:
                batch[0].audio.set_exception(error)
                return
            for one in batch:
                self._speak([one])
            return
        for one, audio in done:
            one.audio.set_result(audio)

    def _called(self, batch: Sequence[Waiting]) -> list[Audio]:
        """Call the engine. Raises what it raises."""
        began, seconds = time.monotonic(), 0.0
        callers = [one.caller for one in batch]
        try:
            with traces.shared_call("engine call", callers, {"ttsp.segments": len(batch)}):
                spoken = self._engine.synthesise([one.segment for one in batch], alone=len(batch) == 1)
            seconds = sum(map(len, spoken)) / self._limits.sample_rate
            return spoken
        finally:
            frames = [one.size.frames for one in batch]
            self._watch.called(len(batch), time.monotonic() - began, seconds, padding(frames))


def outcome_of(audio: "Future[Audio]") -> SegmentOutcome:
    """Return how a segment ended whose future is done."""
    if audio.cancelled():
        return SegmentOutcome.CANCELLED
    return SegmentOutcome.FAILED if audio.exception() else SegmentOutcome.FINISHED
