"""Durable speeches: accepted into the database, made by a few workers, resumed after a restart."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, fields
from functools import partial
from typing import IO, NamedTuple

from tts_app.audio.encode import completed_start
from tts_app.audio.formats import FORMATS
from tts_app.backoff import Backoff
from tts_app.catalogue import UnknownVoiceError
from tts_app.engines.base import EngineError
from tts_app.fair_queue import NO_WEIGHTS, FairAsyncQueue, may_add
from tts_app.serving.admission import OverloadedError
from tts_app.serving.client import ModelUnavailableError
from tts_app.serving.service import SpeechService, UnknownModelError
from tts_app.speech import SpeechOptions, TextError, Utterance
from tts_app.storage.acts import UNRECORDED, Act
from tts_app.storage.audio import FRAME, AudioFile, AudioStore
from tts_app.storage.database import AWAY, RETRY, recorded
from tts_app.storage.pages import Page
from tts_app.storage.speeches import Speech, Speeches, Status, Wanted
from tts_app.telemetry import traces
from tts_app.telemetry.about import Carried, about, carried
from tts_app.telemetry.logs import log

_LOOK_AGAIN = 0.2
_MODEL_RETRY = Backoff(1.0, 120.0)
"""Delays before a speech is retried whose model does not answer, but may be starting."""
_MODEL_RETRIES = 11
"""Most retries of such a speech; they take ten minutes."""
_BUSY_RETRY = 30
"""Seconds of Retry-After when too many durable speeches are unfinished."""


class _Wanted(NamedTuple):
    """A speech to be made."""

    id: str
    work: Carried
    """What asked for it, for the log; empty where that was before a restart."""
    trace: traces.Carrier
    """That of the request; empty as well."""
    tries: int = 0
    """How often its model did not answer."""


@dataclass(slots=True)
class Progress:
    """How far a speech that is being made has come."""

    seconds: float = 0.0
    bytes: int = 0
    file: AudioFile | None = None
    ended: bool = False
    whole: bool = False
    """Whether it ended because all of it was made."""


class BrokenOffError(Exception):
    """A speech whose audio somebody follows was given up, or its making has failed."""


Ended = Callable[[Speech, float, bool], None]
"""Is told of a speech that is done, failed or deleted: how many seconds were made, whether that is all."""


def _nobody(_speech: Speech, _seconds: float, _whole: bool) -> None:
    """Nobody wants to know."""


class DurableSpeeches:
    """Accepts, makes, follows and removes durable speeches. For one event loop.

    Tenants take turns at being served, and none can take all of `limit`.

    Several gateways may share a database and a store for a while, as in an upgrade. Each that starts resumes
    everything unfinished, so a speech may be made twice. The first to end it decides, even if it failed
    there; the other's work is dropped.
    """

    def __init__(
        self,
        service: SpeechService,
        speeches: Speeches,
        store: AudioStore,
        *,
        workers: int,
        limit: int,
        weights: Mapping[str, int] = NO_WEIGHTS,
        ended: Ended = _nobody,
        model_retry: Backoff = _MODEL_RETRY,
        database_retry: Backoff = RETRY,
    ) -> None:
        self._service = service
        self._speeches = speeches
        self._store = store
        self._workers = workers
        self._limit = limit
        self._weights = weights
        self._ended = ended
        self._model_retry = model_retry
        self._recorded = partial(recorded, backoff=database_retry)
        self._queue: FairAsyncQueue[_Wanted] = FairAsyncQueue(weights)
        self._tasks: list[asyncio.Task[None]] = []
        self._making: dict[str, asyncio.Task[None]] = {}
        self._progress: dict[str, Progress] = {}
        self._changed: dict[str, asyncio.Event] = {}

    async def start(self) -> None:
        """Queue what an earlier run left unfinished, and start the workers."""
        for tenant, speech_id in await asyncio.to_thread(self._speeches.unfinished):
            self._queue.put_nowait((tenant, _Wanted(speech_id, {}, {})))
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]

    async def stop(self) -> None:
        """Stop the workers; what they were making stays unfinished, for the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def submit(self, tenant: str, speech: Speech, act: Act = UNRECORDED) -> Speech:
        """Accept a speech; return it, or the one that a request at the same time made with its key.

        Raises:
            IdempotencyConflictError: its key was used for another request.
            OverloadedError: too many are unfinished, and the tenant has its share of them.
            AuditError: it cannot be recorded.
        """
        unfinished = await asyncio.to_thread(self._speeches.count_unfinished)
        if not may_add(unfinished, tenant, self._limit, self._weights):
            self._service.background_refused(speech.model)
            raise OverloadedError("Too many durable speeches are unfinished.", _BUSY_RETRY)
        wanted = _Wanted(speech.id, carried(), traces.carried())
        try:
            kept = await asyncio.to_thread(self._speeches.add, tenant, speech, act)
        except AWAY:
            # It may be stored: the connection can break after that.
            self._queue.put_nowait((tenant, wanted))
            raise
        if kept.id == speech.id:
            self._queue.put_nowait((tenant, wanted))
        return kept

    async def repeated(self, tenant: str, speech: Speech) -> Speech | None:
        """Return the speech that the same request made before, or None. Raises IdempotencyConflictError."""
        return await asyncio.to_thread(self._speeches.repeated, tenant, speech)

    async def page(self, tenant: str, wanted: Wanted, limit: int, cursor: str | None) -> Page[Speech]:
        """Return the speeches that are wanted, newest first. Raises UnknownCursorError."""
        return await asyncio.to_thread(self._speeches.list, tenant, wanted, limit, cursor)

    async def get(self, tenant: str, speech_id: str) -> Speech | None:
        """Return a speech, or None."""
        return await asyncio.to_thread(self._speeches.get, tenant, speech_id)

    def progress(self, speech: Speech) -> Progress | None:
        """Return how far a speech that is being made has come."""
        return self._progress.get(speech.id)

    async def wait(self, tenant: str, speech_id: str, within: float) -> Speech | None:
        """Return the speech when it is final, or as it is after `within` seconds; None if it was deleted."""
        last: Speech | None = None
        try:
            async with asyncio.timeout(within), aclosing(self.follow(tenant, speech_id)) as states:
                async for speech in states:
                    last = speech
        except TimeoutError:
            last = await self.get(tenant, speech_id)
        return last

    async def follow(self, tenant: str, speech_id: str) -> AsyncGenerator[Speech, None]:
        """Yield the speech now and after each change, until it is final or deleted."""
        while True:
            # Taken before the state is read, so that no change falls between the two.
            changed = self._changed.setdefault(speech_id, asyncio.Event())
            speech = await self.get(tenant, speech_id)
            if speech is None:
                self._changed.pop(speech_id, None)
                return
            yield speech
            if Status(speech.status).final:
                self._changed.pop(speech_id, None)
                return
            await changed.wait()

    def follow_audio(self, speech: Speech) -> AsyncGenerator[bytes, None] | None:
        """Return what yields the file of a speech while it is made; None: that cannot be followed.

        It can once this gateway has made some of the speech, in a format whose first bytes do not say how
        long it is, into a folder.

        Raises (the generator):
            BrokenOffError: it will not be made to its end, or not now.
        """
        progress = self._progress.get(speech.id)
        if progress is None or progress.file is None or not progress.bytes:
            return None
        if FORMATS[speech.format].says_length:
            return None
        reader = progress.file.reader()
        return None if reader is None else self._grown(speech.id, progress, reader)

    async def _grown(
        self, speech_id: str, progress: Progress, reader: IO[bytes]
    ) -> AsyncGenerator[bytes, None]:
        with reader:
            while True:
                # Taken before the file is read, so that no piece falls between the two.
                ended = progress.ended
                changed = None if ended else self._changed.setdefault(speech_id, asyncio.Event())
                if data := await asyncio.to_thread(reader.read, FRAME):
                    yield data
                elif changed is not None:
                    await changed.wait()
                elif progress.whole:
                    return
                else:
                    raise BrokenOffError(f"the speech {speech_id} was not made to its end")

    async def delete(self, tenant: str, speech_id: str, act: Act = UNRECORDED) -> bool:
        """Remove a speech and its file, stopping its making. False: there is none.

        Raises:
            AuditError: it cannot be recorded.
        """
        speech = await asyncio.to_thread(self._speeches.delete, tenant, speech_id, act)
        if speech is None:
            return False
        made = self._progress.get(speech_id, Progress())
        if (task := self._making.get(speech_id)) is not None:
            task.cancel()
            await asyncio.wait([task])
        if not Status(speech.status).final:
            self._service.background_abandoned(speech.model)
            self._ended(speech, made.seconds, False)
        await asyncio.to_thread(self._store.delete, speech.tenant, file_name(speech))
        self._notify(speech_id)
        return True

    async def _work(self) -> None:
        while not self._service.models:  # noqa: ASYNC110 - a gateway that has just started receives them soon
            await asyncio.sleep(_LOOK_AGAIN)
        while True:
            tenant, wanted = await self._queue.get()
            speech_id = wanted.id
            with about(wanted.work, tenant=tenant, speech=speech_id):
                task = asyncio.create_task(self._make(tenant, wanted))
            self._making[speech_id] = task
            try:
                await asyncio.wait([task])
            finally:
                task.cancel()
                del self._making[speech_id]
                if (progress := self._progress.pop(speech_id, None)) is not None:
                    progress.ended = True
                self._notify(speech_id)
            if not task.cancelled() and (error := task.exception()) is not None:
                log("durable speech crashed", speech=speech_id, error=error)

    async def _make(self, tenant: str, wanted: _Wanted) -> None:
        """Make one speech and record how it ended; if its model does not answer, queue it again for later."""
        speech_id = wanted.id
        speech = await self._recorded(partial(self._speeches.get, tenant, speech_id))
        if speech is None or speech.text is None:
            return
        if not await self._recorded(partial(self._speeches.running, tenant, speech_id)):
            return
        self._notify(speech_id)
        try:
            attributes: traces.Attributes = {"ttsp.speech": speech_id, "ttsp.tries": wanted.tries}
            with traces.entry("durable speech", wanted.trace, attributes):
                await self._render(speech, speech.text)
        except ModelUnavailableError as error:
            if wanted.tries < _MODEL_RETRIES:
                self._make_later(speech, wanted, error)
            else:
                await self._fail(speech, str(error), error)
        except (TextError, EngineError, UnknownVoiceError, UnknownModelError) as error:
            await self._fail(speech, str(error), error)
        except Exception as error:  # noqa: BLE001 - one bad speech must not stop the worker
            await self._fail(speech, "The speech could not be made.", error)

    def _make_later(self, speech: Speech, wanted: _Wanted, error: ModelUnavailableError) -> None:
        """Queue a speech again after a pause, during which the workers make speeches of other models."""
        tries = wanted.tries + 1
        pause = self._model_retry.after(tries)
        log("durable speech waits for its model", speech=speech.id, seconds=pause, error=error)
        again = (speech.tenant, wanted._replace(tries=tries))
        asyncio.get_running_loop().call_later(pause, self._queue.put_nowait, again)

    async def _render(self, speech: Speech, text: str) -> None:
        """Speak into a file; publish it and record it."""
        voice = await self._service.voice(speech.tenant, speech.model, speech.voice)
        utterance = Utterance(text, voice, _options_of(speech))
        progress = self._progress[speech.id] = Progress()
        starting = asyncio.create_task(asyncio.to_thread(self._store.write, speech.tenant, file_name(speech)))
        try:
            file = await asyncio.shield(starting)
        except asyncio.CancelledError:
            with await starting:  # a thread cannot be stopped: remove the file that it makes
                raise
        progress.file = file
        with file:
            async with aclosing(self._service.speak_in_background(speech.tenant, utterance)) as chunks:
                async for chunk in chunks:
                    await asyncio.to_thread(file.push, chunk.data)
                    progress.seconds += chunk.seconds
                    progress.bytes = file.size
                    self._notify(speech.id)
            if FORMATS[speech.format].says_length:
                start_of = partial(completed_start, format=speech.format)
                await asyncio.to_thread(file.correct_start, start_of)
                progress.bytes = file.size
            await asyncio.to_thread(file.finish)
            progress.whole = True
            await self._finish(speech, file, progress.seconds)

    async def _finish(self, speech: Speech, file: AudioFile, seconds: float) -> None:
        kept = await self._recorded(
            partial(
                self._speeches.done,
                speech.tenant,
                speech.id,
                finished=time.time(),
                seconds=round(seconds, 3),
                size=file.size,
                sha256=file.sha256,
                frames=file.frames,
                publish=file.publish,
            )
        )
        if kept:
            self._ended(speech, seconds, True)
        if not kept and await self._recorded(partial(self._speeches.get, speech.tenant, speech.id)) is None:
            await asyncio.to_thread(self._store.delete, speech.tenant, file_name(speech))
        else:
            await asyncio.to_thread(self._store.delete_unfinished, speech.tenant, file_name(speech))
        log(
            "durable speech done",
            speech=speech.id,
            voice=speech.voice,
            seconds=round(seconds, 2),
            bytes=file.size,
        )

    async def _fail(self, speech: Speech, reason: str, error: Exception) -> None:
        log("durable speech failed", speech=speech.id, error=error)
        end = partial(self._speeches.failed, finished=time.time(), error=reason)
        if await self._recorded(partial(end, speech.tenant, speech.id)):
            self._service.background_failed(speech.model, error)
            self._ended(speech, self._progress.get(speech.id, Progress()).seconds, False)
        await asyncio.to_thread(self._store.delete_unfinished, speech.tenant, file_name(speech))

    def _notify(self, speech_id: str) -> None:
        if (changed := self._changed.pop(speech_id, None)) is not None:
            changed.set()


def _options_of(speech: Speech) -> SpeechOptions:
    """Return how the speech is to be spoken."""
    if speech.options is None:  # an earlier version stored it
        return SpeechOptions(speech.format, speech.speed)
    known = {option.name for option in fields(SpeechOptions)}  # a later version may have stored more
    return SpeechOptions(**{name: value for name, value in speech.options.items() if name in known})


def file_name(speech: Speech) -> str:
    """Return the name of a speech's file."""
    # A mix of speakers has a `*`, which object stores take for a pattern.
    voice = re.sub(r"[^\w.-]", "_", speech.voice)
    return f"{speech.id}_{voice}.{FORMATS[speech.format].extension}"
