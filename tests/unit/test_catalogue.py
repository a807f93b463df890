import pytest

from tts_app.catalogue import OPENAI_VOICES, Catalogue, UnknownVoiceError
from tts_app.manifests import load_voice_models
from tts_app.resources import Voice


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(load_voice_models())


@pytest.mark.parametrize(
    ("name", "avatar"),
    [
        ("female_en-US", "female_en-US"),
        (" FEMALE_EN-us ", "female_en-US"),
        ("male_ar", "male_ar-SA"),
        ("female_ur", "female_ur-PK"),
        ("Fable", "male_en-GB"),
    ],
)
def test_catalogue_finds_a_voice_by_name(catalogue: Catalogue, name: str, avatar: str) -> None:
    assert catalogue.find(name).id == avatar


@pytest.mark.parametrize(
    "name", ["", "female", "female_", "_en-US", "female_fr-FR", "af_heart", "../female_en-US"]
)
def test_catalogue_lists_voices_when_one_is_unknown(catalogue: Catalogue, name: str) -> None:
    with pytest.raises(UnknownVoiceError, match="Allowed: female_en-US, male_en-US"):
        catalogue.find(name)


def test_catalogue_speaks_every_openai_voice(catalogue: Catalogue) -> None:
    assert {catalogue.find(name).voice.locale.split("-")[0] for name in OPENAI_VOICES} == {"en"}


def test_catalogue_selects_by_language_locale_and_gender(catalogue: Catalogue) -> None:
    assert len(catalogue.select()) == len(catalogue) == 18
    assert [v.id for v in catalogue.select(language="ar", gender="male")] == [
        "male_ar-SA",
        "male_ar-EG",
        "male_ar-AE",
    ]
    assert [v.id for v in catalogue.select(locale="hi-IN")] == ["female_hi-IN", "male_hi-IN"]
    assert catalogue.select(language="fr") == []


def test_catalogue_uses_the_first_model_by_name_for_a_shared_avatar() -> None:
    (kokoro,) = load_voice_models()
    voice = Voice(locale="en-US", gender="female", speaker="bf_emma")
    other = kokoro.model_copy(
        update={
            "metadata": kokoro.metadata.model_copy(update={"name": "another"}),
            "spec": kokoro.spec.model_copy(update={"voices": [voice]}),
        }
    )
    for order in ([kokoro, other], [other, kokoro]):
        found = Catalogue(order)
        assert (found.find("female_en-US").model, found.find("male_en-US").model) == ("another", "kokoro")
        assert len(found) == 18


def test_describe_names_quality_approximation_and_license(catalogue: Catalogue) -> None:
    reported = catalogue.find("female_ar-EG").describe()
    assert reported["quality"] == "preview"
    assert "blended" in reported["approximation"]
    assert reported["license"] == {"spdx": "Apache-2.0", "commercial_use": True}
