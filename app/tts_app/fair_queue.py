"""A queue in which tenants take turns: pure, and one for asyncio.

One tenant's thousand items cost another tenant at most one turn. Within a tenant, first in is first out.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
NO_WEIGHTS: Mapping[str, int] = {}
"""Every tenant has the weight 1."""


@dataclass(slots=True)
class _Line(Generic[Item]):
    """What one tenant has in the queue, the oldest first."""

    items: deque[Item] = field(default_factory=deque)
    taken: int = 0
    """Items that were taken in the tenant's present turn."""


class FairQueue(Generic[Item]):
    """Items of tenants. A tenant of weight n has up to n items taken in its turn."""

    def __init__(self, weights: Mapping[str, int] = NO_WEIGHTS) -> None:
        """`weights`: those of tenants whose weight is not 1."""
        self._weights = weights
        self._lines: OrderedDict[str, _Line[Item]] = OrderedDict()
        """The tenants that have items, in the order of their turns."""

    def __len__(self) -> int:
        return sum(len(line.items) for line in self._lines.values())

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __iter__(self) -> Iterator[Item]:
        """Yield the items, tenant by tenant."""
        for line in self._lines.values():
            yield from line.items

    def lengths(self) -> dict[str, int]:
        """Return how many items each tenant has, of those that have any."""
        return {tenant: len(line.items) for tenant, line in self._lines.items()}

    def weight(self, tenant: str) -> int:
        """Return how many items a tenant has taken in its turn."""
        return self._weights.get(tenant, 1)

    def put(self, tenant: str, item: Item) -> None:
        """Add an item, as its tenant's newest."""
        if (line := self._lines.get(tenant)) is None:
            line = self._lines[tenant] = _Line()
        line.items.append(item)

    def take(self) -> Item:
        """Remove and return the oldest item of the tenant whose turn it is.

        Raises:
            IndexError: there is none.
        """
        if not self._lines:
            raise IndexError("the queue is empty")
        tenant, line = next(iter(self._lines.items()))
        item = line.items.popleft()
        line.taken += 1
        if not line.items:
            del self._lines[tenant]
        elif line.taken >= self.weight(tenant):
            line.taken = 0
            self._lines.move_to_end(tenant)
        return item

    def remove(self, tenant: str, item: Item) -> bool:
        """Remove an item. False: it is not there."""
        line = self._lines.get(tenant)
        if line is None or item not in line.items:
            return False
        line.items.remove(item)
        if not line.items:
            del self._lines[tenant]
        return True

    def newest_first(self, tenant: str) -> Iterator[Item]:
        """Yield the items of a tenant."""
        line = self._lines.get(tenant)
        return iter(()) if line is None else reversed(line.items)


class FairAsyncQueue(asyncio.Queue[tuple[str, Item]], Generic[Item]):
    """An asyncio.Queue of tenants and their items, taken in turn."""

    def __init__(self, weights: Mapping[str, int] = NO_WEIGHTS) -> None:
        self._weights = weights
        super().__init__()

    def _init(self, _maxsize: int) -> None:
        self._queue: Any = FairQueue[tuple[str, Item]](self._weights)  # what asyncio.Queue lets be replaced

    def _put(self, item: tuple[str, Item]) -> None:
        self._queue.put(item[0], item)

    def _get(self) -> tuple[str, Item]:
        taken: tuple[str, Item] = self._queue.take()
        return taken


def may_add(unfinished: Mapping[str, int], tenant: str, limit: int, weights: Mapping[str, int]) -> bool:
    """Return whether `tenant` may add to what tenants have `unfinished`, of which there should be `limit`.

    Where so many are unfinished, a tenant may still use its share of the limit, by weight: so no other can
    take all of it. Of n tenants that all fill theirs, the unfinished are 1 + 1/2 + ... + 1/n times the limit:
    twice for four of them, five times for a hundred.
    """
    if sum(unfinished.values()) < limit:
        return True
    everybody = sum(weights.get(name, 1) for name in unfinished.keys() | {tenant})
    return unfinished.get(tenant, 0) * everybody < limit * weights.get(tenant, 1)
