"""Comparing with clips. The encoder is simulated: resemblyzer is no dependency of the tests."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tts_app.audio.samples import Audio
from tts_app.catalogue import Catalogue, CatalogueVoice
from tts_app.evaluate import similarity
from tts_app.evaluate.similarity import Comparing, Encoder, SimilarityError, check_installed, read_clip
from tts_app.evaluate.speaking import Spoken
from tts_app.manifests import load_voice_models

CATALOGUE = Catalogue(load_voice_models())
FEMALE, MALE = CATALOGUE.find("female_en-US"), CATALOGUE.find("male_en-US")


class SimulatedEncoder:
    """Takes the first two samples for an embedding."""

    def embed(self, audio: Audio, rate: int) -> Any:
        return audio[:2] / np.linalg.norm(audio[:2])


class SimulatedSpeaker:
    """Speaks each text as two samples."""

    def __init__(self, **texts: tuple[float, float]) -> None:
        self._texts = texts
        self.closed = False

    def speak(self, voice: CatalogueVoice, text: str) -> Spoken:
        audio = np.array(self._texts[text], np.float32)
        return Spoken(audio, 24_000, audio, 24_000, None, 24_000, None)

    def close(self) -> None:
        self.closed = True


def comparing(speaker: SimulatedSpeaker) -> Comparing:
    clip = np.array([1, 0], np.float32)
    return Comparing(speaker, SimulatedEncoder(), {FEMALE.id: (clip, 16_000)})  # type: ignore[arg-type]


def test_similarity_is_the_mean_cosine_of_the_utterances() -> None:
    compared = comparing(SimulatedSpeaker(same=(5, 0), other=(0, 2)))
    assert compared.similarities == {}
    for text in ("same", "other"):
        assert compared.speak(FEMALE, text).file_rate == 24_000
    assert compared.similarities == {FEMALE.id: pytest.approx(0.5)}


def test_voice_without_a_clip_is_not_compared() -> None:
    compared = comparing(SimulatedSpeaker(same=(5, 0)))
    compared.speak(MALE, "same")
    assert compared.similarities == {}


def test_closing_closes_the_speaker() -> None:
    speaker = SimulatedSpeaker()
    comparing(speaker).close()
    assert speaker.closed


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "find_spec", lambda name: None)
    with pytest.raises(SimilarityError, match="torch and resemblyzer: pip install torch"):
        check_installed()


def test_package_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, "resemblyzer", None)
    with pytest.raises(SimilarityError, match="resemblyzer cannot be imported"):
        Encoder()


def test_clip_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "clip.wav").write_bytes(b"no audio")
    with pytest.raises(SimilarityError, match=r"clip\.wav"):
        read_clip(tmp_path / "clip.wav")
