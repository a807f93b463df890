"""The text front-end: turns written text into segments of spoken words and their phonemes."""

from functools import cache
from importlib import import_module
from threading import Lock

from tts_app.language.base import FrontEnd
from tts_app.resources.locales import LOCALES, canonical_locale, explain_unreadable, is_readable, language_of

_making = Lock()


def front_end(locale: str) -> FrontEnd:
    """Return the text front-end of `locale`, made once per process: making one loads dictionaries and models.

    espeak-ng reads a locale that has no front-end of its own.

    Raises:
        ValueError: it is no locale, or espeak-ng does not read it either; the message says what is read.
        EspeakError: the espeak-ng program is missing.
    """
    locale = canonical_locale(locale)
    if not is_readable(locale):
        raise ValueError(explain_unreadable([locale]))
    with _making:
        return _make(locale)


@cache
def _make(locale: str) -> FrontEnd:
    package = language_of(locale).front_end if locale in LOCALES else "generic"
    module = import_module(f"tts_app.language.{package}.front_end")
    made: FrontEnd = module.make_front_end(locale)
    return made
