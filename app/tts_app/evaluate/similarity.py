"""How like its clip a cloned voice sounds: the cosine of the vectors of the two speakers.

The vectors are those by which a clip is compared with its consent (`cloning.speakers`). They need the extra
`clone`, which brings torch: most evaluations do without.
"""

import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

from tts_app.audio.decode import decode
from tts_app.audio.samples import Audio, AudioError
from tts_app.catalogue import CatalogueVoice
from tts_app.cloning.references import clips_of
from tts_app.cloning.speakers import can_compare, speaker_vector
from tts_app.engines.base import EngineError
from tts_app.evaluate.speaking import Speaks, Spoken

Recording = tuple[Audio, int]
"""Samples, shape (n,), and their rate in Hz."""
_INSTALL = "pip install 'tts-playground[clone]'"


class SimilarityError(Exception):
    """Similarity cannot be measured; the message says why and what would help."""


def check_installed() -> None:
    """Raise SimilarityError where the packages are missing."""
    if not can_compare():
        raise SimilarityError(f"it needs torch and resemblyzer: {_INSTALL}")


def read_clip(path: Path) -> Recording:
    """Return a clip of this machine.

    Raises:
        SimilarityError: it cannot be read.
    """
    try:
        return decode(path)
    except AudioError as error:
        raise SimilarityError(str(error)) from error


def reference_clips(voices: Iterable[CatalogueVoice]) -> dict[str, Recording]:
    """Return the clips that `voices` imitate, by avatar.

    Raises:
        SimilarityError: one cannot be fetched, or is not fit to be imitated.
    """
    references = {voice.id: voice.voice.reference for voice in voices if voice.voice.reference}
    try:
        clips = clips_of(references.values())
    except EngineError as error:
        raise SimilarityError(str(error)) from error
    found = {avatar: clips[reference.key] for avatar, reference in references.items()}
    return {avatar: (clip.audio, clip.rate) for avatar, clip in found.items()}


class Comparing:
    """A speaker whose utterances are compared with the clips that their voices imitate. Thread-safe."""

    def __init__(self, speaker: Speaks, clips: Mapping[str, Recording]) -> None:
        """`clips`, by avatar; other voices are not compared.

        Raises:
            SimilarityError: the packages cannot be imported.
        """
        self._speaker = speaker
        try:
            self._own = {avatar: speaker_vector(*clip) for avatar, clip in clips.items()}
        except ImportError as error:
            raise SimilarityError(f"a package cannot be imported ({error}): {_INSTALL}") from error
        self._found: dict[str, list[float]] = {avatar: [] for avatar in clips}

    def speak(self, voice: CatalogueVoice, text: str) -> Spoken:
        """Return the utterance. Raises what the speaker raises."""
        spoken = self._speaker.speak(voice, text)
        if voice.id in self._own:
            found = speaker_vector(spoken.file, spoken.file_rate)
            self._found[voice.id].append(float(found @ self._own[voice.id]))
        return spoken

    def close(self) -> None:
        """Close the speaker."""
        self._speaker.close()

    @property
    def similarities(self) -> dict[str, float]:
        """The mean cosine over the utterances so far, -1 to 1, by avatar."""
        return {avatar: statistics.fmean(found) for avatar, found in self._found.items() if found}
