"""What every speech engine offers: the Protocol through which the rest of the app uses engines."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self, runtime_checkable

from tts_app.audio.samples import Audio


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, so that callers request nothing else."""

    sample_rate: int
    """Of the audio that it returns, in Hz."""
    takes: Literal["phonemes", "text"]
    """Which field of a segment it reads."""
    max_input: int
    """Longest segment in characters of what it `takes`, without tie bars; `synthesise` refuses more."""
    speeds: tuple[float, float]
    """Tempos that the model itself renders well; the audio stage does those outside."""
    parallel: bool = True
    """Whether calls may run side by side, one for each core; else the engine gets one call at a time."""
    max_batch: int = 1
    """Most segments of one call; above 1, the engine is a `BatchingEngine`."""
    max_frames: float = float("inf")
    """Most frames of one call, padding included, in the engine's own frames (`Size.frames`)."""
    # New fields come last: what is pickled has the fields by their places.
    speakers: tuple[str, ...] = ()
    """The speakers in the model's files that a caller may name."""

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Read what a replica of another version sent."""
        _set_fields(self, state)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A recording of a voice that an engine imitates."""

    digest: str
    """SHA-256 of the voice's id, the transcript and the sound, in hex: engines keep what they compute of a
    clip by it."""
    audio: Audio
    """Mono, 3-30 s, trimmed and levelled. Empty only on the way to a replica, which may have it already."""
    rate: int
    """Samples a second."""
    transcript: str
    """The words that are spoken in it."""


class Pronounced(NamedTuple):
    """A part of a segment's phonemes, of one locale."""

    phonemes: str
    locale: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of an utterance that one model call speaks, with the voice that speaks it."""

    text: str
    """Normalised text, without line breaks."""
    phonemes: str
    """Plain IPA, as `language.base.FrontEnd.phonemise` gives it; empty where the engine takes text."""
    locale: str
    """Of the voice."""
    speaker: str
    """The voice's `speaker` or `description`; empty where it has a clip."""
    speed: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The voice's own `parameters`, with those of the request on top."""
    clip: Clip | None = None
    """The clip of a voice that is cloned."""
    instructions: str = ""
    """How the caller wants it spoken, in words, where the engine follows such."""
    first: bool = False
    """Whether it is the first one of an utterance whose caller waits for its sound."""
    # New fields come last: what is pickled has the fields by their places.
    parts: tuple[Pronounced, ...] = ()
    """Where words of another locale than the voice's are in it: `phonemes` in parts of one locale each."""

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Read what a gateway of another version sent."""
        _set_fields(self, state)


def _set_fields(made: Any, state: Sequence[Any]) -> None:
    """Set the fields of an unpickled dataclass: those that an older sender lacks get their defaults."""
    known = fields(made)
    for one, value in zip(known, state, strict=False):
        object.__setattr__(made, one.name, value)
    for one in known[len(state) :]:
        object.__setattr__(made, one.name, one.default)


class Size(NamedTuple):
    """What a segment takes in a batch."""

    frames: float
    """About how long its audio will be, in the engine's frames. A batch costs its longest one each."""
    group: Hashable = None
    """Segments of different groups cannot share a call."""


class SpeechEngine(Protocol):
    """An adapter of one model family. Thread-safe after `load`: callers share one engine."""

    @classmethod
    def load(cls, files: Path, quantization: str, parameters: Mapping[str, Any]) -> Self:
        """Load the model from the folder `files`.

        Raises:
            EngineError: a file is missing or damaged, or a parameter is not one of the engine's.
        """
        ...

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """Return the patterns of the files that the engine needs of a hub repository."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do."""
        ...

    def check_speaker(self, speaker: str) -> None:
        """Raise EngineError, which lists the speakers that exist, when the model has no such speaker."""
        ...

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        """Speak each segment; return one array per segment, in order, at `capabilities.sample_rate`.

        Deterministic: the same segments give the same samples. `alone` says that no other call is running,
        so the engine may use the whole machine for this one.

        Raises:
            EngineError: there are more segments than it speaks at a time, or one is longer than `max_input`.
        """
        ...

    def close(self) -> None:
        """Release the model. Idempotent."""
        ...


@runtime_checkable
class BatchingEngine(Protocol):
    """A SpeechEngine that speaks several segments in one call.

    The audio of a segment does not depend on the segments that share its call, but for rounding.
    """

    def size(self, segment: Segment) -> Size:
        """Return what the segment takes in a batch. Raises EngineError: it cannot be spoken."""
        ...


@runtime_checkable
class StreamingEngine(Protocol):
    """A SpeechEngine that returns the sound of a segment while it makes it.

    The pipeline takes whole segments as yet: docs/decisions/0004-levelling-a-stream.md.
    """

    def stream(self, segment: Segment) -> Iterator[Audio]:
        """Yield the samples of the segment, piece by piece. Closing the iterator ends the work.

        Raises:
            EngineError: it cannot be spoken.
        """
        ...


@runtime_checkable
class CloningEngine(Protocol):
    """A SpeechEngine that keeps what it has computed of clips."""

    def forget(self, digest: str) -> None:
        """Destroy what it has of the clip with that digest, if anything."""
        ...


class EngineError(Exception):
    """An engine cannot do what a caller requested; the message says why and what would work."""
