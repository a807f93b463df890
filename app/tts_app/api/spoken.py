"""Answers that are spoken while they are written, sentence by sentence."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from tts_app.engines.text import Delta, TextRequest
from tts_app.language.split import Sentences
from tts_app.serving.models import SIBLING_FAILED
from tts_app.serving.service import SpeechService
from tts_app.serving.writing import TextService
from tts_app.speech import Chunk, Utterance

_AHEAD = 64
"""Pieces that may wait for a caller who reads slowly; at this many, writing and speaking wait too."""


async def write_and_speak(
    tenant: str,
    writer: TextService,
    speaker: SpeechService,
    model: str,
    request: TextRequest,
    utterance: Utterance,
) -> AsyncGenerator[Delta | Chunk, None]:
    """Yield what `model` writes, and its audio in the voice of `utterance`, each as soon as it is made.

    Writing starts once there is a slot to speak in, so nothing is written for a caller who is refused. If
    nothing that was written can be spoken, there is no audio.

    Raises:
        What TextService.write and SpeechService.speak raise.
    """
    both = _Both(tenant, writer, speaker, model, request, utterance)
    task = asyncio.create_task(both.run())
    try:
        while (item := await both.made.get()) is not None:
            yield item
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Both:
    """The writing and the speaking of one answer."""

    def __init__(
        self,
        tenant: str,
        writer: TextService,
        speaker: SpeechService,
        model: str,
        request: TextRequest,
        utterance: Utterance,
    ) -> None:
        self.made: asyncio.Queue[Delta | Chunk | None] = asyncio.Queue(_AHEAD)
        """What was made, in order; None at the end, also after a failure."""
        self._tenant = tenant
        self._writer = writer
        self._speaker = speaker
        self._model = model
        self._request = request
        self._utterance = utterance
        self._sentences: asyncio.Queue[str | None] = asyncio.Queue()
        self._admitted = asyncio.Event()

    async def run(self) -> None:
        """Write and speak; if one fails, the other is cancelled."""
        tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._speak())]
        why: str | None = None
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            await self.made.put(None)
        except BaseException as error:
            why = SIBLING_FAILED if isinstance(error, Exception) else None
            if self.made.full():
                self.made.get_nowait()  # the reader may have left, and then nothing else makes room
            self.made.put_nowait(None)
            raise
        finally:
            for task in tasks:
                task.cancel(why)
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self) -> None:
        await self._admitted.wait()
        sentences = Sentences()
        async with aclosing(self._writer.write(self._tenant, self._model, self._request)) as deltas:
            async for delta in deltas:
                for sentence in sentences.push(delta.text):
                    self._sentences.put_nowait(sentence)
                await self.made.put(delta)
        for sentence in sentences.end():
            self._sentences.put_nowait(sentence)
        self._sentences.put_nowait(None)

    async def _texts(self) -> AsyncGenerator[str, None]:
        self._admitted.set()
        while (sentence := await self._sentences.get()) is not None:
            yield sentence

    async def _speak(self) -> None:
        async with aclosing(self._speaker.speak(self._tenant, self._utterance, self._texts())) as chunks:
            async for chunk in chunks:
                await self.made.put(chunk)
