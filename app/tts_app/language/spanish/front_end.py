"""Spanish of Spain: es-ES.

Phonemes are espeak-ng's for `es` (Castilian: z and soft c are θ), in the form in which Kokoro was trained
with them: misaki's map from espeak-ng's symbols.
"""

from collections.abc import Sequence

import regex

from tts_app.language.base import FrontEnd
from tts_app.language.espeak import Espeak
from tts_app.language.romanise import romanise
from tts_app.language.semiotics import normalise
from tts_app.language.spanish.agreement import agree, agree_ones, feminine
from tts_app.language.spanish.words import SpanishVerbaliser

_FEMININE_ORDINAL = regex.compile(r"(?<![\d.,])(\d{1,2})\.?ª(?! ?[CF])")
_SHORT_ORDINAL = regex.compile(r"(?<![\d.,])([13])(?:er|\.?º|\.er)(?= (?!de\b)\p{Ll})")
_KOKORO = (
    *(("a^ɪ", "I"), ("a^ʊ", "W"), ("d^z", "ʣ"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("o^ʊ", "O"), ("ə^ʊ", "Q")),
    *(("t^s", "ʦ"), ("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y"), ("^", ""), ("-", "")),
)
_SHORT_FORMS = {"1": "primer", "3": "tercer"}


class Spanish:
    """The front-end of Spanish. Thread-safe."""

    locale = "es-ES"

    def __init__(self) -> None:
        """Start espeak-ng.

        Raises:
            EspeakError: the espeak-ng program is missing.
        """
        self._verbaliser = SpanishVerbaliser()
        self._espeak = Espeak("es", tie="^")

    def normalise(self, text: str) -> str:
        """Return `text` as Spanish words with . , ; : ? ! as the only punctuation."""
        text = _SHORT_ORDINAL.sub(lambda match: _SHORT_FORMS[match[1]], text)
        text = _FEMININE_ORDINAL.sub(lambda match: self._ordinal_of_feminine(int(match[1])), text)
        spoken = normalise(agree_ones(text), self._verbaliser)
        return " ".join(romanise(agree(spoken)).split())

    def phonemise(self, texts: Sequence[str]) -> list[str]:
        """Return the phonemes of normalised texts in Kokoro's alphabet."""
        return [_in_kokoro(phonemes) for phonemes in self._espeak.phonemise(texts)]

    def _ordinal_of_feminine(self, value: int) -> str:
        words = self._verbaliser.ordinal(value).split(" ")
        return " ".join(f"{word[:-1]}a" if word.endswith("o") else feminine(word) for word in words)


def _in_kokoro(phonemes: str) -> str:
    for old, new in _KOKORO:
        phonemes = phonemes.replace(old, new)
    return phonemes


def make_front_end(locale: str) -> FrontEnd:
    """Return the front-end of es-ES."""
    if locale != Spanish.locale:
        raise ValueError(f"Spanish is spoken as {Spanish.locale}, not {locale!r}.")
    return Spanish()
