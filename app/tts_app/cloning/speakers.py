"""Whether two recordings are of one speaker, by Resemblyzer's encoder, where the extra `clone` is installed.

The encoder (Wan and others, 2018, "Generalized End-to-End Loss for Speaker Verification") turns speech into a
vector of 256 numbers; vectors of one speaker point the same way. Its weights come in the package; torch reads
them as numbers alone (`weights_only`, its default), so they can run no code.
"""

from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tts_app.audio.resample import resample
from tts_app.audio.samples import Audio
from tts_app.cloning.recordings import RecordingError

LEAST_SIMILARITY = 0.75
"""Cosine of the vectors of two recordings below which they count as of different speakers.

Of four of Kokoro's voices, the same one had 0.92 to 0.96, two different ones 0.49 to 0.70; parts of three
seconds of one recording had 0.87 to 0.95. Recordings in two rooms are less alike than those.
"""
_WINDOW = 3.0
"""Seconds of a recording that are compared with the others, to hear whether several people speak."""
_RATE = 16_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known of whether clip and consent are of one speaker."""

    checked: bool
    similarity: float | None = None
    """Cosine, -1 to 1; None: it was not measured."""
    reason: str = ""
    """Why it was not checked."""

    def written(self) -> dict[str, Any]:
        """Return it as the record has it."""
        return asdict(self)


NOT_CHECKED = Comparison(
    False, reason="this service has no torch: install tts-playground[clone] where the gateway runs"
)


def compare_speakers(clip: Audio, consent: Audio, rate: int) -> Comparison:
    """Compare the speakers of a clip and of a consent, shape (n,), of `rate` Hz. Blocks for seconds.

    Raises:
        RecordingError: they are different, or several people speak in the clip.
    """
    if not can_compare():
        return NOT_CHECKED
    windows = _vectors(clip, rate)
    alike = windows @ windows.T
    if alike.min() < LEAST_SIMILARITY:
        raise RecordingError(
            f"The recording seems to have several speakers: parts of it are alike to {alike.min():.2f} only, "
            f"and {LEAST_SIMILARITY:.2f} are needed. Record one person alone."
        )
    similarity = float(_unit(windows.mean(axis=0)) @ speaker_vector(consent, rate))
    if similarity < LEAST_SIMILARITY:
        raise RecordingError(
            f"The consent is not spoken by the speaker of the recording: they are alike to {similarity:.2f}, "
            f"and {LEAST_SIMILARITY:.2f} are needed."
        )
    return Comparison(True, round(similarity, 3))


def can_compare() -> bool:
    """Whether speakers can be compared here."""
    return all(find_spec(name) is not None for name in ("torch", "resemblyzer"))


def speaker_vector(audio: Audio, rate: int) -> NDArray[np.float32]:
    """Return the vector of a recording's speaker, shape (256,), of length 1. Blocks for seconds.

    The cosine of two is their product. `audio` has shape (n,) and `rate` Hz.

    Raises:
        ImportError: the extra `clone` is not installed.
    """
    return _unit(_vectors(audio, rate).mean(axis=0))


def _vectors(audio: Audio, rate: int) -> NDArray[np.float32]:
    """Return the vectors of the recording's parts of about three seconds, shape (parts, 256)."""
    speech = resample(audio, rate, _RATE)
    parts = np.array_split(speech, max(1, round(speech.size / (_WINDOW * _RATE))))
    return np.stack([_unit(_encoder().embed_utterance(part)) for part in parts])


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vector / np.linalg.norm(vector)
    return unit


@cache
def _encoder() -> Any:
    from resemblyzer import VoiceEncoder  # noqa: PLC0415 - it imports torch, which takes seconds

    return VoiceEncoder("cpu", verbose=False)
