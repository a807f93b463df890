"""Spanish of Spain: es-ES.

Phonemes are espeak-ng's for `es` (Castilian: z and soft c are θ).
"""

from collections.abc import Sequence

import regex

from tts_app.language.base import TIE, FrontEnd
from tts_app.language.espeak import Espeak
from tts_app.language.markup.reader import ReadsMarkup
from tts_app.language.romanise import romanise
from tts_app.language.semiotics import normalise
from tts_app.language.spanish.agreement import agree, agree_ones, feminine
from tts_app.language.spanish.words import SpanishVerbaliser

_FEMININE_ORDINAL = regex.compile(r"(?<![\d.,])(\d{1,2})\.?ª(?! ?[CF])")
_SHORT_ORDINAL = regex.compile(r"(?<![\d.,])([13])(?:er|\.?º|\.er)(?= (?!de\b)\p{Ll})")
_SHORT_FORMS = {"1": "primer", "3": "tercer"}


class Spanish(ReadsMarkup):
    """The front-end of Spanish. Thread-safe."""

    locale = "es-ES"

    def __init__(self) -> None:
        """Start espeak-ng.

        Raises:
            EspeakError: the espeak-ng program is missing.
        """
        self._verbaliser = SpanishVerbaliser()
        self._espeak = Espeak("es", tie=TIE)

    def words(self, text: str) -> str:
        """Return `text` as Spanish words with . , ; : ? ! as the only punctuation."""
        text = _SHORT_ORDINAL.sub(lambda match: _SHORT_FORMS[match[1]], text)
        text = _FEMININE_ORDINAL.sub(lambda match: self._ordinal_of_feminine(int(match[1])), text)
        spoken = normalise(agree_ones(text), self._verbaliser)
        return " ".join(romanise(agree(spoken)).split())

    def phonemise(self, texts: Sequence[str]) -> list[str]:
        """Return the phonemes of normalised texts in plain IPA."""
        return self._espeak.phonemise(texts)

    def _ordinal_of_feminine(self, value: int) -> str:
        words = self._verbaliser.ordinal(value).split(" ")
        return " ".join(f"{word[:-1]}a" if word.endswith("o") else feminine(word) for word in words)


def make_front_end(locale: str) -> FrontEnd:
    """Return the front-end of es-ES."""
    if locale != Spanish.locale:
        raise ValueError(f"Spanish is spoken as {Spanish.locale}, not {locale!r}.")
    return Spanish()
