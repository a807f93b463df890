"""Plain IPA in Kokoro's symbols."""

import pytest

from tts_app.engines.kokoro.alphabet import ARABIC, arabic_symbols, kokoro_symbols, mapped
from tts_app.language import front_end
from tts_app.manifests import load_voice_models

SPOKEN = sorted({voice.locale for model in load_voice_models() for voice in model.spec.voices})
"""The locales of the embedded VoiceModel, which is Kokoro's."""
VOCABULARY = set(
    ';:,.!?—…"()“” ̃ʣʥʦʨᵝꭧAIOQSTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻʁɽʂʃʈʧʊʋʌ'
    "ɣɤχʎʒʔˈˌːʰʲᵻ"
)
"""The model's symbols, as its vocab.json has them."""


@pytest.mark.parametrize(
    ("locale", "ipa", "symbols"),
    [
        ("en-US", "wˈɔɾəɹ bɹˈa͡ʊn ɡˌo͡ʊ ˈʔn", "wˈɔTəɹ bɹˈWn ɡˌO ˈtn"),
        ("en-GB", "d͡ʒˈɔ͡ɪ ə͡ʊ t͡ʃ ɾ", "ʤˈY Q ʧ ɾ"),
        ("en-AU", "ˌɑː dˈæ͡ɪ nˈɑ͡ɪt ɡˈə͡ʉ nˈæ͡ɔ", "ˌɑː dˈɛɪ nˈɑɪt ɡˈəʊ nˈæʊ"),
        ("es-ES", "el t͡ʃˈiko kɾuθˈo", "el ʧˈiko kɾuθˈo"),
        ("hi-IN", "ɡʰˈoːɽaː tʃ", "ɡʰˈoːr.aː tʃ"),
        ("ar-SA", "d͡ʒˈamal qˈɑlb ʕajn iːd u", "ʤˈamal kˈɑlb ajn iːd ʊ"),
        ("ar-EG", "ilʔˈoːdˤɑ, ħˈuruːb.", "ɪlˈoːdɑ, hˈʊruːb."),
        ("fr-FR", "bɔ̃ʒˈuʁ, s͡x ɽ ʔ", "bɔ̃ʒˈuʁ, sx ɽ ʔ"),
        ("en-US", "", ""),
    ],
)
def test_kokoro_symbols_replaces_ipa(locale: str, ipa: str, symbols: str) -> None:
    assert kokoro_symbols(ipa, locale) == symbols


def test_kokoro_symbols_leaves_symbols_as_they_are() -> None:
    """An older gateway sends symbols instead of IPA."""
    assert kokoro_symbols("wˈɔTəɹ bɹˈWn ʤˈY", "en-US") == "wˈɔTəɹ bɹˈWn ʤˈY"


@pytest.mark.parametrize("locale", SPOKEN)
def test_kokoro_symbols_of_each_front_end_are_in_the_vocabulary(locale: str) -> None:
    front = front_end(locale)
    texts = {
        "en": "The quick brown fox's joys: 20 chairs, our day! Zorblat, bluewaterlodge.",
        "es": "El chico cruzó la calle, ¡qué perro! Aula, whisky, 5 km.",
        "hi": "घोड़ा पढ़ना, ज़िंदगी! 45 km चाय",
        "ur": "ہمارے ہوٹل میں خوش آمدید, گھوڑا! 5 km",
        "ar": "القاهرة قلب ضيوف، مطعم؟ غرفة چ ژ 5 كم",
    }
    (phonemes,) = front.phonemise([front.normalise(texts[locale[:2]])])
    symbols = kokoro_symbols(phonemes, locale)
    assert set(symbols) <= VOCABULARY, set(symbols) - VOCABULARY
    assert len(symbols) > 20


def test_mapped_replaces_symbols_by_a_given_table() -> None:
    assert mapped("qˈɑlb d͡ʒ", {**ARABIC, "q": "q", "d͡ʒ": "ʒ"}) == "qˈɑlb ʒ"


@pytest.mark.parametrize(
    ("own", "symbols"),
    [
        ("ʕħ", "ʕˈajn ħuruːb ʤamal qɑlb ʔana sɑ"),
        ("", "ˈajn huruːb ʤamal qɑlb ʔana sɑ"),
        ("ʕħˤ", "ʕˈajn ħuruːb ʤamal qɑlb ʔana sˤɑ"),
    ],
)
def test_arabic_symbols_keeps_what_the_checkpoint_was_trained_on(own: str, symbols: str) -> None:
    assert arabic_symbols(VOCABULARY | set(own))("ʕˈajn ħuruːb d͡ʒamal qɑlb ʔana sˤɑ") == symbols


@pytest.mark.parametrize("locale", [locale for locale in SPOKEN if locale.startswith("ar")])
def test_arabic_symbols_of_the_front_end_are_in_the_vocabulary(locale: str) -> None:
    front = front_end(locale)
    vocabulary = VOCABULARY | {"ʕ", "ħ"}
    (phonemes,) = front.phonemise([front.normalise("القاهرة قلب ضيوف، مطعم؟ غرفة حلوة على البحر 5 كم")])
    symbols = arabic_symbols(vocabulary)(phonemes)
    assert set(symbols) <= vocabulary, set(symbols) - vocabulary
    assert {"ʕ", "ħ"} <= set(symbols)
