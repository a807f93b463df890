"""The driver: hands the items of a plan to workers, and commits what they have done.

Artefact first, then commit: an item counts as done when its record is durable, and not before.
"""

import asyncio
import heapq
import itertools
import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

from tts_app.batch.crew import CrewError, Member, NoWorkerError, WorkerDiedError, staffing
from tts_app.batch.ledger import Done, Failed, Ledger, text_hash
from tts_app.batch.options import Options
from tts_app.batch.outcome import Outcome, Progress
from tts_app.batch.patience import TRIES, OutputLostError, Patience
from tts_app.batch.plan import Item, Plan, start_of
from tts_app.batch.waits import DEFAULT_WAITS, Waits
from tts_app.batch.worker import Fault, Order, Spoken
from tts_app.resources import VoiceModel
from tts_app.serving.governor import Governor
from tts_app.storage.output import LockedError, Output
from tts_app.telemetry.logs import log

FAILURES_TOLD = 10
_LOOK_AHEAD = 4096
"""Items that wait for the workers of their model while others are read from the plan."""
_LOOK_AGAIN = 0.1
_COUNTED = 256
"""Items that are read before workers are made: of fewer it is known how many there are."""
_STEP = 500
"""Items that are read before others have a turn: some milliseconds."""


class Driver:
    """Runs one plan into one output, which its caller has locked. For one event loop."""

    def __init__(
        self,
        plan: Plan,
        models: Sequence[VoiceModel],
        output: Output,
        options: Options,
        tell: Callable[[Progress], None] = lambda _: None,
        waits: Waits = DEFAULT_WAITS,
    ) -> None:
        self._plan = plan
        self._models = {model.name: model for model in models}
        self._output = output
        self._options = options
        self._tell = tell
        self._waits = waits
        self._ledger = Ledger(output, plan)
        self.progress = Progress(plan.total)
        self._stopping = asyncio.Event()
        self.patience = Patience(output, self._stopping, waits)
        self._governor = Governor(options.utilisation, waits.sample, waits.average)
        self._turns = asyncio.Semaphore(options.parallelism)
        """Who speaks: each model has as many lanes as it could use alone."""
        self._feed: _Feed
        self._crew: list[Member] = []
        self._held_up = ""
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
        """Have it told what the batch waits for before it can begin; an empty string ends that."""
        self._held_up = reason

    @property
    def ledger(self) -> Ledger:
        """What is known of the items."""
        return self._ledger

    def without_output(self, message: str) -> Outcome:
        """Return how a batch ends that has lost its output.

        Where it was to stop anyway, it has stopped: what is not done is for the next run.
        """
        return Outcome("Stopped" if self.stopped else "Failed", self.progress, message)

    async def run(self) -> Outcome:
        """Render what is missing.

        Raises:
            OutputLostError: the ledger cannot be read, or ended.
            LockedError: another driver has taken over the output.
        """
        await self.patience.do(self._ledger.load)
        outcome = await self._render()
        await self.patience.do(self._ledger.close)
        return outcome

    async def _render(self) -> Outcome:
        feed = self._feed = _Feed(self._plan, self._ledger, self._options, self.progress)
        committer = asyncio.create_task(self._commit_all())
        try:
            await feed.count()
            await feed.read(most=_COUNTED)
            if not feed.exhausted:
                self._crew = self._hire()
            async with self._governor, asyncio.TaskGroup() as lanes:
                for member in self._crew:
                    for _ in range(member.staffing.slots):
                        lanes.create_task(self._lane(member))
        except ExceptionGroup as group:
            expected, others = group.split((CrewError, LockedError, OutputLostError))
            if expected is None or others is not None:
                raise
            cause = _first(expected)
            if isinstance(cause, LockedError):
                raise cause from None
            if isinstance(cause, OutputLostError):
                return self.without_output(str(cause))
            return Outcome("Failed", self.progress, str(cause))
        finally:
            for member in self._crew:
                member.stop()
            committer.cancel()
            await asyncio.gather(committer, return_exceptions=True)
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
            staff = staffing(model, options.speaker, options.parallelism, options.place, len(used))
            crew += [Member(model, options.speaker, staff, self._output.url) for _ in range(staff.workers)]
        return crew

    async def _lane(self, member: Member) -> None:
        """Speak items of the member's model, one chunk after another, until there are no more.

        It takes some when the worker is there, and not before: meanwhile they are for others.
        """
        name = member.model.name
        while await self._feed.has_some(name, member.chunk, self._stopping):
            if not self._is_needed(member):
                await asyncio.sleep(_LOOK_AGAIN)
                continue
            if not await self._manned(member):
                return
            items = self._feed.take(name, member.chunk)
            if not items:  # another lane was quicker
                continue
            await self._governor.opened()
            if self.stopped:  # these are for the next run
                return
            fresh = []
            for item in items:
                if original := self._feed.original(item):
                    await self._copy(original, item)
                else:
                    fresh.append(item)
            if fresh:
                await self._speak(member, fresh)

    def _is_needed(self, member: Member) -> bool:
        """Return whether there are more items than others are there for: loading a model takes time."""
        if member.is_expected:  # as it is for all of a batch but its beginning
            return True
        name = member.model.name
        expected = sum(other.is_expected for other in self._crew if other.model.name == name)
        return expected < self._feed.left(name)

    async def _manned(self, member: Member) -> bool:
        """Return whether the worker is there, after waiting for it as long as there is work for it.

        Raises:
            CrewError: neither it nor another one of its model can be had.
        """
        if member.actor is not None:
            return True
        member.expect()
        starting = asyncio.create_task(member.start())
        over = asyncio.create_task(self._feed.over(member.model.name, self._stopping))
        try:
            await asyncio.wait([starting, over], return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return False
            starting.result()
        except CrewError as error:
            log("batch worker given up", model=member.model.name, error=error)
            if all(other.lost for other in self._crew if other.model.name == member.model.name):
                raise
            return False
        finally:
            for task in (starting, over):
                task.cancel()
            await asyncio.gather(starting, over, return_exceptions=True)
        return True

    async def _speak(self, member: Member, items: Sequence[Item]) -> None:
        orders = [Order(i.number, i.text, i.voice.id, self._plan.format, i.file) for i in items]
        found: Sequence[Spoken | Fault]
        alone = self._feed.is_suspect(items[0])
        try:
            async with self._turns:
                await self._governor.opened()
                if self.stopped:
                    return
                found = await member.render(orders, alone)
        except NoWorkerError:
            for item in items:
                self._feed.put_back(item)
            return
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
            done = _done(item, result)
            await self._commit(done)
            self.progress.done += 1
            self.progress.seconds += result.seconds
            for twin in feed.spoken(done):
                await self._copy(done, twin)
            feed.settled(item)
        elif result.cause == "output" and feed.tries(item, "output") < TRIES:
            await self.patience.wait(result.message)
            feed.again(item, "output", 0.0)
        elif result.cause == "passing" and feed.tries(item, "passing") < self._options.retries:
            first, most = self._waits.retry
            feed.again(item, "passing", min(most, first * 2 ** feed.tries(item, "passing")))
        else:
            for failed in [item, *feed.released(item.key)]:
                await self._fail(failed, result)

    async def _fail(self, item: Item, fault: Fault) -> None:
        record = Failed(
            item.file,
            item.key,
            item.post,
            item.voice.id,
            fault.reason,
            fault.message[:1000],
            self._options.identity,
        )
        await self._commit(record)
        self._feed.count_failure(record)
        self._feed.settled(item)

    async def _copy(self, original: Done, twin: Item) -> None:
        """Give an item of the same key a copy of the audio."""
        try:
            data = await asyncio.to_thread(self._output.read, original.file)
        except OSError:  # somebody removed it: this one is spoken
            self._feed.forget(original)
            self._feed.again(twin, "output", 0.0)
            return
        await self.patience.do(partial(self._output.put, twin.file, data))
        await self._commit(_done(twin, original))
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
                await self.patience.do(partial(self._ledger.commit, records))
            except Exception as error:  # noqa: BLE001 - each lane that waits for it gets it
                fault = error
            for _, durable in batch:
                if durable.done():  # its lane was cancelled
                    continue
                if fault is None:
                    durable.set_result(None)
                else:
                    durable.set_exception(fault)

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Tell the progress each second, or as `waits` says, where it has changed."""
        teller = asyncio.create_task(self._keep_telling())
        try:
            yield
        finally:
            teller.cancel()
            await asyncio.gather(teller, return_exceptions=True)
            self.progress.waiting = ""

    async def _keep_telling(self) -> None:
        told: dict[str, Any] | None = None
        while True:
            await asyncio.sleep(self._waits.progress)
            self.progress.waiting = self._held_up or self.patience.fault or self._governor.gate.reason
            if (now := self.progress.told()) and now != told:
                self._tell(self.progress)
                told = now


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
        self._tries: dict[int, Counter[str]] = defaultdict(Counter)
        """Tries of an item by their cause: what the output was at fault for, its worker has not used up."""
        self._suspects: set[int] = set()
        self._open: dict[str, int] = defaultdict(int)
        """Items by model that wait or were handed out, and are not settled."""
        self._shared = plan.shared_keys()
        self._twins: dict[str, list[Item]] = {}
        """Items that wait for the audio of another one with their key."""
        self._originals: dict[str, Done] = {}
        """By shared key what was spoken, in this run or an earlier one."""

    @property
    def exhausted(self) -> bool:
        """Whether every item was settled."""
        return self._read_out and not any(self._open.values())

    async def count(self) -> None:
        """Count what is done or failed for good already: the plan is read only as it is spoken."""
        progress = self._progress
        progress.done = progress.skipped = await asyncio.to_thread(self._ledger.count)
        if not self._options.retry_failed:
            for failed in await asyncio.to_thread(self._ledger.failures, self._options.identity):
                self.count_failure(failed)
        progress.known = True

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
            return
        failed = self._ledger.failure(item)
        if failed is not None and failed.job == self._options.identity and not self._options.retry_failed:
            return
        self._open[item.voice.model] += 1
        if start_of(item.key) in self._shared and not self.original(item):
            if item.key in self._twins:
                self._twins[item.key].append(item)
                return
            self._twins[item.key] = []
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
            # Others have the last items in hand, or fill the buffers with another model's.
            await asyncio.sleep(_LOOK_AGAIN)
        return False

    async def over(self, model: str, stopping: asyncio.Event) -> None:
        """Wait until all of a model's items are settled, or the batch is to stop."""
        while not (stopping.is_set() or self._is_over(model)):  # noqa: ASYNC110 - all lanes change it
            await asyncio.sleep(_LOOK_AGAIN)

    def left(self, model: str) -> float:
        """Return how many of a model's items are not settled; infinity where they were not all read."""
        return self._open[model] if self._read_out else math.inf

    def _is_over(self, model: str) -> bool:
        return self._read_out and not self._open[model]

    def take(self, model: str, most: int) -> list[Item]:
        """Take up to `most` of the items that are there; a suspect comes alone."""
        ready = self._ready[model]
        if not ready:
            return []
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

    def put_back(self, item: Item) -> None:
        """Take an item back that nobody has looked at."""
        self._ready[item.voice.model].appendleft(item)

    def is_suspect(self, item: Item) -> bool:
        """Whether the item may have killed a worker."""
        return item.number in self._suspects

    def original(self, item: Item) -> Done | None:
        """Return what has the same key and was spoken already, in this run or an earlier one."""
        if item.key not in self._originals and (before := self._ledger.original(item.key)):
            self._originals[item.key] = before
        return self._originals.get(item.key)

    def spoken(self, done: Done) -> list[Item]:
        """Take note of what was spoken; return the items that waited for its audio."""
        if done.key in self._twins:
            self._originals[done.key] = done
        return self.released(done.key)

    def forget(self, original: Done) -> None:
        """Take note that this audio is not there to be copied."""
        self._originals.pop(original.key, None)

    def released(self, key: str) -> list[Item]:
        """Return the items that waited for the audio of a key; from now on they wait no more."""
        return self._twins.pop(key, [])

    def settled(self, item: Item) -> None:
        """Take note that an item is done, or has failed for good."""
        self._open[item.voice.model] -= 1
        self._tries.pop(item.number, None)
        self._suspects.discard(item.number)

    def again(self, item: Item, cause: str, seconds: float) -> None:
        """Hand the item out again after so many seconds, for this cause."""
        self._tries[item.number][cause] += 1
        entry = (time.monotonic() + seconds, item.number, item)
        heapq.heappush(self._later[item.voice.model], entry)

    def tries(self, item: Item, cause: str) -> int:
        """Return how often the item was tried again for this cause."""
        return self._tries[item.number][cause]

    def count_failure(self, record: Failed) -> None:
        """Count an item that has failed for good."""
        self._progress.failed += 1
        if len(self._progress.failures) < FAILURES_TOLD:
            told = {k: v for k, v in asdict(record).items() if k in ("post", "avatar", "reason", "message")}
            self._progress.failures.append(told)


def _done(item: Item, spoken: Spoken | Done) -> Done:
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
