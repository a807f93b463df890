"""Urdu, spoken by Kokoro's Hindi voices: words in Urdu script, phonemes by way of Devanagari.

Urdu and Hindi share their sounds. The voices know them as espeak-ng writes them for Hindi, so Urdu words are
first spelled in Devanagari (`urdu.script`), short vowels and all, and then phonemised as Hindi is.
"""

from collections.abc import Sequence

from tts_app.language.base import FrontEnd
from tts_app.language.espeak import Espeak
from tts_app.language.hindi.latin import WORDS
from tts_app.language.hindi.letters import in_devanagari, load, phonemes_of_hindi
from tts_app.language.hindi.words import HINDI
from tts_app.language.indic.normaliser import IndicNormaliser, Script
from tts_app.language.indic.verbaliser import IndicVerbaliser
from tts_app.language.markup.reader import ReadsMarkup
from tts_app.language.urdu.honorifics import in_words
from tts_app.language.urdu.notation import (
    CENT_FORMS,
    CURRENCY_FORMS,
    DATE_WORDS,
    DIGIT_WORDS,
    MAGNITUDE_FORMS,
    MONTH_FORMS,
    OF_WORDS,
    PLACE_WORDS,
    UNCOUNTED_WORDS,
    UNIT_FORMS,
    URDU_NOTATION,
    WEEKDAY_FORMS,
)
from tts_app.language.urdu.script import normal, to_devanagari, to_urdu
from tts_app.language.urdu.words import URDU

NASTALIQ = Script(
    letters=r"[\p{Arabic}\p{Mn}]",
    other_word=r"\p{Devanagari}[\p{Devanagari}\p{Mn}\u200c\u200d]*+",
    ordinal_endings={
        "واں": "واں",
        "ویں": "ویں",
        **dict.fromkeys(("لا", "را", "تھا", "ٹھا"), "ا"),
        **dict.fromkeys(("لی", "ری", "تھی", "ٹھی"), "ی"),
        **dict.fromkeys(("لے", "رے", "تھے", "ٹھے"), "ے"),
    },
    masculine=("واں", "ا"),
    regular_endings={"ا": "واں", "ی": "ویں", "ے": "ویں"},
    either="یا",
    oblique_of="کے",
    both="اور",
    other_letters=("ڈبلیو", "آر", "کیو", "زی"),
    joint=" ",
)


def _is_spelled(word: str) -> bool:
    """Return whether a Latin word is said by its letters, which Urdu writes apart: USA."""
    return WORDS[word] == "".join(HINDI.letters.get(letter, "") for letter in word.upper())


class UrduVerbaliser(IndicVerbaliser):
    """A Verbaliser for Urdu, with the written forms that `semiotics` looks for."""

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
        super().__init__(URDU, {word: said for word, said in WORDS.items() if not _is_spelled(word)})


class UrduFrontEnd(ReadsMarkup):
    """A FrontEnd for ur-PK. Thread-safe."""

    def __init__(self, locale: str) -> None:
        """Raises EspeakError when the espeak-ng program is missing."""
        self.locale = locale
        self.verbaliser = UrduVerbaliser()
        self._normalise = IndicNormaliser(
            self.verbaliser,
            URDU,
            URDU_NOTATION,
            NASTALIQ,
            lambda word: to_urdu(in_devanagari(word)),
            to_urdu,
        )
        self._espeak = Espeak("hi")
        load()

    def words(self, text: str) -> str:
        """Return `text` as Urdu words; words of Latin letters and Devanagari are written in Urdu."""
        return normal(self._normalise(in_words(normal(text))))

    def phonemise(self, texts: Sequence[str]) -> list[str]:
        """Return the phonemes of each text as espeak-ng gives them for Hindi."""
        return phonemes_of_hindi(self._espeak, [to_devanagari(text) for text in texts])


def make_front_end(locale: str) -> FrontEnd:
    """Return the front-end of ur-PK."""
    return UrduFrontEnd(locale)
