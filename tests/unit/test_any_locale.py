"""Locales without a front-end of their own, through everything that must know a locale."""

import asyncio
import io
from dataclasses import replace
from pathlib import Path

import av
import pytest
from simulated_voice import SimulatedVoiceEngine

from tts_app.api.errors import ApiError
from tts_app.api.resolve import by_description, by_name
from tts_app.audio.samples import Audio
from tts_app.audio.tags import speech_tags
from tts_app.batch.drafts import draft_request, languages_of
from tts_app.batch.plan import plan_batch, text_for
from tts_app.batch.review import text_faults
from tts_app.catalogue import Catalogue
from tts_app.engines.base import Segment
from tts_app.manifests import ManifestError, load_voice_models, samples_folder
from tts_app.resources import VoiceModel
from tts_app.resources.tts_job import TTSJobSpec
from tts_app.speech import Utterance, plan, speak

TEXTS = {
    "fr-FR": "Le petit-déjeuner est servi jusqu'à 10:30 dans nos 21 chambres avec vue sur le vieux port.",
    "ja-JP": "こんにちは。あさごはんは 10:30 までです。",
    "zh-CN": "你好，世界！早餐到10:30。",
    "pt-BR": "Olá! São 21 quartos.",
    "pt-PT": "Olá! São 21 quartos.",
}
ISO_639_2 = {"fr-FR": "fra", "ja-JP": "jpn", "zh-CN": "zho", "pt-BR": "por", "pt-PT": "por", "tlh-001": "und"}


def model(*locales: str) -> VoiceModel:
    (kokoro,) = load_voice_models()
    manifest = kokoro.written()
    manifest["spec"]["voices"] = [
        {"locale": locale, "gender": gender, "speaker": "ff_siwis"}
        for locale in locales
        for gender in ("female", "male")
    ]
    return VoiceModel.model_validate(manifest)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue([model(*TEXTS)])


@pytest.mark.parametrize("locale", TEXTS)
async def test_speak_makes_tagged_audio_in_any_locale(catalogue: Catalogue, locale: str) -> None:
    engine = SimulatedVoiceEngine()

    async def synthesise(segment: Segment) -> Audio:
        (audio,) = await asyncio.to_thread(engine.synthesise, [segment])
        return audio

    utterance = Utterance(TEXTS[locale], catalogue.find(f"female_{locale}"))
    mp3 = b"".join([c.data async for c in speak(utterance, engine.capabilities, synthesise)])
    with av.open(io.BytesIO(mp3)) as file:
        assert file.metadata["artist"] == f"female_{locale}"
        assert file.metadata["language"] == ISO_639_2[locale]
        assert sum(frame.samples for frame in file.decode(audio=0)) > 20_000


@pytest.mark.parametrize("locale", TEXTS)
def test_plan_gives_phonemes(catalogue: Catalogue, locale: str) -> None:
    capabilities = replace(SimulatedVoiceEngine().capabilities, takes="phonemes")
    segments = list(plan(Utterance(TEXTS[locale], catalogue.find(f"male_{locale}")), capabilities))
    assert segments
    assert all(segment.phonemes and segment.locale == locale for segment in segments)


@pytest.mark.parametrize("locale", ISO_639_2)
def test_locale_without_phonemes_works_in_tags_drafts_and_plans(locale: str, tmp_path: Path) -> None:
    text = TEXTS.get(locale, "nuqneH")
    assert speech_tags(f"female_{locale}", locale)["language"] == ISO_639_2[locale]
    assert text_for({locale.partition("-")[0]: text}, locale) == text
    assert [fault for fault in text_faults(locale, text) if "letters are" in fault] == []
    asked = draft_request("the sea", locale, None, seed=1, held=True, context=4096)
    assert locale in asked.messages[0]["content"] or "tlh" in locale
    job = TTSJobSpec.model_validate(
        {
            "posts": {"inline": [{"id": 1, "text": {locale.lower(): text}}]},
            "avatars": {"locales": [locale.lower()]},
            "output": {"uri": "file:///nowhere"},
        }
    )
    found = plan_batch(job, [model(locale)], tmp_path, secret=b"")
    assert [item.file for item in found] == [
        f"post_01_female_{locale}.mp3",
        f"post_01_male_{locale}.mp3",
    ]
    assert 0.3 < found.seconds < 30
    found.close()


def test_languages_of_a_draft_are_canonical() -> None:
    assert languages_of("fr-fr, ja-JP,zh-cn") == ("fr-FR", "ja-JP", "zh-CN")


def test_review_does_not_count_words_without_spaces() -> None:
    assert list(text_faults("zh-CN", TEXTS["zh-CN"])) == []
    assert list(text_faults("ja-JP", TEXTS["ja-JP"])) == []
    assert list(text_faults("fr-FR", TEXTS["fr-FR"])) == []
    assert list(text_faults("fr", "Привет " * 20)) == [
        "only 0% of its letters are Latin",
        "it has line breaks or loose white space",
    ]


def test_catalogue_finds_the_only_locale_of_a_language(catalogue: Catalogue) -> None:
    assert by_name(catalogue, "female_fr").id == "female_fr-FR"
    assert by_name(catalogue, "FEMALE_FR-fr").id == "female_fr-FR"
    assert by_description(catalogue, "fr", None, "male").id == "male_fr-FR"
    assert by_description(catalogue, "pt", "BR", None).id == "female_pt-BR"
    assert [voice.id for voice in catalogue.select(locale="fr-fr")] == ["female_fr-FR", "male_fr-FR"]
    with pytest.raises(ApiError, match="Unknown voice 'female_pt'"):
        by_name(catalogue, "female_pt")
    with pytest.raises(ApiError, match=r"several locales\. Allowed: pt-BR, pt-PT"):
        by_description(catalogue, "pt", None, None)


def test_catalogue_says_what_espeak_reads_badly(catalogue: Catalogue) -> None:
    assert "kanji" in catalogue.find("female_ja-JP").describe()["approximation"]
    assert "Chinese characters" in catalogue.find("female_zh-CN").describe()["approximation"]
    assert catalogue.find("female_fr-FR").describe()["approximation"] is None
    assert catalogue.find("female_fr-FR").describe()["quality"] == "preview"


def test_load_voice_models_refuses_a_locale_that_nothing_reads(tmp_path: Path) -> None:
    text = (samples_folder() / "voicemodel-kokoro.yaml").read_text(encoding="utf-8")
    path = tmp_path / "model.yaml"
    path.write_text(text.replace("locale: en-US", "locale: tlh-001"), encoding="utf-8")
    with pytest.raises(ManifestError, match=r"spec\.voices: Nothing reads tlh-001: .*that are read: af, "):
        load_voice_models([path])
