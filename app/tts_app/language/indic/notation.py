"""What the rules of Hindi and Urdu look for: words that decide how the number beside them is said."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import regex

NUMBER = r"\d{1,15}+(?:[.,]\d{1,15}+){0,6}+"
START = r"(?<![\p{L}\p{M}\p{N}])"
END = r"(?![\p{L}\p{M}\p{N}])"
DASH = r"[ ]?[-–—][ ]?"
CLAUSE_START = r"(?:^|(?<=^[ ]{1,2}|[.!?,;:(\[\"'\n–—][ ]{0,2})|(?<=^-[ ]))"
CLAUSE_END = r"(?=[ ]*+(?:$|[.,;:?!)\]\"'\n–—]))"


@dataclass(frozen=True, slots=True)
class Notation:
    """The words of one language that give a number beside them its meaning."""

    scales: Mapping[str, tuple[str, int]]
    """Written scale words, and what is said and meant: `Lakhs` is a hundred thousand."""
    letter_scales: Mapping[str, tuple[str, int]]
    """Letters that are a scale only in an amount of money or after a decimal: 2.5k."""
    counted: tuple[str, ...]
    """Everyday things and units that are counted with halves and quarters."""
    codes: tuple[str, ...]
    """Words after which a number is a code, said digit by digit: OTP, account, PIN."""
    fillers: tuple[str, ...]
    """Words that may stand between such a word and its number: `OTP is 4521`."""
    number_words: tuple[str, ...]
    """`number`: a number of three digits or more beside it is said digit by digit."""
    call_words: tuple[str, ...]
    """Words of a sentence whose long numbers are telephone numbers."""
    to_call: str
    """A pattern for what follows a number that is called: `on 112 call`."""
    streets: tuple[str, ...]
    """Words that show that a part of a sentence is an address."""
    places: tuple[str, ...]
    """States and cities, after which a number of `postal_digits` digits is a postal code."""
    postal_digits: int
    year_before: tuple[str, ...]
    year_after: tuple[str, ...]
    """Words after which, or before which, a number from 1100 to 1899 is a year."""
    date_after: tuple[str, ...]
    """Words before which 3/10 is a date and no mark: `3/10 को`."""
    short_weekdays: Mapping[str, int]
    """Short names of weekdays, 0 (Monday) to 6, that are read only around a dash."""
    more_than: tuple[str, ...]
    """What makes `from 1500` an amount: `1500 से ज़्यादा`."""
    eras: Mapping[str, str]
    """Patterns of the marks after a year, and what they say."""
    decades: tuple[str, ...]
    """What makes a decade of a year, which then has no era."""
    titles: Mapping[str, str]
    """Abbreviated titles that are also words: they are titles only at the start of a clause."""
    postpositions: tuple[str, ...]
    """Words that put the ordinal before them into the oblique case."""
    rulers: tuple[str, ...]
    """Names and titles of rulers, after which a Roman numeral is an ordinal."""
    ruler_ordinals: Mapping[int, str]
    """The ordinals of rulers that are not those of other things."""
    parts: tuple[str, ...]
    """Words after which any Roman numeral is a number: chapter, part, war."""
    centuries: tuple[str, ...]
    century_ending: str
    """The words for century, and the ending of the ordinal before them."""
    masculine: str
    oblique: str
    """The ending of ordinals, and what it is before a postposition."""


def any_of(words: Iterable[str]) -> str:
    """Return a pattern for any of the words, the longest first."""
    return "|".join(regex.escape(word) for word in sorted(set(words), key=lambda word: (-len(word), word)))


def listed(words: str) -> tuple[str, ...]:
    """Return the words of a list that is one string, with a | or a line break between two of them."""
    return tuple(word.strip() for line in words.strip().splitlines() for word in line.split("|"))
