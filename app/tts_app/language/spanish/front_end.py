"""Spanish of Spain: es-ES.

Phonemes are espeak-ng's for `es` (Castilian: z and soft c are θ).
"""

from collections.abc import Sequence

from tts_app.language.base import TIE, FrontEnd
from tts_app.language.espeak import Espeak
from tts_app.language.markup.reader import ReadsMarkup
from tts_app.language.romanise import romanise
from tts_app.language.semiotics import normalise
from tts_app.language.spanish.agreement import agree
from tts_app.language.spanish.words import SpanishVerbaliser
from tts_app.language.spanish.written import say_written


class Spanish(ReadsMarkup):
    """The front-end of Spanish. Thread-safe."""

    locale = "es-ES"

    def __init__(self) -> None:
        """Start espeak-ng.

        Raises:
            EspeakError: the espeak-ng program is missing.
        """
        self.verbaliser = SpanishVerbaliser()
        self._espeak = Espeak("es", tie=TIE)

    def words(self, text: str) -> str:
        """Return `text` as Spanish words with . , ; : ? ! as the only punctuation."""
        spoken = normalise(say_written(text), self.verbaliser)
        return " ".join(romanise(agree(spoken)).split())

    def phonemise(self, texts: Sequence[str]) -> list[str]:
        """Return the phonemes of normalised texts in plain IPA."""
        return self._espeak.phonemise(texts)


def make_front_end(locale: str) -> FrontEnd:
    """Return the front-end of es-ES."""
    if locale != Spanish.locale:
        raise ValueError(f"Spanish is spoken as {Spanish.locale}, not {locale!r}.")
    return Spanish()
