"""Admission: who may use a model now, who waits, and who is refused at once and may come back later.

Each model has one bounded queue, and so have the checks of texts. Tenants take turns in it; within a tenant
the first who came is the first served. A slot is released however its holder ends: done, failed, or cancelled
because the caller left, whether in the slot or still waiting for it.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from tts_app.fair_queue import NO_WEIGHTS, FairQueue
from tts_app.telemetry import traces

_FIRST_GUESS = 2.0
"""Seconds that a request is assumed to take until one was measured."""
_WEIGHT = 0.2
"""Weight of the newest measurement in the moving average."""
_LONGEST = 600


class OverloadedError(Exception):
    """The queue is full, and the caller's tenant has at least as many in it as any other."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which there is likely to be room; at least 1."""


class Watcher(Protocol):
    """Is told what happens in a queue."""

    def joined(self, admission: "Admission", background: bool) -> None:
        """Somebody waits from now on."""

    def admitted(self, tenant: str, background: bool, seconds: float) -> None:
        """A request of `tenant` was given a slot, `seconds` after it came."""

    def shed(self, tenant: str, displaced: bool) -> None:
        """A request of `tenant` got no place: it came to a full queue, or was displaced from it."""


class Unwatched:
    """A Watcher that does nothing."""

    def joined(self, admission: "Admission", background: bool) -> None:
        """Do nothing."""

    def admitted(self, tenant: str, background: bool, seconds: float) -> None:
        """Do nothing."""

    def shed(self, tenant: str, displaced: bool) -> None:
        """Do nothing."""


@dataclass(slots=True, eq=False)
class _Waiter:
    """Somebody in the queue."""

    tenant: str
    bounded: bool
    """Whether it counts against the bound of the queue, and may be refused while it waits."""
    turn: asyncio.Future[None]


class Admission:
    """Lets `slots` holders in at a time, and at most `queue` more wait. For one event loop.

    Somebody who comes when the queue is full is refused, unless another tenant has more waiting: then the
    newest request of the tenant that has most is refused in its place. By "more" weights count.
    """

    def __init__(
        self,
        slots: int,
        queue: int,
        *,
        weights: Mapping[str, int] = NO_WEIGHTS,
        full: str = "Too many requests are waiting for this model.",
        clock: Callable[[], float] = time.monotonic,
        watcher: Watcher | None = None,
    ) -> None:
        """`full` is what callers are told who find the queue full."""
        self._watcher = watcher or Unwatched()
        self._full = full
        self._slots = slots
        self._queue = queue
        self._clock = clock
        self._held = 0
        self._waiters: FairQueue[_Waiter] = FairQueue(weights)
        self._bounded: dict[str, int] = {}
        """How many of each tenant wait that count against the bound."""
        self._all_bounded = 0
        self._background = 0
        """How many wait that do not."""
        self._service = _FIRST_GUESS

    @property
    def running(self) -> int:
        """Slots that are held."""
        return self._held

    @property
    def waiting(self) -> int:
        """Requests in the queue, background work included."""
        return sum(not waiter.turn.done() for waiter in self._waiters)

    @property
    def waiting_callers(self) -> int:
        """Requests in the queue that callers wait for."""
        return self._all_bounded

    @property
    def waiting_background(self) -> int:
        """Background work in the queue."""
        return self._background

    def waiting_of_tenants(self) -> dict[str, int]:
        """Return how many of each tenant wait, of those that have any."""
        return self._waiters.lengths()

    @property
    def retry_after(self) -> int:
        """Seconds after which one more request is likely to find room, from the measured service time."""
        rounds = (self._all_bounded + 1) / max(1, self._slots)
        return min(_LONGEST, max(1, math.ceil(self._service * rounds)))

    def resize(self, slots: int, queue: int) -> None:
        """Change the bounds; holders and waiters stay, and new room is handed out at once."""
        self._slots = slots
        self._queue = queue
        self._hand_out()

    @asynccontextmanager
    async def slot(self, tenant: str) -> AsyncIterator[None]:
        """Hold a slot, waiting for one if need be.

        Raises:
            OverloadedError: as many as `queue` are waiting. It is raised at once, or while this waits: when
                somebody comes of a tenant that has fewer waiting.
        """
        came = self._clock()
        with traces.span("admission", {"ttsp.running": self._held, "ttsp.waiting": len(self._waiters)}):
            if self._held >= self._slots or self._waiters:
                if self._all_bounded >= self._queue:
                    self._make_room(tenant)
                await self._wait(tenant, bounded=True)
            else:
                self._held += 1
        started = self._clock()
        self._watcher.admitted(tenant, False, started - came)
        try:
            yield
        finally:
            self._service += _WEIGHT * (self._clock() - started - self._service)
            self._release()

    @asynccontextmanager
    async def background(self, tenant: str) -> AsyncIterator[None]:
        """Hold a slot for a short piece of background work, waiting in the same queue however long it is.

        Callers must bound their number themselves. Background work never makes `slot` refuse a caller.
        """
        came = self._clock()
        with traces.span("admission", {"ttsp.running": self._held, "ttsp.waiting": len(self._waiters)}):
            if self._held >= self._slots or self._waiters:
                await self._wait(tenant, bounded=False)
            else:
                self._held += 1
        self._watcher.admitted(tenant, True, self._clock() - came)
        try:
            yield
        finally:
            self._release()

    def _make_room(self, tenant: str) -> None:
        """Refuse the newest who waits of the tenant that has most waiting.

        Raises:
            OverloadedError: that is `tenant`, whose next request this is.
        """

        def share(name: str, more: int = 0) -> float:
            return (self._bounded.get(name, 0) + more) / self._waiters.weight(name)

        error = OverloadedError(self._full, self.retry_after)
        most = max(self._bounded, key=share, default=tenant)
        if share(most) <= share(tenant, 1):
            self._watcher.shed(tenant, displaced=False)
            raise error
        refused = next(waiter for waiter in self._waiters.newest_first(most) if waiter.bounded)
        self._remove(refused)
        if not refused.turn.done():  # else it has just left
            self._watcher.shed(most, displaced=True)
            refused.turn.set_exception(error)

    async def _wait(self, tenant: str, bounded: bool) -> None:
        """Wait until a slot is handed over to this caller.

        Raises:
            OverloadedError: it was refused in place of another tenant's.
        """
        waiter = _Waiter(tenant, bounded, asyncio.get_running_loop().create_future())
        self._waiters.put(tenant, waiter)
        self._count(waiter, 1)
        self._watcher.joined(self, not bounded)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.cancelled():
                self._remove(waiter)
            elif waiter.turn.exception() is None:
                self._release()  # it was handed over just when the caller left
            raise

    def _remove(self, waiter: _Waiter) -> None:
        """Take a waiter out of the queue, unless `_hand_out` or `_make_room` has."""
        if self._waiters.remove(waiter.tenant, waiter):
            self._count(waiter, -1)

    def _count(self, waiter: _Waiter, change: int) -> None:
        if waiter.bounded:
            self._all_bounded += change
            left = self._bounded.get(waiter.tenant, 0) + change
            if left:
                self._bounded[waiter.tenant] = left
            else:
                del self._bounded[waiter.tenant]
        else:
            self._background += change

    def _release(self) -> None:
        self._held -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        while self._held < self._slots and self._waiters:
            waiter = self._waiters.take()
            self._count(waiter, -1)
            if not waiter.turn.done():
                self._held += 1
                waiter.turn.set_result(None)
