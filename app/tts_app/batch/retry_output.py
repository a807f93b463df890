"""Waiting for an output that is away or full: what failed is tried again once it can be written."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from tts_app.batch.waits import Waits
from tts_app.storage.output import Output, describe
from tts_app.telemetry.logs import log

TRIES = 5
"""Times that something is tried again after the output could be written again."""

_Found = TypeVar("_Found")


class OutputLostError(Exception):
    """The batch cannot continue without its output; the message says what is wrong with the output."""


class RetryOutput:
    """Waits for an output, until `stopping` is set or a wait has failed. For one event loop."""

    def __init__(self, output: Output, stopping: asyncio.Event, waits: Waits) -> None:
        self._output = output
        self._stopping = stopping
        self._waits = waits
        self._looking = asyncio.Lock()
        self._lost = False
        self.fault = ""
        """What is wrong with the output, during a wait for it."""

    async def do(self, work: Callable[[], _Found]) -> _Found:
        """Return the result of `work` on the output, done in a thread; wait while the output is away.

        Raises:
            OutputLostError: the output stays away, or it can be written but `work` still fails.
        """
        fault = ""
        for _ in range(TRIES):
            try:
                return await asyncio.to_thread(work)
            except OSError as error:
                fault = describe(error)
                await self.wait(fault)
        raise _lost(fault)

    async def wait(self, fault: str) -> None:
        """Wait until the output can be written again.

        Raises:
            OutputLostError: it could not be written within the time of `waits`, or before the batch was to
                stop.
        """
        if self._looking.locked():  # another task waits for it already
            async with self._looking:
                return
        async with self._looking:
            log("batch output fault", reason=fault)
            try:
                await self._look(fault)
            finally:
                self.fault = ""

    async def _look(self, fault: str) -> None:
        until = time.monotonic() + self._waits.output
        failures = 0
        while not self._lost:
            failures += 1
            self.fault = f"the output cannot be written: {fault}"
            with suppress(TimeoutError):  # a pause, cut short if the batch is to stop
                await asyncio.wait_for(self._stopping.wait(), self._waits.output_probe.after(failures))
            try:
                await asyncio.to_thread(self._output.probe)
                return
            except OSError as error:
                fault = describe(error)
            self._lost = self._stopping.is_set() or time.monotonic() > until
        raise _lost(fault)


def _lost(fault: str) -> OutputLostError:
    return OutputLostError(f"The output cannot be written: {fault}.")
