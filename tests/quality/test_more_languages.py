"""A language that is one YAML is spoken by the real model, and understood."""

from collections.abc import Iterator

import pytest

from tts_app.catalogue import Catalogue
from tts_app.evaluate.judge import Judge
from tts_app.evaluate.scoring import word_error_rate
from tts_app.evaluate.speaking import Speaker
from tts_app.manifests import load_voice_models, samples_folder

MODELS = load_voice_models([samples_folder() / "more-languages.yaml"])


@pytest.fixture(scope="module")
def speaker() -> Iterator[Speaker]:
    speaker = Speaker(MODELS)
    yield speaker
    speaker.close()


@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("female_fr", "Ce soir, un groupe de jazz joue dans le bar de l'hôtel."),
        ("male_it", "Mia sorella e io abbiamo passato il fine settimana camminando in montagna."),
        ("female_pt", "Minha irmã e eu passamos o fim de semana caminhando na montanha."),
    ],
)
def test_sample_speaker_is_understood(judge: Judge, speaker: Speaker, voice: str, text: str) -> None:
    found = Catalogue(MODELS).find(voice)
    language = found.voice.locale[:2]
    spoken = speaker.speak(found, text)
    heard = judge.transcribe(spoken.file, spoken.file_rate, language)  # type: ignore[arg-type]
    assert word_error_rate(text, heard, language) <= 0.25, heard


@pytest.mark.parametrize("voice", list(Catalogue(MODELS)), ids=lambda voice: voice.id)
def test_sample_voices_are_measured_previews(voice) -> None:
    described = voice.describe()
    assert described["quality"] == "preview"
    assert described["measured"]["metric"] == "wer"
    assert described["measured"]["plain"] <= 0.25
