"""The sentences themselves: enough of them, in the right script, and none twice."""

import unicodedata

import pytest

from tts_app.evaluate.scoring import fold
from tts_app.evaluate.sentences import FOLDER, KINDS, load_sentences
from tts_app.manifests import load_voice_models, samples_folder
from tts_app.resources import LOCALES
from tts_app.resources.locales import script_of

MEASURED = sorted(path.stem for path in FOLDER.glob("*.json"))
"""Every locale that has sentences: those with a front-end, and those of more-languages.yaml."""


@pytest.mark.parametrize("locale", MEASURED)
def test_sentences_of_every_locale_have_ten_of_each_kind(locale: str) -> None:
    sentences = load_sentences(locale)
    for kind in KINDS:
        assert sum(s.kind == kind for s in sentences) >= 10
    texts = [s.text for s in sentences]
    assert len(set(texts)) == len(texts)
    assert all(s.text.strip() for s in sentences)


@pytest.mark.parametrize("locale", MEASURED)
def test_sentences_have_spoken_forms_in_plain_words_of_the_language(locale: str) -> None:
    language = locale.split("-", maxsplit=1)[0]
    for sentence in load_sentences(locale):
        for spoken in sentence.spoken:
            assert not any(c.isdigit() for c in spoken), spoken
            assert fold(spoken, language), spoken
            scripts = {unicodedata.name(c).split()[0] for c in spoken if c.isalpha()}
            assert scripts == {script_of(locale).upper()}, spoken


@pytest.mark.parametrize("locale", MEASURED)
def test_plain_sentences_need_no_normalizing(locale: str) -> None:
    plain = [s.text for s in load_sentences(locale) if s.kind == "plain"]
    assert not [text for text in plain if any(c.isdigit() or c in "@#%$€£₹/" for c in text)]


@pytest.mark.parametrize("locale", [locale for locale in MEASURED if not locale.startswith("ar")])
def test_stress_sentences_have_spoken_forms(locale: str) -> None:
    assert all(s.spoken for s in load_sentences(locale) if s.kind == "stress")


def test_load_sentences_keeps_both_kinds_in_a_part() -> None:
    assert [s.kind for s in load_sentences("en-US", 2)] == ["plain", "plain", "stress", "stress"]


def test_measured_locales_are_those_of_the_samples() -> None:
    models = load_voice_models([samples_folder() / "more-languages.yaml"])
    more = {voice.locale for model in models for voice in model.spec.voices}
    assert set(MEASURED) == {*LOCALES, *more}
