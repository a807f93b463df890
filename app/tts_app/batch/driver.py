"""The driver: hands the items of a plan to workers, and commits what they have done.

Artefact first, then commit: an item counts as done when its record is durable, and not before.
"""

import asyncio
import heapq
import itertools
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from tts_app.batch.crew import CrewError, Member, WorkerDiedError, staffing
from tts_app.batch.ledger import Done, Failed, Ledger, text_hash
from tts_app.batch.options import Options
from tts_app.batch.outcome import Outcome, Progress
from tts_app.batch.plan import Item, Plan, start_of
from tts_app.batch.worker import Fault, Order, Spoken
from tts_app.resources import VoiceModel
from tts_app.serving.governor import Governor
from tts_app.storage.output import LockedError, Output, describe
from tts_app.telemetry.logs import log

FAILURES_TOLD = 10
TELL_SECONDS = 1.0
PATIENCE_SECONDS = 180.0
"""So long an output may be away, or full, before the batch is given up."""
_BACK_OFF = (0.5, 30.0)
"""Seconds before the first retry, twice as many before the next one, and the most."""
_LOOK_AHEAD = 4096
"""Items that wait for the workers of their model while others are read from the plan."""
_LOOK_AGAIN = 0.1
_WRITES = 5
"""Times that something is written anew after the output could be written again."""
_STEP = 500
"""Items that are read before others have a turn: some milliseconds."""


class _GivenUpError(Exception):
    """The batch cannot go on; the message says why."""


class Driver:
    """Runs one plan into one output, which its caller has locked. For one event loop."""

    def __init__(
        self,
        plan: Plan,
        models: Sequence[VoiceModel],
        output: Output,
        options: Options,
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._plan = plan
        self._models = {model.name: model for model in models}
        self._output = output
        self._options = options
        self._tell = tell
        self._ledger = Ledger(output, plan)
        self.progress = Progress(plan.total)
        self._stopping = asyncio.Event()
        self._governor = Governor(options.utilisation)
        self._feed: _Feed
        self._trouble = asyncio.Lock()
        self._fault = ""
        self._uncommitted: list[tuple[Done | Failed, asyncio.Future[None]]] = []
        self._committing = asyncio.Event()

    def stop(self) -> None:
        """End after the items in hand."""
        self._stopping.set()
        self._governor.release()

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    def wait_for(self, reason: str) -> None:
        """Tell what the batch waits for before it can begin."""
        self.progress.waiting = reason
        self._tell(self.progress)

    @property
    def ledger(self) -> Ledger:
        """What is known of the items."""
        return self._ledger

    async def run(self) -> Outcome:
        """Render what is missing. Raises OSError where the ledger cannot be read."""
        await asyncio.to_thread(self._ledger.load)
        feed = self._feed = _Feed(self._plan, self._ledger, self._options, self.progress)
        helpers = [asyncio.create_task(self._keep_telling()), asyncio.create_task(self._commit_all())]
        crew: list[Member] = []
        try:
            await feed.read()
            if not feed.exhausted:
                crew = self._hire()
            async with self._governor, asyncio.TaskGroup() as lanes:
                for member in crew:
                    for _ in range(member.staffing.slots):
                        lanes.create_task(self._lane(member))
        except ExceptionGroup as group:
            expected, others = group.split((CrewError, _GivenUpError, LockedError))
            if expected is None or others is not None:
                raise
            return Outcome("Failed", self.progress, str(_first(expected)))
        finally:
            for member in crew:
                member.stop()
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await asyncio.to_thread(self._ledger.close)
        if not feed.exhausted:
            return Outcome("Stopped", self.progress)
        if not self.progress.failed:
            return Outcome("Succeeded", self.progress)
        if self.progress.done:
            return Outcome("PartiallyFailed", self.progress)
        return Outcome("Failed", self.progress, "Every item failed.")

    def _hire(self) -> list[Member]:
        crew = []
        used = {voice.model for voice in self._plan.voices}
        for name in sorted(used):
            options, model = self._options, self._models[name]
            staff = staffing(model, options.speaker, options.parallelism, options.place)
            crew += [Member(model, options.speaker, staff, self._output.url) for _ in range(staff.workers)]
        return crew

    async def _lane(self, member: Member) -> None:
        """Speak items of the member's model, one chunk after another, until there are no more."""
        while True:
            await self._governor.opened()
            items = await self._feed.take(member.model.name, member.chunk, self._stopping)
            if not items:
                return
            fresh = []
            for item in items:
                if original := self._feed.original(item):
                    await self._copy(*original, item)
                else:
                    fresh.append(item)
            if fresh:
                await self._speak(member, fresh)

    async def _speak(self, member: Member, items: Sequence[Item]) -> None:
        orders = [Order(i.number, i.text, i.voice.id, self._plan.format, i.file) for i in items]
        found: Sequence[Spoken | Fault]
        alone = self._feed.is_suspect(items[0])
        try:
            found = await member.render(orders, alone)
        except WorkerDiedError as error:
            if not alone:  # any of those that it had in hand may have killed it: each is tried by itself
                for item in items:
                    self._feed.suspect(item)
                return
            found = [Fault(i.number, "passing", "WorkerDied", f"its worker died: {error}") for i in items]
        await asyncio.gather(*(self._settle(*pair) for pair in zip(items, found, strict=True)))

    async def _settle(self, item: Item, result: Spoken | Fault) -> None:
        feed = self._feed
        if isinstance(result, Spoken):
            await self._commit(_done(item, result))
            self.progress.done += 1
            self.progress.seconds += result.seconds
            for twin in feed.spoken(item, result):
                await self._copy(item, result, twin)
            feed.settled(item)
        elif result.cause == "output" and feed.tries(item) < max(_WRITES, self._options.retries):
            await self._wait_for_output(result.message)
            feed.again(item, 0.0)
        elif result.cause == "passing" and feed.tries(item) < self._options.retries:
            first, most = _BACK_OFF
            feed.again(item, min(most, first * 2 ** feed.tries(item)))
        else:
            for failed in [item, *feed.released(item)]:
                await self._fail(failed, result)

    async def _fail(self, item: Item, fault: Fault) -> None:
        record = Failed(
            item.file,
            item.key,
            item.post,
            item.voice.id,
            fault.reason,
            fault.message[:1000],
            self._options.job,
        )
        await self._commit(record)
        self._feed.count_failure(record)
        self._feed.settled(item)

    async def _copy(self, item: Item, spoken: Spoken, twin: Item) -> None:
        """Give an item of the same key a copy of the audio."""
        try:
            data = await asyncio.to_thread(self._output.read, item.file)
        except OSError:  # somebody removed it: this one is spoken
            self._feed.forget(item)
            self._feed.again(twin, 0.0)
            return
        await self._write(lambda: self._output.put(twin.file, data))
        await self._commit(_done(twin, spoken))
        self.progress.done += 1
        self._feed.settled(twin)

    async def _commit(self, record: Done | Failed) -> None:
        """Return when the record is durable, together with those that came at the same time."""
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._uncommitted.append((record, durable))
        self._committing.set()
        await durable

    async def _commit_all(self) -> None:
        while True:
            await self._committing.wait()
            self._committing.clear()
            batch, self._uncommitted = self._uncommitted, []
            records = [record for record, _ in batch]
            fault: Exception | None = None
            try:
                await self._write(lambda records=records: self._ledger.commit(records))  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001 - each lane that waits for it gets it
                fault = error
            for _, durable in batch:
                if durable.done():  # its lane was cancelled
                    continue
                if fault is None:
                    durable.set_result(None)
                else:
                    durable.set_exception(fault)

    async def _write(self, write: Callable[[], None]) -> None:
        """Write to the output, waiting while it is away.

        Raises:
            _GivenUpError: it stays away, or takes other files but not this one.
        """
        fault = ""
        for _ in range(_WRITES):
            try:
                await asyncio.to_thread(write)
                return
            except OSError as error:
                fault = describe(error)
                await self._wait_for_output(fault)
        raise _GivenUpError(f"The output cannot be written: {fault}.")

    async def _wait_for_output(self, reason: str) -> None:
        """Wait until the output can be written again.

        Raises:
            _GivenUpError: it could not for PATIENCE_SECONDS.
        """
        if self._trouble.locked():  # somebody looks after it already
            async with self._trouble:
                return
        async with self._trouble:
            log("batch output fault", reason=reason)
            until = time.monotonic() + PATIENCE_SECONDS
            pause = 0.5
            while True:
                self._fault = f"the output cannot be written: {reason}"
                await asyncio.sleep(pause)
                try:
                    await asyncio.to_thread(self._output.probe)
                    self._fault = ""
                    return
                except OSError as error:
                    reason = describe(error)
                if time.monotonic() > until or self._stopping.is_set():
                    raise _GivenUpError(f"The output cannot be written: {reason}.")
                pause = min(10.0, 2 * pause)

    async def _keep_telling(self) -> None:
        told: dict[str, Any] | None = None
        while True:
            self.progress.waiting = self._fault or self._governor.gate.reason
            if (now := self.progress.told()) != told:
                self._tell(self.progress)
                told = now
            await asyncio.sleep(TELL_SECONDS)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


class _Feed:
    """Hands out the items that are to be spoken, in the plan's order, and again those to be retried."""

    def __init__(self, plan: Plan, ledger: Ledger, options: Options, progress: Progress) -> None:
        self._ledger = ledger
        self._options = options
        self._progress = progress
        self._items: Iterator[Item] = iter(plan)
        self._reading = asyncio.Lock()
        self._read_out = False
        self._ready: dict[str, deque[Item]] = defaultdict(deque)
        self._later: dict[str, list[tuple[float, int, Item]]] = defaultdict(list)
        self._tries: dict[int, int] = {}
        self._suspects: set[int] = set()
        self._open: dict[str, int] = defaultdict(int)
        """Items by model that wait or were handed out, and are not settled."""
        self._shared = plan.shared_keys()
        self._twins: dict[str, list[Item]] = {}
        """Items that wait for the audio of another one with their key."""
        self._originals: dict[str, tuple[Item, Spoken]] = {}
        """Items of shared keys that were spoken."""

    @property
    def exhausted(self) -> bool:
        """Whether every item was settled."""
        return self._read_out and not any(self._open.values())

    async def read(self, model: str | None = None, most: int = 1) -> None:
        """Read on until there are items for `model` (any, without it), as far as there is room."""
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
            self._progress.done += 1
            self._progress.skipped += 1
            return
        failed = self._ledger.failure(item)
        if failed is not None and failed.job == self._options.job and not self._options.retry_failed:
            self.count_failure(failed)
            return
        self._open[item.voice.model] += 1
        if start_of(item.key) in self._shared and item.key not in self._originals:
            if item.key in self._twins:
                self._twins[item.key].append(item)
                return
            self._twins[item.key] = []
        self._ready[item.voice.model].append(item)

    async def take(self, model: str, most: int, stopping: asyncio.Event) -> list[Item]:
        """Return up to `most` items, or none when all are settled."""
        ready, later = self._ready[model], self._later[model]
        while not stopping.is_set():
            while later and later[0][0] <= time.monotonic():
                ready.append(heapq.heappop(later)[2])
            if len(ready) < most and not self._read_out:
                await self.read(model, most)
            if ready:
                return self._chunk(ready, most)
            if self._read_out and not self._open[model]:
                return []
            if not ready:  # others have the last items in hand, or fill the buffers with another model's
                await asyncio.sleep(_LOOK_AGAIN)
        return []

    def _chunk(self, ready: deque[Item], most: int) -> list[Item]:
        """Take up to `most` items; a suspect comes alone."""
        items = [ready.popleft()]
        while not self.is_suspect(items[0]) and ready and len(items) < most:
            if self.is_suspect(ready[0]):
                break
            items.append(ready.popleft())
        return items

    def suspect(self, item: Item) -> None:
        """Hand the item out again, alone: it was in the hands of a worker that died."""
        self._suspects.add(item.number)
        self._ready[item.voice.model].append(item)

    def is_suspect(self, item: Item) -> bool:
        """Whether the item may have killed a worker."""
        return item.number in self._suspects

    def original(self, item: Item) -> tuple[Item, Spoken] | None:
        """Return an item with the same key that was spoken already."""
        return self._originals.get(item.key)

    def spoken(self, item: Item, result: Spoken) -> list[Item]:
        """Take note that an item was spoken; return those that waited for its audio."""
        if item.key in self._twins:
            self._originals[item.key] = (item, result)
        return self.released(item)

    def forget(self, item: Item) -> None:
        """Take note that an item's audio is not there to be copied."""
        self._originals.pop(item.key, None)

    def released(self, item: Item) -> list[Item]:
        """Return the items that waited for this one's audio; from now on they wait no more."""
        return self._twins.pop(item.key, [])

    def settled(self, item: Item) -> None:
        """Take note that an item is done, or has failed for good."""
        self._open[item.voice.model] -= 1
        self._tries.pop(item.number, None)
        self._suspects.discard(item.number)

    def again(self, item: Item, seconds: float) -> None:
        """Hand the item out again after so many seconds."""
        self._tries[item.number] = self.tries(item) + 1
        entry = (time.monotonic() + seconds, item.number, item)
        heapq.heappush(self._later[item.voice.model], entry)

    def tries(self, item: Item) -> int:
        """Return how often the item was tried again."""
        return self._tries.get(item.number, 0)

    def count_failure(self, record: Failed) -> None:
        """Count an item that has failed for good."""
        self._progress.failed += 1
        if len(self._progress.failures) < FAILURES_TOLD:
            told = {k: v for k, v in asdict(record).items() if k in ("post", "avatar", "reason", "message")}
            self._progress.failures.append(told)


def _done(item: Item, spoken: Spoken) -> Done:
    return Done(
        file=item.file,
        key=item.key,
        sha256=spoken.sha256,
        bytes=spoken.bytes,
        seconds=spoken.seconds,
        post=item.post,
        avatar=item.voice.id,
        model=item.voice.model,
        text_sha256=text_hash(item.text),
    )
