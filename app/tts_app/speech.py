"""The pipeline: utterance -> segments -> engine -> stitch -> level -> encode, as one async generator.

The first clause is spoken and sent while the rest is still being planned and spoken. This decides the time to
first audio far more than the speed of the model does.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import regex

from tts_app.audio.encode import Encoder, encode
from tts_app.audio.loudness import Leveller
from tts_app.audio.samples import Audio
from tts_app.audio.stitch import Stitcher
from tts_app.audio.tags import speech_tags
from tts_app.audio.tempo import Tempo
from tts_app.catalogue import CatalogueVoice
from tts_app.cloning.clips import named_clip
from tts_app.engines.base import Capabilities, Segment
from tts_app.language import front_end
from tts_app.language.base import TIE
from tts_app.language.split import sentences, split
from tts_app.telemetry import traces

VERSION = 1
"""Version of the pipeline's result. Increase it with every audible change; batches then render again."""
FIRST_SEGMENT = 36
"""Most characters of the first segment: about 1.2 s from text to sound on two cores."""
SEGMENT = 140
"""Most characters of any segment: the model's memory and delay grow with it."""
BLOCK = 600
"""Characters that are normalised and phonemised at a time: a long text starts as soon as a short one."""
PORTION = 8
"""Segments that are phonemised at a time: a check stops soon, and so does a caller who leaves."""
SILENCE = 0.25
"""Seconds of the file that `silence` makes: about as long as the pause between two sentences."""
SPEEDS = (0.25, 4.0)
"""The range of `SpeechOptions.speed`."""

PLANNERS = max(2, len(os.sched_getaffinity(0)))
"""Texts that are planned at a time in a process."""

_planners = ThreadPoolExecutor(PLANNERS, "planner")
"""Threads of planning alone: long texts must not keep files and the database waiting for a thread."""
_SOUNDED = regex.compile(r"[\p{L}\p{N}]")

Synthesise = Callable[[Segment], Awaitable[Audio]]
"""Speaks a segment; cancelling the call cancels the work."""


class TextError(ValueError):
    """The text holds nothing that can be spoken."""


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """How a caller wants a text to be spoken. Passed unchanged from the request to the pipeline."""

    format: str = "mp3"
    speed: float = 1.0
    """Tempo, 0.25-4; pitch stays."""
    bitrate: int | None = None
    """Bits a second; None is the format's default."""
    sample_rate: int | None = None
    """Of the file, in Hz; None is the engine's, or the next that the format has."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The engine's own settings, in place of the voice's of the same names."""
    instructions: str = ""
    """How the text is to be spoken, in words; only where the engine follows them."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One text to speak with one voice."""

    text: str
    voice: CatalogueVoice
    options: SpeechOptions = field(default_factory=SpeechOptions)
    low_latency: bool = True
    """Whether a caller waits: then the first segment is short."""
    or_silence: bool = False
    """Whether a text that holds nothing that can be spoken is a short silence, and no error."""


class Chunk(NamedTuple):
    """A piece of the encoded file, and how many seconds of sound it adds."""

    data: bytes
    seconds: float


def plan(utterance: Utterance, capabilities: Capabilities) -> Iterator[Segment]:
    """Yield the segments that speak `utterance`, in order and none of them silent.

    Works block by block, so the first segment does not wait for the text's end. Takes time linear in the
    text, and blocks meanwhile: in an event loop, `speak` and `check` are the ones to call.

    Raises:
        TextError: the text holds nothing that can be spoken.
    """
    for segments in _steps(utterance, capabilities):
        yield from segments


def _steps(utterance: Utterance, capabilities: Capabilities) -> Iterator[list[Segment]]:
    """Yield the segments in the steps in which they are planned: at most PORTION, and the first one alone.

    A block that holds nothing that can be spoken is a step without segments.

    Raises:
        TextError: no block holds anything that can be spoken.
    """
    voice = utterance.voice.voice
    front = front_end(voice.locale)
    clip = named_clip(utterance.voice.clip)
    speed = _model_speed(utterance, capabilities)
    spoken_any = False
    for block in _blocks(utterance.text):
        spoken = front.normalise(block)
        if not _SOUNDED.search(spoken):
            yield []
            continue
        texts = split(spoken, FIRST_SEGMENT if utterance.low_latency and not spoken_any else SEGMENT, SEGMENT)
        for portion in _portions(texts, PORTION if spoken_any else 1):
            segments = [
                Segment(
                    text=text,
                    phonemes=phonemes,
                    locale=voice.locale,
                    speaker="" if clip else voice.speaker or voice.description or "",
                    speed=speed,
                    parameters={**voice.parameters, **utterance.options.parameters},
                    instructions=utterance.options.instructions,
                    first=utterance.low_latency and not spoken_any and number == 0,
                    clip=clip,
                )
                for number, (text, phonemes) in enumerate(_pronounce(portion, front.phonemise, capabilities))
            ]
            spoken_any = spoken_any or bool(segments)
            yield segments
    if not spoken_any:
        raise TextError("The text holds nothing that can be spoken: give at least one word or number.")


async def check(utterance: Utterance, capabilities: Capabilities) -> None:
    """Plan `utterance` up to the first thing that can be spoken. Cancelling ends it after a step.

    Raises:
        TextError: the text holds nothing that can be spoken.
    """
    async with aclosing(_planned(utterance, capabilities)) as steps:
        async for segments in steps:
            if segments:
                return


async def speak(
    utterance: Utterance,
    capabilities: Capabilities,
    synthesise: Synthesise,
    texts: AsyncIterator[str] | None = None,
) -> AsyncGenerator[Chunk, None]:
    """Speak `utterance`; yield the encoded file in pieces, each as soon as it is ready.

    With `texts`, whole sentences that are still being written, speak these in place of the utterance's own
    text, into one file.

    The engine gets one segment at a time. With two, where an engine gives a call that is alone the whole
    machine, the first audio came a third later and the last a tenth later. Closing the generator cancels the
    rest.

    Raises:
        TextError: the text holds nothing that can be spoken (before anything was yielded), and the utterance
            wants no silence then.
    """
    segments = _segments(utterance, capabilities, texts)
    post = _PostProcessor(utterance, capabilities)
    try:
        async for segment in segments:
            with traces.span("segment", {"ttsp.characters": len(segment.text), "ttsp.first": segment.first}):
                audio = await synthesise(segment)
            with traces.span("encode"):
                chunk = await asyncio.to_thread(post.add, audio, segment.text)
            if chunk.data:
                yield chunk
        with traces.span("encode"):
            last = await asyncio.to_thread(post.end)
        if last.data:
            yield last
    except TextError:
        if not utterance.or_silence:
            raise
        yield await asyncio.to_thread(silence, utterance, capabilities)
    finally:
        await segments.aclose()
        post.close()


async def _segments(
    utterance: Utterance, capabilities: Capabilities, texts: AsyncIterator[str] | None
) -> AsyncGenerator[Segment, None]:
    """Yield the segments of `utterance`, or of `texts` as they arrive.

    Raises:
        TextError: none of it can be spoken.
    """
    if texts is None:
        async with aclosing(_planned(utterance, capabilities)) as steps:
            async for step in steps:
                for segment in step:
                    yield segment
        return
    spoken_any = False
    async for text in texts:
        piece = replace(utterance, text=text, low_latency=utterance.low_latency and not spoken_any)
        try:
            async with aclosing(_segments(piece, capabilities, None)) as segments:
                async for segment in segments:
                    spoken_any = True
                    yield segment
        except TextError:
            continue  # nothing to speak, such as a line of dashes
    if not spoken_any:
        raise TextError("Nothing was written that can be spoken.")


async def _planned(utterance: Utterance, capabilities: Capabilities) -> AsyncGenerator[list[Segment], None]:
    """Yield what `_steps` yields, each step made in a thread when it is asked for."""
    steps = _steps(utterance, capabilities)
    loop = asyncio.get_running_loop()
    while True:
        with traces.span("front-end") as span:
            segments = await loop.run_in_executor(_planners, next, steps, None)
            span.set({"ttsp.segments": len(segments or ())})
        if segments is None:
            return
        yield segments


class _PostProcessor:
    """Processes the engine's audio: joins it, sets its tempo and level, encodes it.

    Locked, because a cancelled `speak` closes it while a thread may still be inside `add`.
    """

    def __init__(self, utterance: Utterance, capabilities: Capabilities) -> None:
        voice = utterance.voice.voice
        rate = capabilities.sample_rate
        self._rate = rate
        self._lock = Lock()
        pace = _model_speed(utterance, capabilities)
        self._stitcher = Stitcher(rate, pace)
        self._tempo = Tempo(rate, utterance.options.speed / pace)
        self._leveller = Leveller(rate, voice.gain)
        self._encoder = Encoder(
            utterance.options.format,
            rate,
            bitrate=utterance.options.bitrate,
            sample_rate=utterance.options.sample_rate,
            tags=speech_tags(utterance.voice.id, voice.locale, consent=utterance.voice.consent),
        )

    def add(self, audio: Audio, text: str) -> Chunk:
        """Take the audio of the segment that speaks `text`; return what is ready."""
        with self._lock:
            levelled = self._leveller.push(self._tempo.push(self._stitcher.add(audio, text)))
            return Chunk(self._encoder.push(levelled), len(levelled) / self._rate)

    def end(self) -> Chunk:
        """Return the rest of the file."""
        with self._lock:
            tail = [
                self._leveller.push(self._tempo.push(self._stitcher.flush())),
                self._leveller.push(self._tempo.flush()),
                self._leveller.flush(),
            ]
            data = b"".join([*(self._encoder.push(audio) for audio in tail), self._encoder.flush()])
            return Chunk(data, sum(map(len, tail)) / self._rate)

    def close(self) -> None:
        """Release the encoder; a file that has not ended is discarded."""
        with self._lock:
            self._encoder.close()


def silence(utterance: Utterance, capabilities: Capabilities) -> Chunk:
    """Return a short file of silence, as `speak` would make it: for a text in which nothing is spoken."""
    options = utterance.options
    data = encode(
        np.zeros(round(SILENCE * capabilities.sample_rate), np.float32),
        capabilities.sample_rate,
        options.format,
        bitrate=options.bitrate,
        sample_rate=options.sample_rate,
        tags=speech_tags(utterance.voice.id, utterance.voice.voice.locale, consent=utterance.voice.consent),
    )
    return Chunk(data, SILENCE)


def _model_speed(utterance: Utterance, capabilities: Capabilities) -> float:
    """Return the part of the utterance's speed that the model renders itself."""
    slowest, fastest = capabilities.speeds
    return min(max(utterance.options.speed, slowest), fastest)


def _blocks(text: str) -> Iterator[str]:
    """Yield `text` in pieces of whole sentences, about BLOCK characters each where sentences allow."""
    block = ""
    for sentence in sentences(text):
        if block and len(block) + len(sentence) > BLOCK:
            yield block
            block = ""
        block += sentence
    if block:
        yield block


def _portions(texts: Sequence[str], first: int) -> Iterator[Sequence[str]]:
    """Yield `texts` in portions: `first` of them, then PORTION each."""
    yield texts[:first]
    for start in range(first, len(texts), PORTION):
        yield texts[start : start + PORTION]


def _pronounce(
    texts: Sequence[str], phonemise: Callable[[Sequence[str]], list[str]], capabilities: Capabilities
) -> Iterator[tuple[str, str]]:
    """Yield each text with its phonemes (empty where the engine takes text), all within the engine's limit.

    A text with too many phonemes is halved, at a word border, until they fit.
    """
    if capabilities.takes == "text":
        yield from ((text, "") for text in texts if _SOUNDED.search(text))
        return
    for text, phonemes in zip(texts, phonemise(texts), strict=True):
        if len(phonemes) - phonemes.count(TIE) > capabilities.max_input and len(text) > 1:
            half = (len(text) + 1) // 2
            yield from _pronounce(split(text, half, half), phonemise, capabilities)
        elif _SOUNDED.search(phonemes):
            yield text, phonemes
