"""Shows gauges again and again: Ray forgets one that was not set for about twenty seconds.

So the gauges of what is gone, such as a model that was removed, vanish by themselves.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from tts_app.telemetry.logs import log

EVERY = 5.0
"""Seconds between two looks. Ray exports what was set every ten seconds."""

Show = Callable[[], Awaitable[None] | None]
"""Looks at something and sets its gauges. It must not block."""


class Showing:
    """Calls what shows gauges, each in a task of its own: one that is slow delays no other."""

    def __init__(self, *shows: Show, every: float = EVERY) -> None:
        """`every`: seconds between two calls."""
        self._tasks: list[asyncio.Task[None]] = []
        self._shows = shows
        self._every = every

    async def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._keep(show)) for show in self._shows]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, show: Show) -> None:
        failed = False
        while True:
            try:
                if (shown := show()) is not None:
                    await shown
                failed = False
            except Exception as error:  # noqa: BLE001 - a gauge that is missing is better than no gateway
                if not failed:
                    log("gauges not shown", level=logging.ERROR, error=error, of=show.__qualname__)
                failed = True
            await asyncio.sleep(self._every)
