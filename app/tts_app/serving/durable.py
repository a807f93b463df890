"""Durable speeches: accepted into the database, made by a few workers, taken up again after a restart."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from tts_app.audio.formats import FORMATS
from tts_app.catalogue import UnknownVoiceError
from tts_app.engines.base import EngineError
from tts_app.serving.admission import OverloadedError
from tts_app.serving.client import ModelUnavailableError
from tts_app.serving.service import SpeechService, UnknownModelError
from tts_app.speech import TextError, Utterance
from tts_app.storage.audio import AudioFile, AudioStore
from tts_app.storage.speeches import Speech, Speeches, Status
from tts_app.telemetry.logs import log

_ATTEMPTS = 3
_BUSY_RETRY = 30
"""Seconds of Retry-After when too many durable speeches are unfinished."""


@dataclass(slots=True)
class Progress:
    """How far a speech that is being made has come."""

    seconds: float = 0.0
    bytes: int = 0


class DurableSpeeches:
    """Accepts, makes, follows and removes durable speeches. For one event loop."""

    def __init__(
        self, service: SpeechService, speeches: Speeches, store: AudioStore, *, workers: int, limit: int
    ) -> None:
        self._service = service
        self._speeches = speeches
        self._store = store
        self._workers = workers
        self._limit = limit
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._making: dict[str, asyncio.Task[None]] = {}
        self._progress: dict[str, Progress] = {}
        self._changed: dict[str, asyncio.Event] = {}

    async def start(self) -> None:
        """Take up what an earlier run left unfinished, and start the workers."""
        for speech_id in await asyncio.to_thread(self._speeches.unfinished):
            self._queue.put_nowait(speech_id)
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]

    async def stop(self) -> None:
        """Stop the workers; what they were making stays unfinished, for the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def submit(self, speech: Speech) -> None:
        """Accept a speech.

        Raises:
            OverloadedError: too many are unfinished.
        """
        if await asyncio.to_thread(self._speeches.count_unfinished) >= self._limit:
            raise OverloadedError("Too many durable speeches are unfinished.", _BUSY_RETRY)
        await asyncio.to_thread(self._speeches.add, speech)
        self._queue.put_nowait(speech.id)

    async def get(self, speech_id: str) -> Speech | None:
        """Return a speech, or None."""
        return await asyncio.to_thread(self._speeches.get, speech_id)

    def progress(self, speech_id: str) -> Progress | None:
        """Return how far a speech that is being made has come."""
        return self._progress.get(speech_id)

    async def wait(self, speech_id: str, within: float) -> Speech | None:
        """Return the speech when it is final, or as it is after `within` seconds; None if it was deleted."""
        last: Speech | None = None
        try:
            async with asyncio.timeout(within), aclosing(self.follow(speech_id)) as states:
                async for speech in states:
                    last = speech
        except TimeoutError:
            last = await self.get(speech_id)
        return last

    async def follow(self, speech_id: str) -> AsyncGenerator[Speech, None]:
        """Yield the speech now and after each change, until it is final or deleted."""
        while True:
            # Taken before the state is read, so that no change falls between the two.
            changed = self._changed.setdefault(speech_id, asyncio.Event())
            speech = await self.get(speech_id)
            if speech is None:
                self._changed.pop(speech_id, None)
                return
            yield speech
            if Status(speech.status).final:
                self._changed.pop(speech_id, None)
                return
            await changed.wait()

    async def delete(self, speech_id: str) -> bool:
        """Remove a speech and its file, stopping its making. False: there is none."""
        speech = await asyncio.to_thread(self._speeches.delete, speech_id)
        if speech is None:
            return False
        if (task := self._making.get(speech_id)) is not None:
            task.cancel()
            await asyncio.wait([task])
        await asyncio.to_thread(self._store.delete, file_name(speech))
        self._notify(speech_id)
        return True

    async def _work(self) -> None:
        while True:
            speech_id = await self._queue.get()
            task = asyncio.create_task(self._make(speech_id))
            self._making[speech_id] = task
            try:
                await asyncio.wait([task])
            finally:
                task.cancel()
                del self._making[speech_id]
                self._progress.pop(speech_id, None)
                self._notify(speech_id)
            if not task.cancelled() and (error := task.exception()) is not None:
                log("durable speech crashed", speech=speech_id, error=error)

    async def _make(self, speech_id: str) -> None:
        """Make one speech, trying again where the model's replica was lost; record how it ended."""
        speech = await self.get(speech_id)
        if speech is None or Status(speech.status).final or speech.text is None:
            return
        await asyncio.to_thread(self._speeches.running, speech_id)
        self._notify(speech_id)
        try:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    await self._render(speech, speech.text)
                    return
                except ModelUnavailableError:
                    if attempt == _ATTEMPTS:
                        raise
        except (TextError, EngineError, UnknownVoiceError, UnknownModelError, ModelUnavailableError) as error:
            await self._fail(speech_id, str(error), error)
        except Exception as error:  # noqa: BLE001 - one bad speech must not stop the worker
            await self._fail(speech_id, "The speech could not be made.", error)

    async def _render(self, speech: Speech, text: str) -> None:
        """Speak into a file; the file first, then its record."""
        voice = self._service.voice(speech.model, speech.voice)
        utterance = Utterance(text, voice, speech.format, speech.speed)
        progress = self._progress[speech.id] = Progress()
        file = await asyncio.to_thread(self._store.write, file_name(speech))
        with file:
            async with aclosing(self._service.speak_in_background(utterance)) as chunks:
                async for chunk in chunks:
                    await asyncio.to_thread(file.push, chunk.data)
                    progress.seconds += chunk.seconds
                    progress.bytes = file.size
                    self._notify(speech.id)
            await asyncio.to_thread(file.commit)
        await self._finish(speech, file, progress.seconds)

    async def _finish(self, speech: Speech, file: AudioFile, seconds: float) -> None:
        kept = await asyncio.to_thread(
            self._speeches.done,
            speech.id,
            finished=time.time(),
            seconds=round(seconds, 3),
            size=file.size,
            sha256=file.sha256,
        )
        if not kept:
            await asyncio.to_thread(self._store.delete, file_name(speech))
        log(
            "durable speech done",
            speech=speech.id,
            voice=speech.voice,
            seconds=round(seconds, 2),
            bytes=file.size,
        )

    async def _fail(self, speech_id: str, reason: str, error: Exception) -> None:
        log("durable speech failed", speech=speech_id, error=error)
        await asyncio.to_thread(self._speeches.failed, speech_id, finished=time.time(), error=reason)

    def _notify(self, speech_id: str) -> None:
        if (changed := self._changed.pop(speech_id, None)) is not None:
            changed.set()


def file_name(speech: Speech) -> str:
    """Return the name of a speech's file."""
    return f"{speech.id}_{speech.voice}.{FORMATS[speech.format].extension}"
