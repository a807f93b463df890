"""Loads the model of a resource in this process: its files, then its engine."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tts_app.audio.samples import Audio
from tts_app.cloning.references import clips_of
from tts_app.engines.base import Clip, Segment, SpeechEngine
from tts_app.engines.pool import EnginePool
from tts_app.engines.registry import speech_engine, text_engine
from tts_app.engines.text import TextEngine
from tts_app.engines.watch import UNWATCHED, EngineWatch
from tts_app.resources import TextModel, VoiceModel
from tts_app.sources import Progress, fetch
from tts_app.sources.base import no_progress


def fetch_model(model: VoiceModel | TextModel, progress: Progress = no_progress) -> Path:
    """Return the folder or file of the model's files, fetched first if the cache lacks them.

    Raises:
        SourceError: the files are not available.
        EngineError: this installation has no such engine.
    """
    spec = model.spec
    engine = text_engine(spec.engine) if isinstance(model, TextModel) else speech_engine(spec.engine)
    return fetch(spec.source, engine.hub_patterns(spec.quantization), progress)


def load_model(
    model: VoiceModel,
    progress: Progress = no_progress,
    callers: int | None = None,
    watch: Callable[[], EngineWatch] = lambda: UNWATCHED,
) -> EnginePool:
    """Return the model's engine for `callers` at a time, after loading it and checking every voice.

    `watch` is called once it is loaded, and returns what watches its calls.

    Raises:
        SourceError: the files are not available.
        EngineError: the model cannot be loaded, has no such speaker, or a clip cannot be used.
    """
    spec = model.spec
    folder = fetch_model(model, progress)
    engine = speech_engine(spec.engine).load(folder, spec.quantization, spec.loaded_parameters)
    for voice in spec.voices:
        if speaker := voice.speaker or voice.description:
            engine.check_speaker(speaker)
    references = [voice.reference for voice in spec.voices if voice.reference is not None]
    if references:
        return _PoolWithClips(engine, clips_of(references), callers, watch())
    return EnginePool(engine, callers, watch())


class _PoolWithClips(EnginePool):
    """A pool that gives segments the clips of the model's own voices."""

    def __init__(
        self, engine: SpeechEngine, clips: dict[str, Clip], callers: int | None, watch: EngineWatch
    ) -> None:
        super().__init__(engine, callers, watch)
        self._clips = clips

    async def synthesise(self, segment: Segment, background: bool = False) -> Audio:
        """Speak a segment, as `EnginePool` does."""
        if segment.clip is not None:
            segment = replace(segment, clip=self._clips[segment.clip.digest])
        return await super().synthesise(segment, background)


def load_text_model(model: TextModel, progress: Progress = no_progress) -> TextEngine:
    """Load the model's engine for as many answers at a time as its replicas should write, and return it.

    Raises:
        SourceError: the files are not available.
        EngineError: the model cannot be loaded.
    """
    spec = model.spec
    folder = fetch_model(model, progress)
    slots = max(1, math.ceil(spec.replicas.target_ongoing_requests))
    engine = text_engine(spec.engine)
    return engine.load(folder, spec.quantization, spec.context_length, slots, spec.parameters)
