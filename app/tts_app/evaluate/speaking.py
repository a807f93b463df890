"""Speaks sentences through the real pipeline, in this process: what the service does, without the server."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np

from tts_app.audio.decode import decode
from tts_app.audio.samples import Audio
from tts_app.catalogue import CatalogueVoice
from tts_app.engines.base import Segment
from tts_app.engines.loading import load_model
from tts_app.engines.pool import EnginePool
from tts_app.resources import VoiceModel
from tts_app.speech import SpeechOptions, Synthesise, Utterance, speak


@dataclass(frozen=True, slots=True)
class Spoken:
    """One utterance, as it leaves the service and, where that is known, as it left the engine."""

    file: Audio
    """What a caller hears: the decoded file, shape (n,)."""
    file_rate: int
    lossless: Audio
    """The same utterance without a lossy codec, shape (n,)."""
    lossless_rate: int
    raw: Audio | None
    """What the engine gave, its segments one after the other, before any levelling; None: not known."""
    raw_rate: int
    segments: int | None


class Speaks(Protocol):
    """Speaks a text with a voice. Thread-safe."""

    def speak(self, voice: CatalogueVoice, text: str) -> Spoken:
        """Return the utterance."""
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...


class Speaker:
    """The engines of a set of models, loaded when they are first asked for. Thread-safe."""

    def __init__(self, models: Sequence[VoiceModel]) -> None:
        self._models = {model.name: model for model in models}
        self._pools: dict[str, EnginePool] = {}
        self._lock = Lock()

    def speak(self, voice: CatalogueVoice, text: str) -> Spoken:
        """Speak `text` with `voice`, once by the engine and twice by the rest of the pipeline.

        Raises:
            SourceError, EngineError: the model cannot be fetched or loaded, or cannot speak this.
            TextError: the text holds nothing that can be spoken.
        """
        return asyncio.run(self._speak(voice, text))

    def close(self) -> None:
        """Release the engines."""
        for pool in self._pools.values():
            pool.close()

    async def _speak(self, voice: CatalogueVoice, text: str) -> Spoken:
        pool = self._pool(voice.model)
        raw: list[Audio] = []

        async def record(segment: Segment) -> Audio:
            raw.append(await pool.synthesise(segment))
            return raw[-1]

        async def replay(segment: Segment) -> Audio:
            return next(again)

        mp3 = await self._file(Utterance(text, voice), pool, record)
        again = iter(raw)
        wav = await self._file(Utterance(text, voice, SpeechOptions("wav")), pool, replay)
        decoded, rate = decode(mp3)
        lossless, lossless_rate = decode(wav)
        return Spoken(
            file=decoded,
            file_rate=rate,
            lossless=lossless,
            lossless_rate=lossless_rate,
            raw=np.concatenate(raw),
            raw_rate=pool.capabilities.sample_rate,
            segments=len(raw),
        )

    async def _file(self, utterance: Utterance, pool: EnginePool, synthesise: Synthesise) -> bytes:
        # One segment at a time: the order in which segments are recorded is then the order of the text.
        chunks = speak(utterance, pool.capabilities, synthesise)
        return b"".join([chunk.data async for chunk in chunks])

    def _pool(self, name: str) -> EnginePool:
        with self._lock:
            if name not in self._pools:
                self._pools[name] = load_model(self._models[name])
            return self._pools[name]
