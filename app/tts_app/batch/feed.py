"""Which items a driver's workers speak next: a scheduler that does not know the workers."""

import asyncio
import heapq
import itertools
import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import asdict

from tts_app.batch.hashes import start_of
from tts_app.batch.ledger import Done, Failed, Ledger
from tts_app.batch.options import Options
from tts_app.batch.outcome import Progress
from tts_app.batch.plan import Item, Plan

FAILURES_REPORTED = 10
LOOK_AGAIN = 0.1
"""Seconds between two checks of what other tasks change."""
_LOOK_AHEAD = 4096
"""Items that wait for the workers of their model while others are read from the plan."""
_STEP = 500
"""Items that are read before other tasks get a turn: some milliseconds."""


class Feed:
    """Hands out the items to be spoken, in the plan's order, and those to be retried once more."""

    def __init__(self, plan: Plan, ledger: Ledger, options: Options, progress: Progress) -> None:
        self._ledger = ledger
        self._options = options
        self._progress = progress
        self._items: Iterator[Item] = iter(plan)
        self._reading = asyncio.Lock()
        self._read_out = False
        self._ready: dict[str, deque[Item]] = defaultdict(deque)
        self._later: dict[str, list[tuple[float, int, Item]]] = defaultdict(list)
        self._tries: dict[int, Counter[str]] = defaultdict(Counter)
        """Tries of an item by cause: a fault of the output does not use up the item's other retries."""
        self._quarantined: set[int] = set()
        self._open: dict[str, int] = defaultdict(int)
        """Number of items by model that wait or were handed out, and are not settled."""
        self._shared = plan.shared_keys()
        self._duplicates: dict[str, list[Item]] = {}
        """Items that wait for the audio of another item with the same key."""
        self._originals: dict[str, Done] = {}
        """What was spoken, by shared key, in this run or an earlier one."""

    @property
    def exhausted(self) -> bool:
        """Whether every item was settled."""
        return self._read_out and not any(self._open.values())

    async def count(self) -> None:
        """Count what is already done or failed for good: the plan itself is read only as it is spoken."""
        progress = self._progress
        progress.done = progress.skipped = await asyncio.to_thread(self._ledger.count)
        if not self._options.retry_failed:
            for failed in await asyncio.to_thread(self._ledger.failures, self._options.identity):
                self.count_failure(failed)
        progress.known = True

    async def read(self, model: str | None = None, most: int = 1) -> None:
        """Read on until `most` items wait for `model` (without it, for any), as far as there is room."""
        async with self._reading:
            for count in itertools.count(1):
                waiting = sum(map(len, self._ready.values()))
                have = len(self._ready[model]) if model else waiting
                if self._read_out or have >= most or waiting >= _LOOK_AHEAD:
                    return
                item = next(self._items, None)
                if item is None:
                    self._read_out = True
                else:
                    self._consider(item)
                if count % _STEP == 0:
                    await asyncio.sleep(0)

    def _consider(self, item: Item) -> None:
        if self._ledger.has(item):
            return
        failed = self._ledger.failure(item)
        if failed is not None and failed.job == self._options.identity and not self._options.retry_failed:
            return
        self._open[item.voice.model] += 1
        if start_of(item.key) in self._shared and not self.original(item):
            if item.key in self._duplicates:
                self._duplicates[item.key].append(item)
                return
            self._duplicates[item.key] = []
        self._ready[item.voice.model].append(item)

    async def has_some(self, model: str, most: int, stopping: asyncio.Event) -> bool:
        """Wait until there are items to take, `most` if they can be read; False when all are settled."""
        ready, later = self._ready[model], self._later[model]
        while not stopping.is_set():
            while later and later[0][0] <= time.monotonic():
                ready.append(heapq.heappop(later)[2])
            if len(ready) < most and not self._read_out:
                await self.read(model, most)
            if ready:
                return True
            if self._is_over(model):
                return False
            # Other slots hold the last items, or items of another model fill the buffers.
            await asyncio.sleep(LOOK_AGAIN)
        return False

    async def over(self, model: str, stopping: asyncio.Event) -> None:
        """Wait until all of a model's items are settled, or the batch is to stop."""
        while not (stopping.is_set() or self._is_over(model)):  # noqa: ASYNC110 - all slots change it
            await asyncio.sleep(LOOK_AGAIN)

    def left(self, model: str) -> float:
        """Return how many of a model's items are not settled; infinity if not all were read yet."""
        return self._open[model] if self._read_out else math.inf

    def _is_over(self, model: str) -> bool:
        return self._read_out and not self._open[model]

    def take(self, model: str, most: int) -> list[Item]:
        """Take up to `most` of the items that wait; one in quarantine comes alone."""
        ready = self._ready[model]
        if not ready:
            return []
        items = [ready.popleft()]
        while not self.is_quarantined(items[0]) and ready and len(items) < most:
            if self.is_quarantined(ready[0]):
                break
            items.append(ready.popleft())
        return items

    def quarantine(self, item: Item) -> None:
        """Hand the item out again, alone: its worker died."""
        self._quarantined.add(item.number)
        self._ready[item.voice.model].append(item)

    def put_back(self, item: Item) -> None:
        """Take back an item that no worker has started."""
        self._ready[item.voice.model].appendleft(item)

    def is_quarantined(self, item: Item) -> bool:
        """Return whether the item may have killed a worker."""
        return item.number in self._quarantined

    def original(self, item: Item) -> Done | None:
        """Return the record of an item with the same key that was spoken, in this run or an earlier one."""
        if item.key not in self._originals and (before := self._ledger.original(item.key)):
            self._originals[item.key] = before
        return self._originals.get(item.key)

    def spoken(self, done: Done) -> list[Item]:
        """Record what was spoken; return the items that waited for its audio."""
        if done.key in self._duplicates:
            self._originals[done.key] = done
        return self.released(done.key)

    def forget(self, original: Done) -> None:
        """Record that this audio no longer exists to be copied."""
        self._originals.pop(original.key, None)

    def released(self, key: str) -> list[Item]:
        """End the wait of the items that waited for the audio of a key, and return them."""
        return self._duplicates.pop(key, [])

    def settled(self, item: Item) -> None:
        """Record that an item is done, or has failed for good."""
        self._open[item.voice.model] -= 1
        self._tries.pop(item.number, None)
        self._quarantined.discard(item.number)

    def again(self, item: Item, cause: str, seconds: float) -> None:
        """Hand the item out again after `seconds`, because of `cause`."""
        self._tries[item.number][cause] += 1
        entry = (time.monotonic() + seconds, item.number, item)
        heapq.heappush(self._later[item.voice.model], entry)

    def tries(self, item: Item, cause: str) -> int:
        """Return how often the item was tried again for this cause."""
        return self._tries[item.number][cause]

    def count_failure(self, record: Failed) -> None:
        """Count an item that has failed for good."""
        self._progress.failed += 1
        if len(self._progress.failures) < FAILURES_REPORTED:
            failure = {
                k: v for k, v in asdict(record).items() if k in ("post", "avatar", "reason", "message")
            }
            self._progress.failures.append(failure)
