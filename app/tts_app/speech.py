"""The pipeline: utterance -> segments -> engine -> stitch -> level -> encode, as one async generator.

The first clause is spoken and sent while the rest is still being planned and spoken. This decides the time to
first audio far more than the speed of the model does.
"""

import asyncio
import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import groupby
from threading import Lock
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import regex

from tts_app.audio.encode import Encoder, encode
from tts_app.audio.loudness import Leveller
from tts_app.audio.samples import SILENCE as SILENT
from tts_app.audio.samples import Audio
from tts_app.audio.stitch import Stitcher
from tts_app.audio.tags import speech_tags
from tts_app.audio.tempo import Tempo
from tts_app.catalogue import CatalogueVoice
from tts_app.cloning.clips import named_clip
from tts_app.engines.base import Capabilities, Pronounced, Segment
from tts_app.language import front_end
from tts_app.language.base import TIE, FrontEnd
from tts_app.language.markup import InputFormat, Marked, MarkupError, Span, Urls, parse
from tts_app.language.markup.spans import MOST_PAUSES
from tts_app.language.markup.warnings import codes_of
from tts_app.language.split import sentences, split
from tts_app.language.wording import Passage, passages
from tts_app.resources.engines import ENGINES
from tts_app.telemetry import traces

VERSION = 2
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
_LEADING_MARK = regex.compile(r"\s*+([.,;:?!،؛؟…])")
_ENDING_MARKS = regex.compile(r"[.,;:?!،؛؟…।۔]++(?![\p{L}\p{N}])")
_PLAIN_MARKS = MappingProxyType({"،": ",", "؛": ";", "؟": "?", "…": "."})

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
    volume: float = 1.0
    """Factor of the loudness, 0-2: 1 is -16 LUFS, 0 silence. What would be too loud is limited."""
    input_format: InputFormat = "text"
    """What markup the text has."""
    urls: Urls = "say"
    """What is said of a bare web address."""
    normalize: bool = True
    """Whether the text is read at all: else it is what is spoken, markup, numbers and signs included."""


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


class Part(NamedTuple):
    """What comes next in a speech: a segment, or silence alone at the end."""

    segment: Segment | None
    pause: float | None
    """Seconds of silence before it that its text asks for; None: as long as it takes to breathe."""
    speed: float
    """Tempo: the request's times the markup's."""
    volume_db: float


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
    for parts in _steps(utterance, capabilities):
        yield from (part.segment for part in parts if part.segment is not None)


def warnings_of(utterance: Utterance) -> list[str]:
    """Return the codes (`language.markup.warnings`) of what is not spoken as the text asks, each once.

    Raises:
        MarkupError: the text is not of its format.
    """
    voice = utterance.voice
    # A text that is not read is pronounced as it is, and all of it by the voice's own front-end.
    others = ENGINES[voice.engine].alphabet is not None and utterance.options.normalize
    return codes_of(_marked(utterance), voice.voice.locale, others)


def _marked(utterance: Utterance) -> Marked:
    options = utterance.options
    if not options.normalize:
        return Marked((Span(utterance.text),))
    return parse(utterance.text, options.input_format, options.urls)


def _steps(utterance: Utterance, capabilities: Capabilities) -> Iterator[list[Part]]:
    """Yield the parts in the steps in which they are planned: at most PORTION, and the first one alone.

    A block that holds nothing that can be spoken is a step without parts.

    Raises:
        TextError: no block holds anything that can be spoken, or the markup is not of its format.
    """
    try:
        spans = _marked(utterance).spans
    except MarkupError as error:
        raise TextError(str(error)) from None
    planner = _Planner(utterance, capabilities)
    for (pause, rate, volume), stretch in groupby(_with_marks_before(spans), key=_manner):
        if pause is not None:
            planner.pause = (planner.pause or 0.0) + pause * len(list(stretch))
        else:
            yield from planner.spoken(list(stretch), rate, volume)
    if not planner.spoken_any:
        raise TextError("The text holds nothing that can be spoken: give at least one word or number.")
    if planner.pause:
        yield [Part(None, planner.pause, utterance.options.speed, 0.0)]


def _manner(span: Span) -> tuple[float | None, float, float]:
    return span.pause, span.manner.rate, span.manner.volume


def _with_marks_before(spans: Sequence[Span]) -> Iterator[Span]:
    """Yield the spans, with a mark at the beginning of a new manner moved to the words that it ends.

    They are spoken before it, and the mark decides how they fall and what pause follows them.
    """
    before: Span | None = None
    for span in spans:
        mark = _ENDING_MARKS.match(span.text) if before is not None and span.is_words else None
        if mark and before and before.pause is None and _manner(before) != _manner(span):
            yield Span(mark[0], span.place, before.manner)
            before = replace(span, text=span.text[mark.end() :], place=span.place + mark.end())
        else:
            before = span
        yield before


class _Words(NamedTuple):
    """Words of one locale, and how they are pronounced."""

    text: str
    phonemes: str
    locale: str


class _Planner:
    """Makes the parts of one utterance, stretch by stretch of one manner."""

    def __init__(self, utterance: Utterance, capabilities: Capabilities) -> None:
        self._utterance = utterance
        self._capabilities = capabilities
        self._locale = utterance.voice.voice.locale
        self.pause: float | None = None
        """Seconds of silence due before the next part; None: none was asked for."""
        self.spoken_any = False

    def spoken(self, spans: Sequence[Span], rate: float, volume_db: float) -> Iterator[list[Part]]:
        """Yield the parts that speak `spans`, in steps."""
        take = self._capabilities.takes == "phonemes"
        if self._utterance.options.normalize:
            read = passages(spans, self._locale, take)
        else:
            read = [Passage(span.text, self._locale) for span in spans]
        steps = self._one(read[0]) if len(read) == 1 and not read[0].phonemes else self._several(read)
        for groups in steps:
            parts = [self._part(words, rate, volume_db) for words in groups]
            self.spoken_any = self.spoken_any or bool(parts)
            yield parts

    def _one(self, passage: Passage) -> Iterator[list[list[_Words]]]:
        """Yield the words of each segment of a passage, in steps."""
        front = front_end(passage.locale)
        for block in _blocks(passage.text):
            said = self._said(block, front)
            if not _SOUNDED.search(said):
                yield []
                continue
            texts = split(said, self._room(), SEGMENT)
            for portion in _portions(texts, PORTION if self.spoken_any else 1):
                pronounced = _pronounce(portion, front.phonemise, self._capabilities)
                yield [[_Words(*words, passage.locale)] for words in pronounced]

    def _several(self, read: Sequence[Passage]) -> Iterator[list[list[_Words]]]:
        """Yield the words of each segment of several passages, in steps."""
        segment: list[_Words] = []
        for words in self._words(read):
            if segment and not self._fits([*segment, words]):
                yield [segment]
                segment = []
            segment.append(words)
        if segment:
            yield [segment]

    def _fits(self, segment: Sequence[_Words]) -> bool:
        characters = sum(len(words.text) + 1 for words in segment)
        sounds = sum(len(words.phonemes) - words.phonemes.count(TIE) + 1 for words in segment)
        ended = segment[-2].text.endswith((".", "?", "!")) and 2 * characters > SEGMENT
        return characters <= self._room() + 1 and sounds <= self._capabilities.max_input and not ended

    def _words(self, read: Sequence[Passage]) -> Iterator[_Words]:
        """Yield the words of passages; a mark at the beginning of one ends the words before it."""
        last: _Words | None = None
        for passage in read:
            mark = _LEADING_MARK.match(passage.text)
            if mark and last is not None:
                sign = _PLAIN_MARKS.get(mark[1], mark[1])
                last = last._replace(text=last.text + sign, phonemes=last.phonemes and last.phonemes + sign)
            for words in self._pronounced(passage):
                if last is not None:
                    yield last
                last = words
        if last is not None:
            yield last

    def _pronounced(self, passage: Passage) -> Iterator[_Words]:
        front = front_end(passage.locale)
        if passage.phonemes:
            if _SOUNDED.search(passage.phonemes):
                yield _Words(front.words(passage.text) or passage.text, passage.phonemes, passage.locale)
            return
        for block in _blocks(passage.text):
            texts = split(self._said(block, front), FIRST_SEGMENT, SEGMENT)
            for words in _pronounce(texts, front.phonemise, self._capabilities):
                yield _Words(*words, passage.locale)

    def _said(self, block: str, front: FrontEnd) -> str:
        return front.words(block) if self._utterance.options.normalize else block

    def _room(self) -> int:
        """Return the most characters of the next segment."""
        return FIRST_SEGMENT if self._utterance.low_latency and not self.spoken_any else SEGMENT

    def _part(self, words: Sequence[_Words], rate: float, volume_db: float) -> Part:
        """Return the part that speaks `words`, after the pause that is due."""
        utterance = self._utterance
        voice, options = utterance.voice.voice, utterance.options
        clip = named_clip(utterance.voice.clip)
        speed = min(max(options.speed * rate, SPEEDS[0]), SPEEDS[1])
        pause, self.pause = self.pause, None
        first = utterance.low_latency and not self.spoken_any
        self.spoken_any = True
        parts = tuple(Pronounced(phonemes, locale) for _, phonemes, locale in words if phonemes)
        segment = Segment(
            text=" ".join(text for text, _, _ in words),
            phonemes=" ".join(phonemes for _, phonemes, _ in words),
            locale=voice.locale,
            speaker="" if clip else voice.speaker or voice.description or "",
            speed=_model_speed(speed, self._capabilities),
            parameters={**voice.parameters, **options.parameters},
            instructions=options.instructions,
            parts=parts if any(part.locale != voice.locale for part in parts) else (),
            first=first,
            clip=clip,
        )
        return Part(segment, pause, speed, volume_db)


async def check(utterance: Utterance, capabilities: Capabilities) -> None:
    """Plan `utterance` up to the first thing that can be spoken. Cancelling ends it after a step.

    Raises:
        TextError: the text holds nothing that can be spoken.
    """
    async with aclosing(_planned(utterance, capabilities)) as steps:
        async for parts in steps:
            if parts:
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
    parts = _parts(utterance, capabilities, texts)
    post = _PostProcessor(utterance, capabilities)
    try:
        async for part in parts:
            segment = part.segment
            if segment is None:
                post.pause(part)
                continue
            with traces.span("segment", {"ttsp.characters": len(segment.text), "ttsp.first": segment.first}):
                audio = await synthesise(segment)
            with traces.span("encode"):
                chunk = await asyncio.to_thread(post.add, audio, segment.text, part)
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
        await parts.aclose()
        post.close()


async def _parts(
    utterance: Utterance, capabilities: Capabilities, texts: AsyncIterator[str] | None
) -> AsyncGenerator[Part, None]:
    """Yield the parts of `utterance`, or of `texts` as they arrive.

    Raises:
        TextError: none of it can be spoken.
    """
    if texts is None:
        async with aclosing(_planned(utterance, capabilities)) as steps:
            async for step in steps:
                for part in step:
                    yield part
        return
    spoken_any = False
    async for text in texts:
        piece = replace(utterance, text=text, low_latency=utterance.low_latency and not spoken_any)
        try:
            async with aclosing(_parts(piece, capabilities, None)) as parts:
                async for part in parts:
                    spoken_any = True
                    yield part
        except TextError:
            continue  # nothing to speak, such as a line of dashes
    if not spoken_any:
        raise TextError("Nothing was written that can be spoken.")


async def _planned(utterance: Utterance, capabilities: Capabilities) -> AsyncGenerator[list[Part], None]:
    """Yield what `_steps` yields, each step made in a thread when it is asked for."""
    steps = _steps(utterance, capabilities)
    loop = asyncio.get_running_loop()
    while True:
        with traces.span("front-end") as span:
            parts = await loop.run_in_executor(_planners, next, steps, None)
            span.set({"ttsp.segments": len(parts or ())})
        if parts is None:
            return
        yield parts


class _PostProcessor:
    """Processes the engine's audio: joins it, sets its tempo and level, encodes it.

    Locked, because a cancelled `speak` closes it while a thread may still be inside `add`.
    """

    def __init__(self, utterance: Utterance, capabilities: Capabilities) -> None:
        voice = utterance.voice.voice
        rate = capabilities.sample_rate
        self._rate = rate
        self._lock = Lock()
        self._capabilities = capabilities
        pace = _model_speed(utterance.options.speed, capabilities)
        self._stitcher = Stitcher(rate, pace)
        self._factor = utterance.options.speed / pace
        """What the tempo stage does of the speed of the part at hand."""
        self._tempo = Tempo(rate, self._factor)
        self._request_db = _decibels(utterance.options.volume)
        self._volume_db = self._request_db
        self._pauses_left = MOST_PAUSES
        self._leveller = Leveller(rate, voice.gain)
        self._encoder = Encoder(
            utterance.options.format,
            rate,
            bitrate=utterance.options.bitrate,
            sample_rate=utterance.options.sample_rate,
            tags=speech_tags(utterance.voice.id, voice.locale, consent=utterance.voice.consent),
        )

    def add(self, audio: Audio, text: str, part: Part) -> Chunk:
        """Take the audio of the segment that speaks `text`; return what is ready."""
        with self._lock:
            pieces = [self._encoded(self._turn_to(part))]
            self._pause(part)
            pieces += [self._encoded(self._levelled(silent)) for silent in self._stitcher.due()]
            pieces.append(self._encoded(self._levelled(self._stitcher.add(audio, text))))
            return _joined(pieces)

    def pause(self, part: Part) -> None:
        """Take a pause at the end of the utterance."""
        with self._lock:
            self._pause(part)

    def end(self) -> Chunk:
        """Return the rest of the file."""
        with self._lock:
            pieces = [self._encoded(self._levelled(silent)) for silent in self._stitcher.due()]
            tail = (
                self._levelled(self._stitcher.flush()),
                self._level(self._tempo.flush()),
                self._leveller.flush(),
            )
            pieces += map(self._encoded, tail)
            return _joined([*pieces, Chunk(self._encoder.flush(), 0.0)])

    def _pause(self, part: Part) -> None:
        """Take the pause that a part asks for; of those of all streamed texts too, MOST_PAUSES are made."""
        if part.pause is not None:
            pause = min(part.pause, self._pauses_left)
            self._pauses_left -= pause
            self._stitcher.pause(pause * self._factor)

    def _turn_to(self, part: Part) -> Audio:
        """Set tempo and volume for a part; return what is left of the parts before it, at theirs."""
        factor = part.speed / _model_speed(part.speed, self._capabilities)
        volume_db = self._request_db + part.volume_db
        if (factor, volume_db) == (self._factor, self._volume_db):
            return SILENT
        rest = self._level(self._tempo.flush())
        self._factor, self._volume_db = factor, volume_db
        self._tempo = Tempo(self._rate, factor)
        return rest

    def _levelled(self, audio: Audio) -> Audio:
        return self._level(self._tempo.push(audio))

    def _encoded(self, audio: Audio) -> Chunk:
        return Chunk(self._encoder.push(audio), len(audio) / self._rate)

    def _level(self, audio: Audio) -> Audio:
        return self._leveller.push(audio, self._volume_db)

    def close(self) -> None:
        """Release the encoder; a file that has not ended is discarded."""
        with self._lock:
            self._encoder.close()


def _joined(pieces: Sequence[Chunk]) -> Chunk:
    return Chunk(b"".join(piece.data for piece in pieces), sum(piece.seconds for piece in pieces))


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


def _model_speed(speed: float, capabilities: Capabilities) -> float:
    """Return the part of a speed that the model renders itself."""
    slowest, fastest = capabilities.speeds
    return min(max(speed, slowest), fastest)


def _decibels(factor: float) -> float:
    return 20 * math.log10(factor) if factor > 0 else -math.inf


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
