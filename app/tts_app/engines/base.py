"""What every speech engine offers: the Protocol that the rest of the app knows engines by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from tts_app.audio.samples import Audio


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, so that callers ask it for nothing else."""

    sample_rate: int
    """Hz of the audio that it returns."""
    takes: Literal["phonemes", "text"]
    """Which field of a segment it reads."""
    max_input: int
    """Longest segment in characters of what it `takes`, tie bars apart; `synthesise` refuses longer ones."""
    speeds: tuple[float, float]
    """Tempo that the model itself renders well; the audio stage does what lies outside."""


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
        """Raise EngineError, naming what there is, when the model has no such speaker."""
        ...

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        """Speak each segment; one array a segment, in order, at `capabilities.sample_rate`.

        Deterministic: the same segments give the same samples. `alone` tells that no other call is under way,
        so that the engine may use the whole machine for this one.

        Raises:
            EngineError: more segments than it speaks at a time, or one longer than `max_input`.
        """
        ...

    def close(self) -> None:
        """Release the model. Idempotent."""
        ...


class EngineError(Exception):
    """An engine cannot do what was asked; the message says why and what would work."""
