"""Loads the model of a resource in this process: its files, then its engine."""

import math
from pathlib import Path

from tts_app.engines.pool import EnginePool
from tts_app.engines.registry import speech_engine, text_engine
from tts_app.engines.text import TextEngine
from tts_app.resources import TextModel, VoiceModel
from tts_app.sources import Progress, fetch
from tts_app.sources.base import no_progress


def fetch_model(model: VoiceModel | TextModel, progress: Progress = no_progress) -> Path:
    """Return the folder or file of the model's files, fetched into the cache where it lacks them.

    Raises:
        SourceError: they cannot be had.
        EngineError: there is no such engine here.
    """
    spec = model.spec
    engine = text_engine(spec.engine) if isinstance(model, TextModel) else speech_engine(spec.engine)
    return fetch(spec.source, engine.hub_patterns(spec.quantization), progress)


def load_model(model: VoiceModel, progress: Progress = no_progress, callers: int | None = None) -> EnginePool:
    """Return the model's engine for `callers` at a time, loaded and with every speaker checked.

    Raises:
        SourceError: the files cannot be had.
        EngineError: the model cannot be loaded, or has no such speaker.
    """
    spec = model.spec
    folder = fetch_model(model, progress)
    engine = speech_engine(spec.engine).load(folder, spec.quantization, spec.parameters)
    for voice in spec.voices:
        if voice.speaker:
            engine.check_speaker(voice.speaker)
    return EnginePool(engine, callers)


def load_text_model(model: TextModel, progress: Progress = no_progress) -> TextEngine:
    """Return the model's engine, loaded, for as many answers at a time as a replica of it is meant to write.

    Raises:
        SourceError: the files cannot be had.
        EngineError: the model cannot be loaded.
    """
    spec = model.spec
    folder = fetch_model(model, progress)
    slots = max(1, math.ceil(spec.replicas.target_ongoing_requests))
    engine = text_engine(spec.engine)
    return engine.load(folder, spec.quantization, spec.context_length, slots, spec.parameters)
