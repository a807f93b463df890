"""Speech and text without a server: a model's files, its engine and the pipeline in this process."""

import math
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tts_app.audio.encode import completed
from tts_app.catalogue import CatalogueVoice
from tts_app.engines.pool import EnginePool
from tts_app.engines.registry import speech_engine, text_engine
from tts_app.engines.text import TextEngine
from tts_app.resources import TextModel, VoiceModel
from tts_app.sources import Progress, fetch
from tts_app.sources.base import no_progress
from tts_app.speech import Chunk, SpeechOptions, Utterance, speak


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


async def say(
    model: VoiceModel,
    voice: CatalogueVoice,
    text: str,
    output: Path | None,
    format: str,  # noqa: A002 - the API's word
    speed: float,
    progress: Progress = no_progress,
) -> float:
    """Speak `text` into the file `output`, or to standard output; return the seconds of audio.

    The file appears whole or not at all.

    Raises:
        SourceError, EngineError: the model cannot be had or loaded.
        TextError: the text holds nothing that can be spoken.
        OSError: the file cannot be written.
    """
    pool = load_model(model, progress)
    try:
        chunks = speak(
            Utterance(text, voice, SpeechOptions(format, speed)), pool.capabilities, pool.synthesise
        )
        if output is None:
            return await _to_stdout(chunks)
        return await _to_file(chunks, output, format)
    finally:
        pool.close()


async def _to_stdout(chunks: AsyncIterator[Chunk]) -> float:
    seconds = 0.0
    async for chunk in chunks:
        sys.stdout.buffer.write(chunk.data)
        sys.stdout.buffer.flush()
        seconds += chunk.seconds
    return seconds


async def _to_file(chunks: AsyncIterator[Chunk], output: Path, format: str) -> float:  # noqa: A002
    spoken = [chunk async for chunk in chunks]
    with whole_file(output) as file:
        file.write(completed(b"".join(chunk.data for chunk in spoken), format))
    return sum(chunk.seconds for chunk in spoken)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears at `path` when the block ends well, and not at all when it raises."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        # mkstemp makes files that only their owner reads; the finished one is as any other new file.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
