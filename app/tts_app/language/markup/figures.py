"""Numbers in formulas and in `say-as`: only those that every language says at once are numbers here."""

from decimal import Decimal

import regex

from tts_app.language.text import ascii_digits

_LONGEST = 60
"""Characters of what may be a number."""
_NUMBER = regex.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
"""No exponent and no infinity: the digits of 1e999999 alone take a minute."""
_GROUPED = {
    mark: regex.compile(rf"-?[1-9][0-9]{{0,2}}(?:\{mark}[0-9]{{2,3}})*\{mark}[0-9]{{3}}(?:[^\{mark}]++)?")
    for mark in ".,"
}
"""1,000 and 1,00,000, by the mark that groups thousands."""
_MINUS = "\N{MINUS SIGN}"


def number_of(written: str, decimal_mark: str) -> Decimal | None:
    """Return the number that is written, with its thousands grouped or not; None: it is no number."""
    if len(written) > _LONGEST:
        return None
    digits = ascii_digits(written).strip().replace(_MINUS, "-")
    grouping = "," if decimal_mark == "." else "."
    if _GROUPED[grouping].fullmatch(digits):
        digits = digits.replace(grouping, "")
    digits = digits.replace(decimal_mark, ".")
    return Decimal(digits) if _NUMBER.fullmatch(digits) else None
