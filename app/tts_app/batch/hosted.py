"""Batches of the API: accepted into the database, rendered one by one, resumed after a restart."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from tts_app.backoff import Backoff
from tts_app.batch.driver import Driver
from tts_app.batch.items import Filter, Items
from tts_app.batch.options import Options
from tts_app.batch.outcome import Outcome, Progress, Spoken, State
from tts_app.batch.plan import Plan, PlanError, no_clones
from tts_app.batch.post_record import Fault
from tts_app.batch.prepare import prepare
from tts_app.batch.report import MANIFEST, SUMMARY, archive_blocks
from tts_app.batch.run import run
from tts_app.batch.speakers import GetClips
from tts_app.batch.waits import DEFAULT_WAITS, Waits
from tts_app.catalogue import CatalogueVoice
from tts_app.fair_queue import FairAsyncQueue
from tts_app.resources import VoiceModel
from tts_app.resources.tts_job import TTSJobSpec
from tts_app.serving.clones import Clones
from tts_app.settings import Settings
from tts_app.storage.acts import UNRECORDED, Act
from tts_app.storage.batches import Batch, Batches, BatchStatus
from tts_app.storage.database import AWAY, RETRY, recorded
from tts_app.storage.output import Output, open_output
from tts_app.storage.pages import Page
from tts_app.telemetry import traces
from tts_app.telemetry.about import about, note
from tts_app.telemetry.logs import log
from tts_app.telemetry.metrics.batch import BatchOutcome, BatchState, HostedMetrics
from tts_app.tenants import objects_of

_SAVE_SECONDS = 5.0
"""Progress is saved at most this often: the ledger has it anyway."""
_LOOK_AGAIN = 0.2
_FORGET_SECONDS = 10.0
"""How often texts are forgotten whose time has come."""
_STATUSES: dict[State, BatchStatus] = {
    "Succeeded": BatchStatus.SUCCEEDED,
    "PartiallyFailed": BatchStatus.PARTIALLY_FAILED,
    "Failed": BatchStatus.FAILED,
}

_STATES = {BatchStatus.QUEUED: BatchState.QUEUED, BatchStatus.RUNNING: BatchState.RUNNING}

Ran = Callable[[Batch, Mapping[tuple[str, str], Spoken]], None]
"""Is told when a run of a batch is over, and what it has spoken, by model and voice."""


def _nobody(_batch: Batch, _spoken: Mapping[tuple[str, str], Spoken]) -> None:
    """Nobody wants to know."""


def _anything(_plan: Plan) -> None:
    """Every plan is allowed."""


class HostedBatches:
    """Accepts, renders, follows and cancels batches; tenants take turns. For one event loop."""

    def __init__(
        self,
        models: Callable[[], Sequence[VoiceModel]],
        batches: Batches,
        settings: Settings,
        fingerprint: Callable[[str], str],
        waits: Waits = DEFAULT_WAITS,
        database_retry: Backoff = RETRY,
        ran: Ran = _nobody,
        clones: Clones | None = None,
    ) -> None:
        self._clones = clones
        self._models = models
        self._waits = waits
        self._recorded = partial(recorded, backoff=database_retry)
        self._batches = batches
        self._ran = ran
        self._settings = settings
        self._fingerprint = fingerprint
        self._metrics = HostedMetrics()
        self._queue: FairAsyncQueue[str] = FairAsyncQueue(settings.weights)
        self._tasks: list[asyncio.Task[None]] = []
        self._running: tuple[str, Driver] | None = None
        self._causes: dict[str, traces.Carrier] = {}
        """The traces of the requests for batches that wait."""
        self._progress: dict[str, Progress] = {}
        self._changed: dict[str, asyncio.Event] = {}

    async def start(self) -> None:
        """Resume what an earlier run left unfinished."""
        for tenant, batch_id in await asyncio.to_thread(self._batches.unfinished):
            self._queue.put_nowait((tenant, batch_id))
        self._tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._forget_texts())]

    async def stop(self) -> None:
        """Stop rendering; the next start resumes what is not done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def show(self) -> None:
        """Show in the metrics which batches have not ended. Raises what the database raises."""
        found = await asyncio.to_thread(self._batches.open_by_status)
        now = time.time()
        oldest = min((batches.oldest for batches in found.values()), default=now)
        states = {state: found[status].number for status, state in _STATES.items() if status in found}
        self._metrics.open(states, max(0.0, now - oldest))

    def output_of(self, tenant: str, batch_id: str) -> str:
        """Return the address of the batch's output."""
        return f"{objects_of(tenant, self._settings.audio_output).rstrip('/')}/batches/{batch_id}"

    async def submit(
        self,
        tenant: str,
        batch: Batch,
        act: Act = UNRECORDED,
        allow: Callable[[Plan], None] = _anything,
    ) -> Batch:
        """Accept a batch, after checking all of it; return it, or the one that had its key before.

        `allow` is called in a thread with the plan of a new batch: what it raises refuses the batch.

        Raises:
            PlanError: something is wrong; all faults are listed.
            IdempotencyConflictError: its key was used for another request.
            AuditError: it cannot be recorded.
        """
        batch.tenant = tenant
        try:
            kept = await asyncio.to_thread(self._accept, batch, act, allow)
        except AWAY:
            # It may be stored: the connection can break after that.
            self._queue.put_nowait((tenant, batch.id))
            raise
        note(batch=kept.id)
        if kept.id == batch.id:
            self._causes[batch.id] = traces.carried()
            self._queue.put_nowait((tenant, batch.id))
        return kept

    async def get(self, tenant: str, batch_id: str) -> Batch | None:
        """Return a batch, or None."""
        return await asyncio.to_thread(self._batches.get, tenant, batch_id)

    async def page(self, tenant: str, limit: int, cursor: str | None) -> Page[Batch]:
        """Return batches, newest first. Raises UnknownCursorError."""
        return await asyncio.to_thread(self._batches.list, tenant, limit, cursor)

    def progress(self, batch: Batch) -> Progress | None:
        """Return the progress of a batch that is being rendered."""
        return self._progress.get(batch.id)

    async def cancel(self, batch: Batch, act: Act = UNRECORDED) -> bool:
        """End a batch after the items in progress; its files stay. False: it had ended before."""
        ended = await asyncio.to_thread(self._finish, batch, BatchStatus.CANCELLED, act=act)
        if self._running is not None and self._running[0] == batch.id:
            self._running[1].stop()
        elif ended:
            self._ran(batch, {})
        self._notify(batch.id)
        return ended

    async def retry(self, batch: Batch, act: Act = UNRECORDED) -> bool:
        """Render again what failed, or what was not done when it was cancelled.

        False: it has not ended, has succeeded, or its texts are forgotten.
        """
        try:
            reopened = await asyncio.to_thread(self._batches.reopen, batch.tenant, batch.id, act)
        except AWAY:
            self._queue.put_nowait((batch.tenant, batch.id))  # it may be reopened all the same
            raise
        if not reopened:
            return False
        self._queue.put_nowait((batch.tenant, batch.id))
        self._notify(batch.id)
        return True

    async def delete(self, batch: Batch, act: Act = UNRECORDED) -> bool:
        """Remove an ended batch: its record, texts included, and its files. False: it has not ended.

        Raises:
            LockedError: the last items are still being spoken.
            OutputError, OSError: its files cannot be removed; the batch stays.
            AuditError: it cannot be recorded; the batch stays.
        """

        def remove() -> bool:
            output = self._output(batch)
            with output.lock():
                removed = self._batches.delete_ended(batch.tenant, batch.id, act)
                if removed is None:
                    return False
                try:
                    output.remove_all()
                except OSError:
                    self._batches.restore(removed, act)
                    raise
            return True

        deleted = await asyncio.to_thread(remove)
        if deleted:
            self._notify(batch.id)
        return deleted

    async def items(self, batch: Batch, wanted: Filter, after: int, limit: int) -> list[dict[str, Any]]:
        """Return a page of the batch's items. Raises OSError."""
        return await asyncio.to_thread(lambda: self._items(batch).page(wanted, after, limit))

    async def archive(self, batch: Batch) -> AsyncGenerator[bytes, None] | None:
        """Return a zip of what is done, whose first piece has been read; None if nothing is done.

        Raises:
            OSError: the files cannot be read. Later pieces may raise it too.
            SpoolError: the folder for temporary files cannot be written. Later pieces may raise it too.
        """
        blocks = await asyncio.to_thread(self._archive, batch)
        return None if blocks is None else _in_threads(blocks)

    async def follow(self, tenant: str, batch_id: str) -> AsyncGenerator[Batch, None]:
        """Yield the batch now and after each change, until it has ended."""
        while True:
            changed = self._changed.setdefault(batch_id, asyncio.Event())
            batch = await self.get(tenant, batch_id)
            if batch is None:
                return
            yield batch
            if BatchStatus(batch.status).final:
                self._changed.pop(batch_id, None)
                return
            await changed.wait()

    def _accept(self, batch: Batch, act: Act, allow: Callable[[Plan], None]) -> Batch:
        """Store the batch, unless its request is repeated; if it is not stored, leave no folder. Blocking."""
        before = self._batches.repeated(batch.tenant, batch)  # even if its models have changed since
        if before is not None:
            return before
        kept: Batch | None = None
        try:
            plan, _ = self._checked(batch)
            batch.total = plan.total
            batch.avatars = [voice.label for voice in plan.voices]
            plan.close()
            allow(plan)
            kept = self._batches.add(batch.tenant, batch, act)  # of two at the same time it stores one
            return kept
        finally:
            if kept is not batch:
                _discard(self._output(batch))

    def _checked(self, batch: Batch) -> tuple[Plan, Output]:
        """Return a new batch's plan and output. Raises PlanError, which names no place of the server."""
        try:
            return self._prepare(batch, touch=True)
        except PlanError as error:
            for fault in error.faults:
                if fault.where == "output":
                    log("output cannot be used", batch=batch.id, reason=fault.message)
            told = "the service's output cannot be written; its log says why"
            faults = [Fault(f.where, told) if f.where == "output" else f for f in error.faults]
            raise PlanError(faults) from None

    def _archive(self, batch: Batch) -> Iterator[bytes] | None:
        finished = self._items(batch).finished()
        if (first := next(finished, None)) is None:
            return None
        blocks = archive_blocks(self._output(batch), chain([first], finished))
        return chain([next(blocks)], blocks)

    def _items(self, batch: Batch) -> Items:
        return Items(self._spec(batch), batch.avatars or (), self._output(batch))

    def _prepare(self, batch: Batch, touch: bool) -> tuple[Plan, Output]:
        config_maps = self._settings.state / "config-maps"
        return prepare(
            self._spec(batch),
            self._models(),
            config_maps,
            touch,
            batch.avatars or (),
            private=True,
            find_clone=partial(self._find_clone, batch.tenant),
            commercial=self._settings.commercial,
        )

    def _find_clone(self, tenant: str, voice_id: str) -> CatalogueVoice:
        """Return a cloned voice of a tenant. Blocking. Raises UnknownVoiceError."""
        if self._clones is None:
            return no_clones(voice_id)
        return self._clones.find(tenant, voice_id, self._models())

    def _clips(self, tenant: str) -> GetClips | None:
        """Return what reads the clips of a tenant's cloned voices."""
        return partial(self._clones.clip, tenant) if self._clones else None

    def _spec(self, batch: Batch) -> TTSJobSpec:
        spec = json.loads(batch.job)
        output = self._output(batch)
        return TTSJobSpec.model_validate({**spec, "output": {**spec["output"], "uri": output.url}})

    def _output(self, batch: Batch) -> Output:
        return open_output(self.output_of(batch.tenant, batch.id))

    async def _work(self) -> None:
        while not self._models():  # noqa: ASYNC110 - a gateway that has just started receives them soon
            await asyncio.sleep(_LOOK_AGAIN)
        while True:
            tenant, batch_id = await self._queue.get()
            try:
                with about(tenant=tenant, batch=batch_id):
                    await self._attempt(tenant, batch_id)
            except Exception as error:  # noqa: BLE001 - the others continue; the next start resumes this one
                log("batch left open", tenant=tenant, batch=batch_id, error=error)
            finally:
                self._running = None
                self._progress.pop(batch_id, None)
                self._causes.pop(batch_id, None)
                self._notify(batch_id)

    async def _forget_texts(self) -> None:
        """Forget the texts of ended batches when their time has come."""
        while True:
            forget = partial(
                self._batches.forget_texts, time.time(), self._settings.batch_text_ttl, self._fingerprint
            )
            try:
                if forgotten := await self._recorded(forget):
                    log("batch texts forgotten", batches=forgotten)
            except Exception as error:  # noqa: BLE001 - it is tried again soon
                log("batch texts not forgotten", level=logging.ERROR, error=error)
            await asyncio.sleep(_FORGET_SECONDS)

    async def _attempt(self, tenant: str, batch_id: str) -> None:
        batch = await self._recorded(partial(self._batches.get, tenant, batch_id))
        if batch is None:
            return
        if BatchStatus(batch.status).final:  # another gateway may have cancelled it
            self._ran(batch, {})
            return
        try:
            await self._render(batch)
        except Exception as error:  # noqa: BLE001 - one bad batch must not stop the others
            log("batch crashed", error=error)
            self._ran(batch, {})
            await self._end(batch, BatchStatus.FAILED, f"It crashed: {type(error).__name__}.")

    async def _render(self, batch: Batch) -> None:
        try:
            # Its output could be written when it was accepted: if it is away now, wait for it.
            plan, output = await asyncio.to_thread(self._prepare, batch, touch=False)
        except PlanError as error:  # a model that it needs was removed
            self._ran(batch, {})
            await self._end(batch, BatchStatus.FAILED, str(error))
            return
        try:
            outcome = await self._run(batch, plan, output)
        finally:
            plan.close()
        await self._recorded(partial(self._save, batch, outcome.progress))
        await self._save_size(batch)
        if self._running is not None and self._running[1].stopped:
            return  # it was cancelled or removed, and that is recorded; by now it may be queued again
        await self._end(batch, _STATUSES[outcome.state], outcome.message or None)

    async def _run(self, batch: Batch, plan: Plan, output: Output) -> Outcome:
        spec = self._spec(batch)
        options = Options(
            job=batch.id,
            speaker="service",
            retries=spec.retries,
            parallelism=spec.parallelism,
            utilisation=self._settings.batch_utilisation,
            retry_failed=batch.retry_failed,
            cause=self._causes.get(batch.id, {}),
        )
        saved = 0.0

        def report(progress: Progress) -> None:
            nonlocal saved
            self._progress[batch.id] = progress
            self._notify(batch.id)
            if time.monotonic() - saved >= _SAVE_SECONDS:
                saved = time.monotonic()
                saving.append(asyncio.create_task(self._save_meanwhile(batch, progress)))

        def started(driver: Driver) -> None:
            self._running = (batch.id, driver)

        def wanted() -> Awaitable[bool]:
            running = partial(self._batches.running, started=time.time())
            return self._recorded(partial(running, batch.tenant, batch.id))

        saving: list[asyncio.Task[None]] = []
        try:
            return await run(
                plan,
                output,
                self._models(),
                options,
                report=report,
                started=started,
                wanted=wanted,
                waits=self._waits,
                clips=self._clips(batch.tenant),
            )
        finally:
            await asyncio.gather(*saving)
            self._ran(batch, self._running[1].progress.spoken if self._running else {})

    async def _save_meanwhile(self, batch: Batch, progress: Progress) -> None:
        """Save the progress of a batch, unless the database is away: the next save comes soon."""
        try:
            await asyncio.to_thread(self._save, batch, progress)
        except AWAY as error:
            log("batch progress not saved", error=error)

    async def _save_size(self, batch: Batch) -> None:
        """Save how much audio of a batch is stored; if its output cannot be read, that stays unknown."""

        def save() -> None:
            reports = (MANIFEST, SUMMARY)
            size = sum(size for name, size in self._output(batch).sizes() if name not in reports)
            self._batches.sized(batch.tenant, batch.id, size)

        try:
            await self._recorded(save)
        except OSError as error:
            log("batch size not known", error=error)

    async def _end(self, batch: Batch, status: BatchStatus, message: str | None) -> None:
        await self._recorded(partial(self._finish, batch, status, message))

    def _save(self, batch: Batch, progress: Progress) -> None:
        """Save the counts once they are known; until then those of an earlier run stay."""
        if progress.known:
            self._batches.progress(batch.tenant, batch.id, **progress.counts)

    def _finish(
        self, batch: Batch, status: BatchStatus, message: str | None = None, act: Act = UNRECORDED
    ) -> bool:
        finish = partial(self._batches.finish, finished=time.time(), message=message, act=act)
        ended = finish(batch.tenant, batch.id, status)
        if ended:
            self._metrics.ended(BatchOutcome(status.value))
        return ended

    def _notify(self, batch_id: str) -> None:
        if (changed := self._changed.pop(batch_id, None)) is not None:
            changed.set()


async def _in_threads(blocks: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    while (block := await asyncio.to_thread(next, blocks, None)) is not None:
        yield block


def _discard(output: Output) -> None:
    """Remove the files of a batch that is not accepted; a fault here does not hide why it is not."""
    try:
        output.remove_all()
    except FileNotFoundError:
        return  # it was never made
    except OSError as error:
        log("batch folder left", output=output.url, error=error)
