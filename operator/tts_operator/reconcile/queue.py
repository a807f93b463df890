"""The work queue: each due key once, no key twice at a time, failed keys after growing delays."""

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tts_app.backoff import Backoff
from tts_operator.logs import about
from tts_operator.objects import JobKey, Key

K = TypeVar("K", Key, JobKey)
"""The one kind of keys of a queue: keys of different kinds may be equal."""

RETRY = Backoff(1.0, 60.0)
"""Delays before a key that failed is due again."""

logger = logging.getLogger(__name__)


@dataclass(order=True, slots=True)
class _Due(Generic[K]):
    at: float
    key: K = field(compare=False)


class WorkQueue(Generic[K]):
    """Keys that are due, now or later. For one event loop.

    A key that is added while it waits is processed once, at the earlier of the times; a key that is added
    while it is processed is due again right after. This is the queue of controller-runtime and of Kubernetes'
    own controllers.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is the event loop's monotonic clock, in seconds."""
        self._clock = clock
        self._due: dict[K, float] = {}
        self._heap: list[_Due[K]] = []
        self._working: set[K] = set()
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Return how many keys wait and are due now."""
        now = self._clock()
        return sum(at <= now for key, at in self._due.items() if key not in self._working)

    def add(self, key: K, delay: float = 0.0) -> None:
        """Make a key due in `delay` seconds, unless it is due before that."""
        at = self._clock() + delay
        if at < self._due.get(key, float("inf")):
            self._due[key] = at
            heapq.heappush(self._heap, _Due(at, key))
            self._changed.set()

    async def get(self) -> tuple[K, float]:
        """Wait for a due key that is not being processed; return it and how many seconds it had to wait."""
        while True:
            self._changed.clear()
            found, wake = self._next()
            if found is not None:
                return found
            try:
                async with asyncio.timeout(wake):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: K, *, failed: bool = False) -> None:
        """End the work on a key; a key that failed is due again after a delay that grows each time."""
        self._working.discard(key)
        if failed:
            count = self._failures[key] = self._failures.get(key, 0) + 1
            self.add(key, RETRY.after(count))
        else:
            self._failures.pop(key, None)
        self._changed.set()

    def _next(self) -> tuple[tuple[K, float] | None, float | None]:
        """Take the key that is due; or return None and the seconds until the next look, None for never."""
        now = self._clock()
        held: list[_Due[K]] = []
        found: tuple[K, float] | None = None
        wake: float | None = None
        while self._heap and found is None:
            due = heapq.heappop(self._heap)
            if self._due.get(due.key) != due.at:
                continue  # it was taken or is due earlier
            if due.at > now:
                held.append(due)
                wake = due.at - now
                break
            if due.key in self._working:
                held.append(due)
                continue
            del self._due[due.key]
            self._working.add(due.key)
            found = due.key, now - due.at
        for due in held:
            heapq.heappush(self._heap, due)
        return found, wake


async def work(queue: WorkQueue[K], reconcile: Callable[[K, float], Awaitable[float | None]]) -> None:
    """Take keys and reconcile them, forever; retry failed keys after growing delays.

    `reconcile` gets the seconds that its key had to wait, and returns those after which to look again, or
    None.
    """
    while True:
        key, waited = await queue.get()
        with about(key._asdict()):
            try:
                again = await reconcile(key, waited)
            except Exception:
                # No error may stop the operator, and it may be gone the next time.
                logger.exception("reconcile failed")
                queue.done(key, failed=True)
                continue
        queue.done(key)
        if again is not None:
            queue.add(key, again)
