"""Makes a front-end that reads markup of one that reads plain words."""

import logging
from abc import ABC, abstractmethod

import regex

from tts_app.language.base import Verbaliser
from tts_app.language.markup.latex import say_formula
from tts_app.language.markup.plain import parse_plain
from tts_app.language.markup.say_as import say_as
from tts_app.language.markup.spans import Span

_log = logging.getLogger(__name__)
_UNSAYABLE = (ArithmeticError, ValueError, TypeError, LookupError, RecursionError)
"""What a verbaliser raises for a value that it cannot put into words."""
_COMMANDS = regex.compile(r"\\[a-zA-Z]++|[\\{}^_$]")


class ReadsMarkup(ABC):
    """Base of the front-ends: gives them `normalise`, which reads a text's markup, then its `words`."""

    verbaliser: Verbaliser

    @abstractmethod
    def words(self, text: str) -> str:
        """Return text that holds no markup as the words that are spoken: see `base.FrontEnd`."""

    def normalise(self, text: str) -> str:
        """Return a text as people write it as the words that are spoken: see `base.FrontEnd`."""
        spans = parse_plain(text).spans
        if len(spans) == 1 and spans[0].is_words:
            return self.words(spans[0].text)
        return self.words("".join(written_out(span, self.verbaliser) for span in spans))


def written_out(span: Span, verbaliser: Verbaliser) -> str:
    """Return a span as text that a front-end's `words` reads: formulas and what SSML interprets in words.

    A text that is not what SSML's `say-as` calls it is read as any other.
    """
    if span.pause is not None:
        return " "
    try:
        if span.mathematics:
            return f" {say_formula(span.text, verbaliser)} "
        if span.say_as:
            return say_as(span.text, span.say_as, verbaliser) or span.text
    except _UNSAYABLE as error:
        # A value for which a language has no words must not cost the caller the whole text: its characters
        # are read as any others. The log tells of the gap, without the caller's text.
        _log.warning("%s has no words for a formula or say-as: %r", verbaliser.locale, type(error))
        return f" {_COMMANDS.sub(' ', span.text)} " if span.mathematics else span.text
    return span.text
