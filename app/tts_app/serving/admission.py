"""Admission: who may use a model now, who waits, and who is refused at once and may come back later.

Each model has one bounded first-come queue, and so have the checks of texts. A slot is released however its
holder ends: done, failed, or cancelled because the caller left, whether in the slot or still waiting for it.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

_FIRST_GUESS = 2.0
"""Seconds that a request is assumed to take until one was measured."""
_WEIGHT = 0.2
"""Weight of the newest measurement in the moving average."""
_LONGEST = 600


class OverloadedError(Exception):
    """The queue is full."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which there is likely to be room; at least 1."""


class Admission:
    """Lets `slots` holders in at a time, and at most `queue` more wait. For one event loop."""

    def __init__(
        self,
        slots: int,
        queue: int,
        *,
        full: str = "Too many requests are waiting for this model.",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`full` is what callers are told who find the queue full."""
        self._full = full
        self._slots = slots
        self._queue = queue
        self._clock = clock
        self._held = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._bounded = 0
        self._service = _FIRST_GUESS

    @property
    def running(self) -> int:
        """Slots that are held."""
        return self._held

    @property
    def waiting(self) -> int:
        """Requests in the queue, background work included."""
        return sum(not waiter.done() for waiter in self._waiters)

    @property
    def retry_after(self) -> int:
        """Seconds after which one more request is likely to find room, from the measured service time."""
        rounds = (self._bounded + 1) / max(1, self._slots)
        return min(_LONGEST, max(1, math.ceil(self._service * rounds)))

    def resize(self, slots: int, queue: int) -> None:
        """Change the bounds; holders and waiters stay, and new room is handed out at once."""
        self._slots = slots
        self._queue = queue
        self._hand_out()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot, waiting for one if need be.

        Raises:
            OverloadedError: as many as `queue` are waiting already.
        """
        if self._held >= self._slots or self._waiters:
            if self._bounded >= self._queue:
                raise OverloadedError(self._full, self.retry_after)
            self._bounded += 1
            try:
                await self._wait()
            finally:
                self._bounded -= 1
        else:
            self._held += 1
        started = self._clock()
        try:
            yield
        finally:
            self._service += _WEIGHT * (self._clock() - started - self._service)
            self._release()

    @asynccontextmanager
    async def background(self) -> AsyncIterator[None]:
        """Hold a slot for a short piece of background work, waiting in the same queue however long it is.

        Callers must bound their number themselves. Background work never makes `slot` refuse a caller.
        """
        if self._held >= self._slots or self._waiters:
            await self._wait()
        else:
            self._held += 1
        try:
            yield
        finally:
            self._release()

    async def _wait(self) -> None:
        """Wait until a slot is handed over to this caller."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()  # it was handed over just when the caller left
            else:
                with suppress(ValueError):  # `_hand_out` has skipped it already
                    self._waiters.remove(turn)
            raise

    def _release(self) -> None:
        self._held -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        while self._held < self._slots and self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                self._held += 1
                turn.set_result(None)
