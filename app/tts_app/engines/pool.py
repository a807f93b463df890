"""A loaded engine that many callers share: asynchronous, bounded, and able to give work up."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tts_app.engines.base import Audio, Capabilities, Segment, SpeechEngine


class EnginePool:
    """Runs an engine's blocking calls on as many threads as it is worth having.

    Kokoro's best throughput on a CPU is one session with one thread a call, called from as many threads as
    there are cores (shared/reference/kokoro-cpu.md); that is the default.
    """

    def __init__(self, engine: SpeechEngine, callers: int | None = None) -> None:
        self._engine = engine
        self.callers = callers or len(os.sched_getaffinity(0))
        self._threads = ThreadPoolExecutor(self.callers, thread_name_prefix="engine")

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""
        return self._engine.capabilities

    async def synthesise(self, segments: Sequence[Segment]) -> list[Audio]:
        """Speak each segment. Cancelling before a thread took the call means that it never runs."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._engine.synthesise, segments)

    def close(self) -> None:
        """Wait for the calls under way, then release the engine."""
        self._threads.shutdown(cancel_futures=True)
        self._engine.close()
