"""Records one request for speech in the metrics."""

import time
from collections.abc import AsyncIterator

from tts_app.speech import Chunk, Utterance
from tts_app.telemetry.listener import Listener
from tts_app.telemetry.metrics.labels import Priority
from tts_app.telemetry.metrics.speech import SpeechMetrics, metered_voice


class SpeechRecord:
    """Is told how far a request is.

    While its caller takes nothing, its clock stands still: who plays no faster than the audio lasts, or makes
    a pause, is not our delay.
    """

    def __init__(self, metrics: SpeechMetrics, utterance: Utterance, priority: Priority) -> None:
        self._metrics = metrics
        self._model = utterance.voice.model
        self._voice = metered_voice(utterance.voice)
        self._characters = len(utterance.text)
        self._priority = priority
        self._began = self._admitted = time.monotonic()
        self._audio = 0.0
        self._first = True
        self._made = 0.0
        """When the last piece was ready."""
        self._held_up = 0.0
        """Seconds in which the caller took nothing."""
        self._listener = Listener()

    def admitted(self) -> None:
        """The request has a slot from now on."""
        self._admitted = time.monotonic()

    async def counted(self, texts: AsyncIterator[str]) -> AsyncIterator[str]:
        """Pass on texts that are spoken in place of the utterance's, and count their characters."""
        async for text in texts:
            self._characters += len(text)
            yield text

    def made(self, chunk: Chunk) -> None:
        """A piece is ready for the caller."""
        self._made = time.monotonic()
        if self._first:
            self._first = False
            self._metrics.first_audio(self._model, self._priority, self._made - self._began)
        self._listener.take(self._made - self._held_up, chunk.seconds)
        self._audio += chunk.seconds
        self._metrics.audio(self._model, self._voice, chunk.seconds)

    def taken(self) -> None:
        """The caller wants the next piece."""
        self._held_up += time.monotonic() - self._made

    def finished(self) -> None:
        """All of it was made, and taken."""
        now = time.monotonic()
        self._metrics.characters(self._model, self._voice, self._characters)
        self._metrics.finished(
            self._model,
            self._priority,
            request=now - self._began,
            making=now - self._admitted - self._held_up,
            audio=self._audio,
            silence=self._listener.silence,
        )
