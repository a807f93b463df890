"""The driver: hands the items of a plan to workers, and commits what they have done.

First the audio file, then the commit: an item counts as done only once its record is durable.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from tts_app.batch.commit import GroupCommit
from tts_app.batch.feed import LOOK_AGAIN, Feed
from tts_app.batch.hashes import text_mac
from tts_app.batch.ledger import Done, Failed, Ledger
from tts_app.batch.options import Options
from tts_app.batch.outcome import Outcome, Progress
from tts_app.batch.pace import Pace
from tts_app.batch.plan import Item, Plan
from tts_app.batch.retry_output import TRIES, OutputLostError, RetryOutput
from tts_app.batch.speakers import GetClips
from tts_app.batch.waits import DEFAULT_WAITS, Waits
from tts_app.batch.worker import Fault, Order, Spoken
from tts_app.batch.worker_pool import (
    NoWorkerError,
    WorkerDiedError,
    WorkerHandle,
    WorkerPoolError,
    pool_size,
)
from tts_app.engines.base import Clip, EngineError
from tts_app.resources import VoiceModel
from tts_app.serving.governor import Governor
from tts_app.storage.output import LockedError, Output
from tts_app.telemetry import traces
from tts_app.telemetry.logs import log
from tts_app.telemetry.metrics.batch import ItemMetrics, ItemOutcome
from tts_app.telemetry.metrics.governor import GovernorMetrics, Resource
from tts_app.telemetry.metrics.speech import SpokenMetrics, metered_voice
from tts_app.telemetry.showing import Showing

_COUNTED = 256
"""Items that are read before workers are made: if there are fewer, their number is known by then."""


class Driver:
    """Runs one plan into one output, which its caller has locked. For one event loop."""

    def __init__(
        self,
        plan: Plan,
        models: Sequence[VoiceModel],
        output: Output,
        options: Options,
        report: Callable[[Progress], None] = lambda _: None,
        waits: Waits = DEFAULT_WAITS,
        clips: GetClips | None = None,
    ) -> None:
        self._plan = plan
        self._clips = clips
        self._models = {model.name: model for model in models}
        self._output = output
        self._options = options
        self._report = report
        self._waits = waits
        self._ledger = Ledger(output, plan)
        self.progress = Progress(plan.total)
        self._stopping = asyncio.Event()
        self.retry_output = RetryOutput(output, self._stopping, waits)
        self._governor = Governor(options.utilisation, waits.sample, waits.average)
        self._turns = asyncio.Semaphore(options.parallelism)
        """Limits how many slots speak at a time: each model has as many slots as it could use alone."""
        self._feed: Feed
        self._workers: list[WorkerHandle] = []
        self._held_up = ""
        self._committer = GroupCommit(self._write)
        self._metrics = ItemMetrics()
        self._spoken = SpokenMetrics()
        self._governing = GovernorMetrics()
        self._pace = Pace()
        self._speaking = 0
        """Items that workers have."""

    def stop(self) -> None:
        """Stop after the items in progress."""
        self._stopping.set()
        self._governor.release()

    @property
    def stopped(self) -> bool:
        """Whether it is to stop."""
        return self._stopping.is_set()

    def wait_for(self, reason: str) -> None:
        """Report that the batch waits for `reason` before it can begin; an empty string ends that."""
        self._held_up = reason

    @property
    def ledger(self) -> Ledger:
        """What is known about the items."""
        return self._ledger

    def without_output(self, message: str) -> Outcome:
        """Return the outcome of a batch that has lost its output.

        If it was to stop anyway, it counts as stopped: the next run does the rest.
        """
        return Outcome("Stopped" if self.stopped else "Failed", self.progress, message)

    async def run(self) -> Outcome:
        """Render what is missing.

        Raises:
            OutputLostError: the ledger cannot be read or closed.
            LockedError: another driver has taken over the output.
        """
        await self.retry_output.do(self._ledger.key_hashes)
        await self.retry_output.do(self._ledger.load)
        outcome = await self._render()
        await self.retry_output.do(self._ledger.close)
        return outcome

    async def _render(self) -> Outcome:
        feed = self._feed = Feed(self._plan, self._ledger, self._options, self.progress)
        committer = asyncio.create_task(self._committer.run())
        try:
            await feed.count()
            self._metrics.ended(ItemOutcome.SKIPPED, self.progress.skipped)
            await feed.read(most=_COUNTED)
            if not feed.exhausted:
                self._workers = self._make_workers()
            async with self._governor, asyncio.TaskGroup() as slots:
                for worker in self._workers:
                    for _ in range(worker.size.slots):
                        slots.create_task(self._run_slot(worker))
        except ExceptionGroup as group:
            expected, others = group.split((WorkerPoolError, LockedError, OutputLostError))
            if expected is None or others is not None:
                raise
            cause = _first(expected)
            if isinstance(cause, LockedError):
                raise cause from None
            if isinstance(cause, OutputLostError):
                return self.without_output(str(cause))
            return Outcome("Failed", self.progress, str(cause))
        finally:
            await self._end_workers()
            committer.cancel()
            await asyncio.gather(committer, return_exceptions=True)
        if not feed.exhausted:
            return Outcome("Stopped", self.progress)
        if not self.progress.failed:
            return Outcome("Succeeded", self.progress)
        if self.progress.done:
            return Outcome("PartiallyFailed", self.progress)
        return Outcome("Failed", self.progress, "Every item failed.")

    async def _end_workers(self) -> None:
        if traces.is_on():
            await asyncio.gather(*(worker.send_traces() for worker in self._workers))
        for worker in self._workers:
            worker.stop()

    def _make_workers(self) -> list[WorkerHandle]:
        workers = []
        used = {voice.model for voice in self._plan.voices}
        for name in sorted(used):
            options, model = self._options, self._models[name]
            size = pool_size(model, options.speaker, options.parallelism, options.node_resource, len(used))
            workers += [
                WorkerHandle(model, options.speaker, size, self._output.url) for _ in range(size.workers)
            ]
        return workers

    async def _run_slot(self, worker: WorkerHandle) -> None:
        """Speak items of the worker's model, one chunk after another, until there are no more.

        It takes items only once the worker runs: until then others may take them.
        """
        name = worker.model.name
        while await self._feed.has_some(name, worker.chunk, self._stopping):
            if not self._is_needed(worker):
                await asyncio.sleep(LOOK_AGAIN)
                continue
            if not await self._ensure_running(worker):
                return
            items = self._feed.take(name, worker.chunk)
            if not items:  # another slot was quicker
                continue
            await self._governor.opened()
            if self.stopped:  # the next run speaks these
                return
            fresh = []
            for item in items:
                if original := self._feed.original(item):
                    await self._copy(original, item)
                else:
                    fresh.append(item)
            if fresh:
                await self._speak(worker, fresh)

    def _is_needed(self, worker: WorkerHandle) -> bool:
        """Return whether there are more items than other workers: loading a model takes time."""
        if worker.is_expected:  # always, except at the start of a batch
            return True
        name = worker.model.name
        expected = sum(other.is_expected for other in self._workers if other.model.name == name)
        return expected < self._feed.left(name)

    async def _ensure_running(self, worker: WorkerHandle) -> bool:
        """Wait for the worker as long as there is work for it, and return whether it runs.

        Raises:
            WorkerPoolError: no worker of its model can be started.
        """
        if worker.actor is not None:
            return True
        worker.expect()
        starting = asyncio.create_task(worker.start())
        over = asyncio.create_task(self._feed.over(worker.model.name, self._stopping))
        try:
            await asyncio.wait([starting, over], return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return False
            starting.result()
        except WorkerPoolError as error:
            log("batch worker given up", model=worker.model.name, error=error)
            if all(other.lost for other in self._workers if other.model.name == worker.model.name):
                raise
            return False
        finally:
            for task in (starting, over):
                task.cancel()
            await asyncio.gather(starting, over, return_exceptions=True)
        return True

    async def _speak(self, worker: WorkerHandle, items: Sequence[Item]) -> None:
        items, orders = await self._orders(items)
        if not items:
            return
        spans = [self._span(item) for item in items]
        try:
            orders = [order._replace(trace=span.carrier) for order, span in zip(orders, spans, strict=True)]
            await self._hand_over(worker, items, orders, spans)
        finally:
            for span in spans:
                span.end()

    def _span(self, item: Item) -> traces.Span:
        """Return the span of an item, the first of a trace of its own: a batch has too many for one."""
        attributes: traces.Attributes = {
            "ttsp.batch": self._options.job,
            "ttsp.item": item.number,
            "ttsp.model": item.voice.model,
            "ttsp.voice": item.voice.label,
        }
        return traces.entry("batch item", attributes=attributes, cause=self._options.cause)

    async def _hand_over(
        self,
        worker: WorkerHandle,
        items: Sequence[Item],
        orders: Sequence[Order],
        spans: Sequence[traces.Span],
    ) -> None:
        """Have the worker speak the items, and settle them; try them again later if it has died."""
        found: Sequence[Spoken | Fault]
        alone = self._feed.is_quarantined(items[0])
        try:
            async with self._turns:
                await self._governor.opened()
                if self.stopped:
                    return
                self._speaking += len(items)
                try:
                    found = await worker.render(orders, alone)
                finally:
                    self._speaking -= len(items)
        except NoWorkerError:
            for item in items:
                self._feed.put_back(item)
            return
        except WorkerDiedError as error:
            if not alone:  # any of these items may have killed it: try each by itself
                for item in items:
                    self._metrics.retried()
                    self._feed.quarantine(item)
                return
            found = [Fault(i.number, "passing", "WorkerDied", f"its worker died: {error}") for i in items]
        for span, result in zip(spans, found, strict=True):
            if isinstance(result, Fault):
                span.failed(result.reason)
        await asyncio.gather(*(self._settle(*pair) for pair in zip(items, found, strict=True)))

    async def _orders(self, items: Sequence[Item]) -> tuple[list[Item], list[Order]]:
        """Return the items that can be spoken and their orders; those whose voice was revoked fail.

        The clip of a cloned voice is read anew each time: it may have been revoked.
        """
        clips: dict[str, Clip | Fault] = {}
        for item in items:
            if item.voice.clone and item.voice.id not in clips:
                clips[item.voice.id] = await self._clip(item)
        ready, orders = [], []
        for item in items:
            clip = clips.get(item.voice.id)
            if isinstance(clip, Fault):
                await self._settle(item, clip._replace(number=item.number))
                continue
            ready.append(item)
            plan = self._plan
            order = Order(
                item.number, item.text, item.voice, plan.format, item.file, clip, reading=plan.reading
            )
            orders.append(order)
        return ready, orders

    async def _clip(self, item: Item) -> Clip | Fault:
        if self._clips is None:
            return Fault(item.number, "item", "VoiceUnavailable", "Cloned voices are spoken by a service.")
        try:
            return await asyncio.to_thread(self._clips, item.voice.clone)
        except EngineError as error:
            return Fault(item.number, "item", "VoiceRevoked", str(error))
        except Exception as error:  # noqa: BLE001 - what reads clips may be away: the items are tried again
            return Fault(item.number, "passing", type(error).__name__, str(error)[:500])

    async def _settle(self, item: Item, result: Spoken | Fault) -> None:
        feed = self._feed
        if isinstance(result, Spoken):
            done = _done(item, result, self._plan.secret)
            await self._committer.commit(done)
            voice = item.voice
            self.progress.add(voice.model, voice.id, len(item.text), result.seconds)
            self._metrics.ended(ItemOutcome.DONE)
            self._spoken.characters(voice.model, metered_voice(voice), len(item.text))
            self._spoken.audio(voice.model, metered_voice(voice), result.seconds)
            for duplicate in feed.spoken(done):
                await self._copy(done, duplicate)
            feed.settled(item)
        elif result.cause == "output" and feed.tries(item, "output") < TRIES:
            await self.retry_output.wait(result.message)
            self._metrics.retried()
            feed.again(item, "output", 0.0)
        elif result.cause == "passing" and feed.tries(item, "passing") < self._options.retries:
            self._metrics.retried()
            feed.again(item, "passing", self._waits.retry.after(feed.tries(item, "passing") + 1))
        else:
            for failed in [item, *feed.released(item.key)]:
                await self._fail(failed, result)

    async def _write(self, records: Sequence[Done | Failed]) -> None:
        await self.retry_output.do(partial(self._ledger.commit, records))

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
        await self._committer.commit(record)
        self._metrics.ended(ItemOutcome.FAILED)
        self._feed.count_failure(record)
        self._feed.settled(item)

    async def _copy(self, original: Done, duplicate: Item) -> None:
        """Give an item of the same key a copy of the audio."""
        try:
            data = await asyncio.to_thread(self._output.read, original.file)
        except OSError:  # the file was removed: speak this item
            self._feed.forget(original)
            self._feed.again(duplicate, "output", 0.0)
            return
        await self.retry_output.do(partial(self._output.put, duplicate.file, data))
        await self._committer.commit(_done(duplicate, original, self._plan.secret))
        self.progress.done += 1
        self._metrics.ended(ItemOutcome.DONE)
        self._feed.settled(duplicate)

    @asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """Report the progress, if it has changed, each second or as `waits` says, and show the gauges."""
        reporter = asyncio.create_task(self._keep_reporting())
        showing = Showing(self._show)
        await showing.start()
        try:
            yield
        finally:
            await showing.stop()
            self._show()
            reporter.cancel()
            await asyncio.gather(reporter, return_exceptions=True)
            self.progress.waiting = ""

    def _show(self) -> None:
        """Show how far the batch is, and what its governor measures."""
        gate, progress = self._governor.gate, self.progress
        self._governing.slots(self._options.parallelism if gate.open else 0)
        for resource, share in gate.busiest.items():
            self._governing.utilization(Resource(resource), share)
        if not progress.known:
            return
        settled, now = progress.done + progress.failed, time.monotonic()
        self._metrics.open(max(0, progress.total - settled - self._speaking), self._speaking)
        self._pace.mark(now, settled)
        if (left := self._pace.left(now, settled, progress.total)) is not None:
            self._metrics.eta(left)

    async def _keep_reporting(self) -> None:
        reported: dict[str, Any] | None = None
        while True:
            await asyncio.sleep(self._waits.progress)
            self.progress.waiting = self._held_up or self.retry_output.fault or self._governor.gate.reason
            if (now := self.progress.as_dict()) and now != reported:
                self._report(self.progress)
                reported = now


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _done(item: Item, spoken: Spoken | Done, secret: bytes) -> Done:
    return Done(
        file=item.file,
        key=item.key,
        sha256=spoken.sha256,
        bytes=spoken.bytes,
        seconds=spoken.seconds,
        post=item.post,
        avatar=item.voice.id,
        model=item.voice.model,
        text_hmac=text_mac(secret, item.text),
    )
