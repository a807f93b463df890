"""A loaded engine that many callers share: asynchronous, bounded and cancellable."""

import asyncio
import os
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, EngineError, Segment, SpeechEngine
from tts_app.engines.collector import Collector
from tts_app.engines.priority import yield_thread
from tts_app.engines.watch import UNWATCHED, EngineWatch, SegmentOutcome
from tts_app.telemetry import traces


class EnginePool:
    """Runs an engine's blocking calls: on a CPU several side by side, else one at a time, in batches.

    An engine whose calls may run side by side has a core for each under load, and all cores for one that is
    alone. Any other has one call at a time, which the `Collector` fills with the segments of many callers.
    """

    def __init__(
        self, engine: SpeechEngine, callers: int | None = None, watch: EngineWatch = UNWATCHED
    ) -> None:
        """`callers` is how many calls may run side by side on a CPU; without it, one for each core."""
        self._engine = engine
        can = engine.capabilities
        self.callers = can.max_batch if not _runs_on_cores(can) else callers or len(os.sched_getaffinity(0))
        """Segments that it speaks at a time."""
        self._lane = _Cores(engine, self.callers, watch) if _runs_on_cores(can) else Collector(engine, watch)

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""
        return self._engine.capabilities

    async def synthesise(self, segment: Segment, background: bool = False) -> Audio:
        """Speak a segment; `background` calls yield to all others. One that is cancelled in time never runs.

        Raises:
            EngineError: the engine cannot speak it, or is closed.
        """
        with traces.span("engine", {"ttsp.characters": len(segment.text), "ttsp.background": background}):
            return await self._lane.synthesise(segment, background)

    def close(self) -> None:
        """Cancel the calls that wait, wait for those that run, then release the engine."""
        self._lane.close()
        self._engine.close()


def _runs_on_cores(can: Capabilities) -> bool:
    return can.parallel and can.max_batch == 1


class _Cores:
    """Runs an engine's calls side by side under load, and on every core for a call that is alone.

    On a CPU Kokoro gives the most speech a second with one thread per call and as many calls as cores. It
    gives the first audio soonest with all cores in one call, at some 15% more work. Nothing runs beside a
    call on all cores: the two would wait for each other's threads.

    Background calls have their own threads at the operating system's lowest priority, one core per call:
    they use only idle cores and delay no other call.
    """

    def __init__(self, engine: SpeechEngine, callers: int, watch: EngineWatch) -> None:
        self._engine = engine
        self._callers = callers
        self._watch = watch
        self._threads = ThreadPoolExecutor(callers, thread_name_prefix="engine")
        self._background = ThreadPoolExecutor(callers, "engine-background", initializer=yield_thread)
        self._turns = _Turns(callers)

    async def synthesise(self, segment: Segment, background: bool) -> Audio:
        """Speak a segment. Raises EngineError."""
        outcome = SegmentOutcome.FAILED
        try:
            audio = await self._spoken(segment, background, time.monotonic())
            outcome = SegmentOutcome.FINISHED
        except asyncio.CancelledError:
            outcome = SegmentOutcome.CANCELLED
            raise
        finally:
            self._watch.ended(outcome)
        return audio

    async def _spoken(self, segment: Segment, background: bool, came: float) -> Audio:
        if background:
            try:
                later = self._background.submit(self._speak, segment, False, came, traces.current())
            except RuntimeError as error:
                raise EngineError("The engine is closed.") from error
            try:
                return await asyncio.wrap_future(later)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if later.cancelled() and not (task and task.cancelling()):  # by `close`, not by the caller
                    raise EngineError("The engine is closed.") from None
                raise
        turn = self._turns.ask()
        try:
            alone = await asyncio.wrap_future(turn)
        except asyncio.CancelledError:
            if not turn.cancel():  # the turn came at the same moment
                self._turns.give_back()
            raise
        try:
            call = self._threads.submit(self._speak, segment, alone, came, traces.current())
        except RuntimeError as error:  # the threads were shut down as the turn came
            self._turns.give_back()
            raise EngineError("The engine is closed.") from error
        # Not when the caller cancels: its thread is busy until the call ends.
        call.add_done_callback(lambda _: self._turns.give_back())
        return await asyncio.wrap_future(call)

    def _speak(self, segment: Segment, alone: bool, came: float, caller: traces.Span) -> Audio:
        """Speak a segment that has waited since `came`.

        A call that is alone has all cores, as long as it lasts. Any other computes in this thread, and counts
        the time that its core gave it: in the background, it may have to wait for that in the midst of it.
        """
        clock, share = (time.monotonic, 1.0) if alone else (time.thread_time, 1 / self._callers)
        began, seconds = clock(), 0.0
        self._watch.waited(time.monotonic() - came)
        try:
            with traces.shared_call("engine call", [caller], {"ttsp.segments": 1, "ttsp.alone": alone}):
                (audio,) = self._engine.synthesise([segment], alone)
            seconds = len(audio) / self._engine.capabilities.sample_rate
            return audio
        finally:
            self._watch.called(1, (clock() - began) * share, seconds, 0.0)

    def close(self) -> None:
        """Cancel the calls that wait, and wait for those that run."""
        self._turns.close()
        self._threads.shutdown(cancel_futures=True)
        self._background.shutdown(cancel_futures=True)


class _Turns:
    """Gives calls their turns in the order in which they ask. Thread-safe, for any number of event loops."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Future[bool]] = deque()
        self._running = 0
        self._alone = False
        self._lock = Lock()

    def ask(self) -> Future[bool]:
        """Return a future that is done when the turn comes; its result says whether the call is alone."""
        turn: Future[bool] = Future()
        with self._lock:
            self._waiting.append(turn)
        self._admit()
        return turn

    def give_back(self) -> None:
        """End a turn that has come."""
        with self._lock:
            self._running -= 1
            self._alone = False
        self._admit()

    def close(self) -> None:
        """Fail the calls that wait."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for turn in waiting:
            if turn.set_running_or_notify_cancel():
                turn.set_exception(EngineError("The engine is closed."))

    def _admit(self) -> None:
        """Admit the calls that may start now."""
        admitted: list[tuple[Future[bool], bool]] = []
        with self._lock:
            # Calls that were cancelled while they waited do not count.
            self._waiting = deque(turn for turn in self._waiting if not turn.cancelled())
            while self._waiting and not self._alone and self._running < self._most:
                turn = self._waiting.popleft()
                if not turn.set_running_or_notify_cancel():
                    continue
                self._alone = self._running == 0 and not self._waiting
                self._running += 1
                admitted.append((turn, self._alone))
        for turn, alone in admitted:  # outside the lock: a callback of a turn may ask for the next one
            turn.set_result(alone)
