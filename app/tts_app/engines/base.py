"""What every speech engine offers: the Protocol through which the rest of the app uses engines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self

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


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of an utterance that one model call speaks, with the voice that speaks it."""

    text: str
    """Normalised text, without line breaks."""
    phonemes: str
    """Plain IPA, as `language.base.FrontEnd.phonemise` gives it; empty where the engine takes text."""
    locale: str
    speaker: str
    """The voice's `speaker`, `description` or the local path of its reference clip."""
    speed: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The voice's own `parameters`."""


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


class EngineError(Exception):
    """An engine cannot do what a caller requested; the message says why and what would work."""
