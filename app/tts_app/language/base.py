"""What a language package offers, and the spoken forms that the shared normaliser gets from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

TIE = "\N{COMBINING DOUBLE INVERTED BREVE}"
"""IPA's tie bar, which joins the letters of one sound."""


@dataclass(frozen=True, slots=True)
class Date:
    """A date as written: any part may be missing, but not all. `month` is 1-12, `weekday` 0 (Monday)-6."""

    day: int | None = None
    month: int | None = None
    year: int | None = None
    weekday: int | None = None
    day_first: bool = False
    """Whether the day was written before the name of the month: 3 May."""


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day as written. `hour` is 0-23 with `am`/`pm` applied; `twelve` says that one was given."""

    hour: int
    minute: int = 0
    second: int | None = None
    twelve: bool = False
    """Whether it was written with am/pm (or the language's own word): then speak the part of the day too."""


class Verbaliser(Protocol):
    """How one locale says what is written with digits and symbols.

    The shared normaliser (`semiotics`) finds such parts of the text and replaces them by what these methods
    return, with spaces around. They return plain words in the language's own script.
    """

    locale: str
    day_first: bool
    """Whether 03/04 is the third of April."""
    decimal_mark: str
    """`.` or `,`; the other one groups thousands."""

    def number(self, value: Decimal) -> str:
        """Say a cardinal, decimal or negative number."""
        ...

    def ordinal(self, value: int) -> str:
        """Say `1st`, `2nd`: an ordinal number."""
        ...

    def digits(self, digits: str) -> str:
        """Say digits one by one (ASCII digits in), as in phone numbers, codes and room numbers over 999."""
        ...

    def year(self, value: int) -> str:
        """Say a year."""
        ...

    def money(self, amount: Decimal, currency: str) -> str:
        """Say an amount. `currency` is a code of ISO 4217.

        Raises:
            KeyError: it has no name of its own for the currency: CLDR's is said (`currencies`).
        """
        ...

    def percent(self, value: Decimal) -> str:
        """Say a percentage."""
        ...

    def date(self, date: Date) -> str:
        """Say a date."""
        ...

    def time(self, time: Time) -> str:
        """Say a time of day."""
        ...

    def measure(self, amount: Decimal, unit: str) -> str:
        """Say a quantity. `unit` is a key of `notation.UNITS` (`km`, `celsius`) or two of them (`mb/s`).

        Raises:
            KeyError: it has no name of its own for the unit: CLDR's is said (`units`).
        """
        ...

    def span(self, first: str, second: str) -> str:
        """Say a range, such as 10-15, of two things that are already words."""
        ...

    def letters(self, letters: str) -> str:
        """Spell Latin letters one by one, as in acronyms and URLs."""
        ...

    def symbol(self, symbol: str) -> str:
        """Say a symbol between words: & + @ # = / * % . _ - : (`.` as in a URL); '' drops it."""
        ...

    def abbreviation(self, written: str) -> str | None:
        """Return the words of an abbreviation (`Dr.`, `St.`, `approx.`), or None when it is not one."""
        ...


def option(verbaliser: Verbaliser, name: str, default: Any) -> Any:
    """Return what the verbaliser offers beyond its Protocol, or the default."""
    return getattr(verbaliser, name, default)


class FrontEnd(Protocol):
    """One locale's text front-end. Thread-safe; its models are loaded when it is made."""

    locale: str
    verbaliser: Verbaliser

    def words(self, text: str) -> str:
        """Return text without markup as the words that are spoken, with . , ; : ? ! as the only punctuation.

        No digits, symbols, URLs, tags, emoji or words of other scripts are left: they are said or dropped.
        """
        ...

    def normalise(self, text: str) -> str:
        """Return what `words` makes of `text`, whose markup is read by the rules of plain text (`markup`)."""
        ...

    def phonemise(self, texts: Sequence[str]) -> list[str]:
        """Return the phonemes of each normalised text in plain IPA; an engine maps them to its own alphabet.

        The letters of an affricate or a diphthong are joined by `TIE` (t͡ʃ, a͡ɪ), the stress marks ˈ and ˌ
        are before the vowel, and a space separates words. Punctuation . , ; : ? ! is kept: models use it
        for phrasing.
        """
        ...
