"""Comparing with clips. The speakers' vectors are simulated: resemblyzer is no dependency of the tests."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tts_app.audio.samples import Audio
from tts_app.catalogue import Catalogue, CatalogueVoice
from tts_app.evaluate import similarity
from tts_app.evaluate.similarity import (
    Comparing,
    SimilarityError,
    check_installed,
    read_clip,
    reference_clips,
)
from tts_app.evaluate.speaking import Spoken
from tts_app.manifests import load_voice_models
from tts_app.resources import Voice

CATALOGUE = Catalogue(load_voice_models())
FEMALE, MALE = CATALOGUE.find("female_en-US"), CATALOGUE.find("male_en-US")


@pytest.fixture
def simulated_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two samples stand for a speaker's vector."""
    monkeypatch.setattr(
        similarity, "speaker_vector", lambda audio, rate: audio[:2] / np.linalg.norm(audio[:2])
    )


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
    return Comparing(speaker, {FEMALE.id: (np.array([1, 0], np.float32), 16_000)})


@pytest.mark.usefixtures("simulated_vectors")
def test_similarity_is_the_mean_cosine_of_the_utterances() -> None:
    compared = comparing(SimulatedSpeaker(same=(5, 0), other=(0, 2)))
    assert compared.similarities == {}
    for text in ("same", "other"):
        assert compared.speak(FEMALE, text).file_rate == 24_000
    assert compared.similarities == {FEMALE.id: pytest.approx(0.5)}


@pytest.mark.usefixtures("simulated_vectors")
def test_voice_without_a_clip_is_not_compared() -> None:
    compared = comparing(SimulatedSpeaker(same=(5, 0)))
    compared.speak(MALE, "same")
    assert compared.similarities == {}


@pytest.mark.usefixtures("simulated_vectors")
def test_closing_closes_the_speaker() -> None:
    speaker = SimulatedSpeaker()
    comparing(speaker).close()
    assert speaker.closed


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "can_compare", lambda: False)
    with pytest.raises(SimilarityError, match=r"pip install 'tts-playground\[clone\]'"):
        check_installed()


def test_package_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(audio: Audio, rate: int) -> None:
        raise ModuleNotFoundError("No module named 'pkg_resources'")

    monkeypatch.setattr(similarity, "speaker_vector", fails)
    with pytest.raises(SimilarityError, match="pkg_resources"):
        comparing(SimulatedSpeaker())


def test_reference_that_cannot_be_fetched_is_named(tmp_path: Path) -> None:
    consent = {"id": "1", "by": "A", "date": "2026-01-01"}
    uri = f"file://{tmp_path}/none.wav"
    voice = Voice.model_validate(
        {
            "locale": "en-US",
            "gender": "female",
            "reference": {"uri": uri, "transcript": "Hello.", "consent": consent},
        }
    )
    with pytest.raises(SimilarityError, match=r"none\.wav"):
        reference_clips([replace(FEMALE, voice=voice), MALE])


def test_clip_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "clip.wav").write_bytes(b"no audio")
    with pytest.raises(SimilarityError, match=r"clip\.wav"):
        read_clip(tmp_path / "clip.wav")
