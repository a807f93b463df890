"""Records what callers use: in memory first, and in the database every few seconds."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from tts_app.amounts import Amounts
from tts_app.storage.usage import Total, Usages, Used
from tts_app.telemetry.logs import log

_EVERY = 3.0
"""Seconds between two writes."""


class UsageRecorder:
    """Adds up usage and stores it in the background. For one event loop.

    What was not stored yet is lost if the process is killed. While the database is away, it waits in memory.
    """

    def __init__(
        self, usages: Usages, *, every: float = _EVERY, clock: Callable[[], float] = time.time
    ) -> None:
        """`every`: seconds between two writes."""
        self._usages = usages
        self._every = every
        self._clock = clock
        self._waiting: dict[Used, Total] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def record(
        self, tenant: str, caller: str, model: str, voice: str, took: Amounts, requests: int = 1
    ) -> None:
        """Add what `requests` requests took."""
        today = datetime.fromtimestamp(self._clock(), UTC).date()
        self._add(Used(today, tenant, caller, model, voice), Total(requests, took))

    async def start(self) -> None:
        """Store what is recorded from now on."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Store the rest."""
        self._stopping.set()
        if self._task is not None:
            await self._task
        await self.flush()
        if self._waiting:
            log("usage lost", level=logging.WARNING, rows=len(self._waiting))

    async def flush(self) -> None:
        """Store what is recorded; if the database is away, keep it."""
        if not self._waiting:
            return
        taken, self._waiting = self._waiting, {}
        try:
            await asyncio.to_thread(self._usages.add, taken.items())
        except SQLAlchemyError as error:
            log("usage not stored yet", level=logging.WARNING, error=error)
            for used, total in taken.items():
                self._add(used, total)

    async def _work(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._stopping.wait()
            await self.flush()

    def _add(self, used: Used, total: Total) -> None:
        if (known := self._waiting.get(used)) is None:
            known = self._waiting[used] = Total(0, Amounts())
        known.requests += total.requests
        known.amounts.add(total.amounts)
