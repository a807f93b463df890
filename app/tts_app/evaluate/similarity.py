"""How like its clip a cloned voice sounds: the cosine of the two speakers' embeddings.

By resemblyzer (https://github.com/resemble-ai/Resemblyzer): the encoder of Wan et al. 2018, "Generalized
End-to-End Loss for Speaker Verification". It needs torch; both stay out of the extra `evaluate`, which most
evaluations do without.
"""

import statistics
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from tts_app.audio.decode import decode
from tts_app.audio.samples import Audio, AudioError
from tts_app.catalogue import CatalogueVoice
from tts_app.evaluate.speaking import Speaks, Spoken

_PACKAGES = ("torch", "resemblyzer")
_INSTALL = "pip install torch resemblyzer 'setuptools<81'"
"""resemblyzer imports webrtcvad, which imports pkg_resources: newer setuptools lack that."""


class SimilarityError(Exception):
    """Similarity cannot be measured; the message says why and what would help."""


def check_installed() -> None:
    """Raise SimilarityError where the packages are missing."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise SimilarityError(f"it needs {' and '.join(missing)}: {_INSTALL}")


def read_clip(path: Path) -> tuple[Audio, int]:
    """Return the samples of a clip, shape (n,), and their rate in Hz.

    Raises:
        SimilarityError: it cannot be read.
    """
    try:
        return decode(path)
    except AudioError as error:
        raise SimilarityError(str(error)) from error


class Encoder:
    """Speaker embeddings, on the CPU. Thread-safe."""

    def __init__(self) -> None:
        """Raise SimilarityError where the packages are missing or cannot be imported."""
        check_installed()
        try:
            from resemblyzer import VoiceEncoder, preprocess_wav  # noqa: PLC0415 - optional, and takes seconds
        except ImportError as error:
            raise SimilarityError(f"resemblyzer cannot be imported ({error}): {_INSTALL}") from error
        self._preprocess = preprocess_wav
        self._encoder = VoiceEncoder("cpu", verbose=False)
        self._lock = Lock()

    def embed(self, audio: Audio, rate: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return the embedding of speech, shape (n,), of `rate` Hz: shape (256,), of length 1."""
        with self._lock:
            speech = self._preprocess(np.asarray(audio, np.float32), source_sr=rate)
            return np.asarray(self._encoder.embed_utterance(speech), np.float32)


class Comparing:
    """A speaker whose utterances are compared with the clips that their voices imitate. Thread-safe."""

    def __init__(self, speaker: Speaks, encoder: Encoder, clips: Mapping[str, tuple[Audio, int]]) -> None:
        """`clips`, by avatar: samples and rate in Hz. Other voices are not compared."""
        self._speaker = speaker
        self._encoder = encoder
        self._own = {avatar: encoder.embed(*clip) for avatar, clip in clips.items()}
        self._found: dict[str, list[float]] = {avatar: [] for avatar in clips}

    def speak(self, voice: CatalogueVoice, text: str) -> Spoken:
        """Return the utterance. Raises what the speaker raises."""
        spoken = self._speaker.speak(voice, text)
        if voice.id in self._own:
            found = self._encoder.embed(spoken.file, spoken.file_rate)
            self._found[voice.id].append(float(found @ self._own[voice.id]))
        return spoken

    def close(self) -> None:
        """Close the speaker."""
        self._speaker.close()

    @property
    def similarities(self) -> dict[str, float]:
        """The mean cosine over the utterances so far, -1 to 1, by avatar."""
        return {avatar: statistics.fmean(found) for avatar, found in self._found.items() if found}
