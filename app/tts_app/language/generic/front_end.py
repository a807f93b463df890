"""The front-end of every locale that has none of its own: espeak-ng reads it, in preview quality.

Web addresses, tags, emoji and phone numbers are handled as for any language; num2words says whole numbers
where it has the language. What then has no words - decimals, times, signs, and numbers of other languages -
stays as written, because espeak-ng's voice reads it in its own language.
"""

from collections.abc import Sequence

from tts_app.language.base import TIE, FrontEnd, Verbaliser
from tts_app.language.espeak import Espeak
from tts_app.language.generic.verbaliser import GenericVerbaliser
from tts_app.language.markup.reader import ReadsMarkup
from tts_app.language.romanise import romanise
from tts_app.language.semiotics import normalise
from tts_app.resources.locales import espeak_voice, script_of


class GenericFrontEnd(ReadsMarkup):
    """The front-end of one locale that espeak-ng reads. Thread-safe."""

    def __init__(self, locale: str, verbaliser: Verbaliser | None = None) -> None:
        """Start espeak-ng. `verbaliser` is the locale's own, where it has one.

        Raises:
            EspeakError: the espeak-ng program is missing, or older than the table of its voices.
        """
        self.locale = locale
        self.verbaliser = verbaliser or GenericVerbaliser(locale)
        self._is_latin = script_of(locale) == "Latin"
        self._espeak = Espeak(espeak_voice(locale), tie=TIE)

    def words(self, text: str) -> str:
        """Return `text` as words, with . , ; : ? ! as the only punctuation, and numbers for espeak-ng."""
        spoken = normalise(text, self.verbaliser)
        return " ".join((romanise(spoken) if self._is_latin else spoken).split())

    def phonemise(self, texts: Sequence[str]) -> list[str]:
        """Return the phonemes of normalised texts in plain IPA."""
        return self._espeak.phonemise(texts)


def make_front_end(locale: str) -> FrontEnd:
    """Return the front-end of a locale that espeak-ng has a voice for."""
    return GenericFrontEnd(locale)
