"""Shows gauges again and again: Ray forgets one that was not set for about twenty seconds.

So the gauges of what is gone, such as a model that was removed, vanish by themselves.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable

from tts_app.telemetry.logs import log

EVERY = 2.0
"""Seconds between two looks. Ray exports what was set every ten seconds."""

Show = Callable[[], Awaitable[None] | None]
"""Looks at something and sets its gauges. It must not block."""


class Showing:
    """Calls what shows gauges, for one event loop."""

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
        """Show again and again. What is slow or fails delays and hides no other gauge."""
        while True:
            try:
                if (shown := show()) is not None:
                    await shown
            except Exception as error:  # noqa: BLE001 - a gauge that is missing is better than a gateway
                log("gauge not shown", level=logging.ERROR, error=error, gauge=show.__qualname__)
            await asyncio.sleep(self._every)


def show_in_thread(show: Callable[[], None], every: float = EVERY) -> threading.Event:
    """Call `show` again and again in a thread of its own, until the event that is returned is set."""
    stopped = threading.Event()

    def keep() -> None:
        while True:
            try:
                show()
            except Exception as error:  # noqa: BLE001 - as above
                log("gauge not shown", level=logging.ERROR, error=error, gauge=show.__qualname__)
            if stopped.wait(every):
                return

    threading.Thread(target=keep, name="gauges", daemon=True).start()
    return stopped
