"""Speaks a text into a file, without a server."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tts_app.audio.encode import completed
from tts_app.catalogue import CatalogueVoice
from tts_app.engines.loading import load_model
from tts_app.files import whole_file
from tts_app.language.markup import MarkupError
from tts_app.language.markup.warnings import CODES
from tts_app.resources import VoiceModel
from tts_app.sources import Progress
from tts_app.sources.base import no_progress
from tts_app.speech import Chunk, SpeechOptions, TextError, Utterance, speak, warnings_of


async def say(
    model: VoiceModel,
    voice: CatalogueVoice,
    text: str,
    output: Path | None,
    options: SpeechOptions,
    progress: Progress = no_progress,
) -> float:
    """Speak `text` into the file `output`, or to standard output; return the seconds of audio.

    The file appears whole or not at all. What is not spoken as the text asks is told on standard error.

    Raises:
        SourceError, EngineError: the model cannot be fetched or loaded.
        TextError: the text holds nothing that can be spoken.
        OSError: the file cannot be written.
    """
    utterance = Utterance(text, voice, options)
    try:
        codes = warnings_of(utterance)
    except MarkupError as error:
        raise TextError(str(error)) from None
    for code in codes:
        sys.stderr.write(f"{code}: {CODES[code]}\n")
    pool = load_model(model, progress)
    try:
        chunks = speak(utterance, pool.capabilities, pool.synthesise)
        if output is None:
            return await _to_stdout(chunks)
        return await _to_file(chunks, output, options.format)
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
