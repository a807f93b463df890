"""What the engine asks of its two ways to compute: onnxruntime and torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tts_app.audio.samples import Audio

SAMPLE_RATE = 24_000
FRAME = 600
"""Samples in a frame, the unit of durations: 40 frames a second."""
MAX_TOKENS = 510
"""The text encoder has 512 positions; two are the padding around the tokens."""


@dataclass(frozen=True, slots=True, eq=False)
class Phrase:
    """What a model speaks."""

    tokens: tuple[int, ...]
    """1 to MAX_TOKENS, without the padding around them."""
    style: NDArray[np.float32]
    """The voice: shape (256,)."""
    speed: float
    """Tempo, above 0."""


class Model(Protocol):
    """Weights that are loaded. Thread-safe."""

    @property
    def max_batch(self) -> int:
        """Most phrases of one call."""
        ...

    @property
    def max_frames(self) -> float:
        """Most frames of one call, padding included."""
        ...

    @property
    def parallel(self) -> bool:
        """Whether calls may run side by side, one for each core."""
        ...

    def speak(self, phrases: Sequence[Phrase], alone: bool) -> list[Audio]:
        """Speak at most `max_batch` phrases, in order; `alone` as in SpeechEngine.synthesise.

        Raises:
            EngineError: the model is closed, or has too little memory for the phrases.
        """
        ...

    def close(self) -> None:
        """Release the weights; a call under way ends first. Idempotent."""
        ...
