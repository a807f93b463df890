"""Hindi: words in Devanagari, phonemes by espeak-ng."""

from collections.abc import Sequence

from tts_app.language.base import FrontEnd
from tts_app.language.espeak import Espeak
from tts_app.language.hindi.latin import WORDS
from tts_app.language.hindi.letters import in_devanagari, load, phonemes_of_hindi
from tts_app.language.hindi.notation import (
    CENT_FORMS,
    CURRENCY_FORMS,
    DATE_WORDS,
    DIGIT_WORDS,
    HINDI_NOTATION,
    MAGNITUDE_FORMS,
    MONTH_FORMS,
    OF_WORDS,
    PLACE_WORDS,
    UNCOUNTED_WORDS,
    UNIT_FORMS,
    WEEKDAY_FORMS,
)
from tts_app.language.hindi.words import HINDI
from tts_app.language.indic.normaliser import IndicNormaliser, Script
from tts_app.language.indic.verbaliser import IndicVerbaliser
from tts_app.language.markup.reader import ReadsMarkup
from tts_app.language.urdu.script import to_devanagari

DEVANAGARI = Script(
    letters=r"\p{Devanagari}",
    other_word=r"\p{Arabic}[\p{Arabic}\p{Mn}]*+",
    ordinal_endings={
        **dict.fromkeys(("वाँ", "वां", "वा"), "वाँ"),
        **dict.fromkeys(("वीं", "वी"), "वीं"),
        **dict.fromkeys(("वें", "वे"), "वें"),
        **dict.fromkeys(("ला", "रा", "था", "ठा"), "ा"),
        **dict.fromkeys(("ली", "री", "थी", "ठी"), "ी"),
        **dict.fromkeys(("ले", "रे", "थे", "ठे"), "े"),
    },
    masculine=("वाँ", "ा"),
    regular_endings={"ा": "वाँ", "ी": "वीं", "े": "वें"},
    either="या",
    oblique_of="के",
    both="और",
    other_letters=("एफ", "क्यु", "जेड", "डब्लू", "ऐ", "ऐस", "ऐम", "ऐन", "ऐल"),
    joint="",
)


class HindiVerbaliser(IndicVerbaliser):
    """A Verbaliser for Hindi, with the written forms that `semiotics` looks for."""

    unit_forms = UNIT_FORMS
    currency_forms = CURRENCY_FORMS
    month_forms = MONTH_FORMS
    weekday_forms = WEEKDAY_FORMS
    magnitude_forms = MAGNITUDE_FORMS
    digit_words = DIGIT_WORDS
    place_words = PLACE_WORDS
    uncounted_words = UNCOUNTED_WORDS
    date_words = DATE_WORDS
    of_words = OF_WORDS
    cent_forms = CENT_FORMS

    def __init__(self) -> None:
        super().__init__(HINDI, WORDS)


class HindiFrontEnd(ReadsMarkup):
    """A FrontEnd for hi-IN. Thread-safe."""

    def __init__(self, locale: str) -> None:
        """Raises EspeakError when the espeak-ng program is missing."""
        self.locale = locale
        self.verbaliser = HindiVerbaliser()
        self._normalise = IndicNormaliser(
            self.verbaliser, HINDI, HINDI_NOTATION, DEVANAGARI, in_devanagari, to_devanagari
        )
        self._espeak = Espeak("hi")
        load()

    def words(self, text: str) -> str:
        """Return `text` as Hindi words; words of Latin and Urdu letters are written in Devanagari."""
        return self._normalise(text)

    def phonemise(self, texts: Sequence[str]) -> list[str]:
        """Return the phonemes of each text as espeak-ng gives them."""
        return phonemes_of_hindi(self._espeak, texts)


def make_front_end(locale: str) -> FrontEnd:
    """Return the front-end of hi-IN."""
    return HindiFrontEnd(locale)
