"""Roman numerals: of rulers (Louis XIV), centuries (XXI) and parts (chapter IV)."""

from decimal import Decimal

import regex

from tts_app.language.indic.notation import END, START, Notation, any_of
from tts_app.language.indic.verbaliser import IndicVerbaliser

_ROMAN = r"X{0,3}(?:IX|IV|V?I{0,3})"
"""1 to 39 (or nothing). Higher ones look like initials: CD, MD, XL."""
_VALUES = {"I": 1, "V": 5, "X": 10}
_NAME = r"[\p{L}\p{M}]{2,30}+"


class Numerals:
    """Writes out the Roman numerals that their neighbours show to be such."""

    def __init__(self, verbaliser: IndicVerbaliser, notation: Notation) -> None:
        self._say = verbaliser
        self._notation = notation
        self._rulers = frozenset(notation.rulers)
        self._parts = frozenset(notation.parts)
        self._after = regex.compile(
            rf"{START}(?P<before>(?:{_NAME}[ ])?(?P<word>{_NAME}))[ -](?P<roman>(?=[XVI]){_ROMAN}){END}"
            rf"(?P<oblique>(?=[ ](?:{any_of(notation.postpositions)}){END}))?"
        )
        self._century = regex.compile(
            rf"{START}(?P<roman>(?=[XVI]){_ROMAN})[ -]?(?:{notation.century_ending}|th|st|nd|rd)?"
            rf"(?=[ ](?:{any_of(notation.centuries)}){END})"
        )

    def __call__(self, text: str) -> str:
        """Return `text` with such numerals in words."""
        text = self._century.sub(self._of_a_century, text)
        return self._after.sub(self._of_a_name, text)

    def _of_a_century(self, match: "regex.Match[str]") -> str:
        said = self._say.native_ordinal(_value(match["roman"]))
        return f"{said.removesuffix(self._notation.masculine)}{self._notation.century_ending}"

    def _of_a_name(self, match: "regex.Match[str]") -> str:
        roman, word = match["roman"], match["word"]
        value = _value(roman)
        names = match["before"].split(" ")
        if any(name in self._rulers for name in names) and word not in self._parts:
            said = self._notation.ruler_ordinals.get(value) or self._ordinal(
                value, match["oblique"] is not None
            )
        elif word in self._parts or (len(roman) > 1 and not word.isascii()):
            said = self._say.number(Decimal(value))
        else:
            return match[0]
        return f"{match['before']} {said}"

    def _ordinal(self, value: int, oblique: bool) -> str:
        said = self._say.native_ordinal(value)
        return f"{said.removesuffix(self._notation.masculine)}{self._notation.oblique}" if oblique else said


def _value(roman: str) -> int:
    values = [_VALUES[letter] for letter in roman]
    return sum(-value if value < max(values[at:]) else value for at, value in enumerate(values))
