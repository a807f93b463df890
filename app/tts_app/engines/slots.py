"""An engine's slots: it writes so many answers at a time, and the others wait in the order that they came."""

import asyncio
from collections import deque
from contextlib import suppress

from tts_app.engines.base import EngineError
from tts_app.engines.text import TextLoad


class Slots:
    """Slots, which callers take several at a time and give back; for one event loop.

    A caller that needs several waits at the head of the queue until so many are free: none overtakes it.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many callers wait."""
        return len(self._queue)

    @property
    def taken(self) -> int:
        """How many slots are in use."""
        return self.total - self._free

    async def take(self, count: int) -> None:
        """Wait for `count` slots. Cancelling gives up the place in the queue.

        Raises:
            EngineError: there are fewer slots in all.
        """
        if count > self.total:
            raise EngineError(f"{count} answers at a time are too many: this model writes {self.total}.")
        if not self._queue and count <= self._free:
            self._free -= count
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):  # `_let_in` or `refuse` was there first
                    self._queue.remove((count, turn))
                self._let_in()  # the next caller may need fewer
            elif turn.exception() is None:
                self.give(count)
            raise

    def load(self, held: int, context_length: int) -> TextLoad:
        """Return how busy they are, where running answers hold `held` tokens of the cache."""
        return TextLoad(self.taken, self.waiting, min(1.0, held / (self.total * context_length)))

    def give(self, count: int) -> None:
        """Give `count` slots back."""
        self._free += count
        self._let_in()

    def refuse(self, error: Exception) -> None:
        """End every wait with `error`."""
        for _, turn in self._queue:
            if not turn.done():
                turn.set_exception(error)
        self._queue.clear()

    def _let_in(self) -> None:
        while self._queue and self._queue[0][0] <= self._free:
            count, turn = self._queue.popleft()
            if not turn.done():
                self._free -= count
                turn.set_result(None)
