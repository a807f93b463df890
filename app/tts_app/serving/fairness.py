"""How fairly the callers of a model were served: pure, but for the clock that it is given.

Fair is what the queue aims at: each caller gets what it asked for, and where there is not enough for all, as
much as any other by weight, as far as it asked for so much (max-min fairness).
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

_STEP = 5.0
"""Seconds of one count: what is older than the window is forgotten in steps."""
WINDOW = 60.0


@dataclass(frozen=True, slots=True)
class Caller:
    """What a caller asked for and got."""

    asked: float
    got: float
    weight: float = 1.0


def fairness(callers: Iterable[Caller]) -> float:
    """Return Jain's index of what callers got, each as a share of what would have been fair: 0 to 1.

    It is 1 where everybody got the fair share, and 1/n where one of n callers got all. A caller who lacks
    less than one request counts as served: requests are whole, and the last one may still be waiting.
    """
    known = [caller for caller in callers if caller.asked > 0]
    fair = _fair_shares(known)
    shares = [min(1.0, (caller.got + 1) / share) for caller, share in zip(known, fair, strict=True) if share]
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def _fair_shares(callers: list[Caller]) -> list[float]:
    """Divide what all callers got: nobody gets more than was asked for, the others divide the rest."""
    left = sum(caller.got for caller in callers)
    fair = [0.0] * len(callers)
    open_ones = sorted(range(len(callers)), key=lambda at: callers[at].asked / callers[at].weight)
    weights = sum(caller.weight for caller in callers)
    for at in open_ones:  # who asked for least, by weight, first
        caller = callers[at]
        fair[at] = min(caller.asked, left * caller.weight / weights)
        left -= fair[at]
        weights -= caller.weight
    return fair


@dataclass(slots=True)
class _Count:
    """What happened in a step of time."""

    began: float
    admitted: Counter[str] = field(default_factory=Counter)
    shed: Counter[str] = field(default_factory=Counter)


class Recent:
    """What tenants asked for and got in the last minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: deque[_Count] = deque()

    def admitted(self, tenant: str) -> None:
        """Count a request that was given a slot."""
        self._now().admitted[tenant] += 1

    def shed(self, tenant: str) -> None:
        """Count a request that got no place."""
        self._now().shed[tenant] += 1

    def callers(self, waiting: Mapping[str, int], weights: Mapping[str, int]) -> list[Caller]:
        """Return the callers of the last minute and those that have requests `waiting`."""
        self._forget()
        got: Counter[str] = Counter()
        asked = Counter(waiting)
        for count in self._counts:
            got.update(count.admitted)
            asked.update(count.admitted)
            asked.update(count.shed)
        return [Caller(asked[name], got[name], weights.get(name, 1)) for name in asked]

    def _now(self) -> _Count:
        now = self._clock()
        if not self._counts or now - self._counts[-1].began >= _STEP:
            self._forget()
            self._counts.append(_Count(now))
        return self._counts[-1]

    def _forget(self) -> None:
        while self._counts and self._clock() - self._counts[0].began > WINDOW:
            self._counts.popleft()
