"""How fast a batch goes, and so how long it will still take: pure."""

from collections import deque

WINDOW = 300.0
"""Seconds over which the pace is measured: workers that start or are lost change it."""
_STEP = 5.0
"""Seconds between two marks."""


class Pace:
    """Estimates the time to the end from the items that were settled in the last minutes."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()
        """When so many items were settled, oldest first."""

    def mark(self, now: float, settled: int) -> None:
        """Note how many items are settled at the time `now`, in seconds."""
        if self._marks and now - self._marks[-1][0] < _STEP:
            return
        self._marks.append((now, settled))
        while len(self._marks) > 2 and self._marks[1][0] <= now - WINDOW:
            self._marks.popleft()

    def left(self, now: float, settled: int, total: int) -> float | None:
        """Return the seconds until all of `total` items are settled; None: none has been settled lately."""
        if not self._marks:
            return None
        since, before = self._marks[0]
        done, elapsed = settled - before, now - since
        return (total - settled) * elapsed / done if done > 0 and elapsed > 0 else None
