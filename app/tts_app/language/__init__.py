"""The text front-end: written text in, segments of spoken words and their phonemes out."""

from functools import cache
from importlib import import_module
from threading import Lock

from tts_app.language.base import FrontEnd
from tts_app.resources.locales import LOCALES, language_of

_making = Lock()


def front_end(locale: str) -> FrontEnd:
    """Return the text front-end of `locale`, made once a process: making one loads dictionaries and models.

    Raises:
        ValueError: no such locale; the message lists those there are.
    """
    if locale not in LOCALES:
        raise ValueError(f"No text front-end for {locale!r}. Allowed: {', '.join(LOCALES)}.")
    with _making:
        return _make(locale)


@cache
def _make(locale: str) -> FrontEnd:
    module = import_module(f"tts_app.language.{language_of(locale).front_end}.front_end")
    made: FrontEnd = module.make_front_end(locale)
    return made
