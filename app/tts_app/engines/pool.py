"""A loaded engine that many callers share: asynchronous, bounded, and able to give work up."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tts_app.engines.base import Audio, Capabilities, Segment, SpeechEngine


class EnginePool:
    """Runs an engine's blocking calls on as many threads as it is worth having.

    Kokoro's best throughput on a CPU is one thread a call and as many calls as there are cores: that is the
    default. A call that finds the engine idle is told so, and may use every core: its caller waits for it.
    """

    def __init__(self, engine: SpeechEngine, callers: int | None = None) -> None:
        self._engine = engine
        self.callers = callers or len(os.sched_getaffinity(0))
        self._threads = ThreadPoolExecutor(self.callers, thread_name_prefix="engine")
        self._calls = 0

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""
        return self._engine.capabilities

    async def synthesise(self, segments: Sequence[Segment]) -> list[Audio]:
        """Speak each segment. Cancelling before a thread took the call means that it never runs."""
        loop = asyncio.get_running_loop()
        alone = self._calls == 0
        self._calls += 1
        try:
            return await loop.run_in_executor(self._threads, self._engine.synthesise, segments, alone)
        finally:
            self._calls -= 1

    def close(self) -> None:
        """Wait for the calls under way, then release the engine."""
        self._threads.shutdown(cancel_futures=True)
        self._engine.close()
