"""Pieces of a text that were put into words: joins them into ranges, and puts them back in place."""

from dataclasses import dataclass
from decimal import Decimal

import regex

from tts_app.language.base import Date, Time, Verbaliser, option

RANGED = frozenset({"number", "money", "measure", "percent", "time", "date", "ordinal", "decade", "lettered"})
"""Kinds of amounts that can be on both sides of a dash."""
_EQUALS = regex.compile(r" ?=")
_GOES_ON = regex.compile(r"-[\p{L}\p{N}]")
_LAST_WORD = regex.compile(r"([\p{L}\p{M}]++)[.:]? ?$")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the text and the words that replace it."""

    start: int
    end: int
    kind: str
    words: str
    value: Decimal | None = None
    unit: str = ""
    """The currency or unit of an amount."""
    when: Date | Time | None = None
    """The date or time that was read."""


def ranges(text: str, pieces: list[Piece], say: Verbaliser) -> list[Piece]:
    """Join two amounts around a dash into one range, or into a difference (1-2=5)."""
    out: list[Piece] = []
    index = 0
    while index < len(pieces):
        joined = _joined(text, pieces, index, say) if index + 2 < len(pieces) else None
        out.append(joined or pieces[index])
        index += 3 if joined else 1
    return out


def _joined(text: str, pieces: list[Piece], index: int, say: Verbaliser) -> Piece | None:
    first, dash, second = pieces[index : index + 3]
    if not _faces(text, first, dash, second):
        return None
    if _EQUALS.match(text, second.end):
        minus = say.symbol("−")
        return Piece(first.start, second.end, "number", f"{first.words} {minus} {second.words}", second.value)
    previous = pieces[index - 1] if index else None
    chained = previous is not None and previous.kind == "dash" and previous.end == first.start
    spaced = dash.start > first.end
    if chained or (not spaced and _GOES_ON.match(text, second.end)):
        return None  # a code: 1-413-te
    if first.kind == second.kind == "number":
        return _numbers(text, first, second, previous, say)
    if spaced and first.kind == "number" and not text[second.start].isdigit():
        return None  # Menu 3 - $200
    return Piece(first.start, second.end, "range", _range(first, second, say))


def _faces(text: str, first: Piece, dash: Piece, second: Piece) -> bool:
    """Return whether two amounts are on both sides of a dash, both close to it or both with a blank."""
    if dash.kind != "dash" or text[dash.start] == "—" or not {first.kind, second.kind} <= RANGED:
        return False
    before, after = text[first.end : dash.start], text[dash.end : second.start]
    return not before.strip(" ") and before == after


def _numbers(text: str, first: Piece, second: Piece, previous: Piece | None, say: Verbaliser) -> Piece | None:
    """Return the range of two plain numbers, or None where the dash is a pause, or a score's (3-1)."""
    low, high = first.value, second.value
    if low is None or high is None:
        return None
    dash = text[first.end : second.start]
    word = _LAST_WORD.search(text, max(0, first.start - 40), first.start)
    before = word[1].lower() if word else ""
    opens = previous is not None and previous.kind in {"weekday", "range"}
    hours = max(low, high) <= 12 and (opens or before in option(say, "opening_words", ()))
    season = 1900 <= low < 2100 and 10 <= high < 100 and high == low % 100 + 1
    rising = low < high and not (len(dash) > 1 and before in option(say, "place_words", ()))
    if not (rising or season or hours or dash == "–"):
        return None
    words = say.number(high) if season else second.words
    return Piece(first.start, second.end, "range", say.span(first.words, words))


def _range(first: Piece, second: Piece, say: Verbaliser) -> str:
    """Say a range of two amounts: what both have, such as their currency, once."""
    if isinstance(first.when, Time) and isinstance(second.when, Time) and hasattr(say, "time_span"):
        return str(say.time_span(first.when, second.when))
    if isinstance(second.when, Date):
        day = first.value
        if isinstance(first.when, Date):
            return say_date_span(first.when, second.when, say)
        if first.kind == "number" and day is not None and 0 < day < 32:
            start = Date(day=int(day), month=second.when.month, year=second.when.year)
            return say_date_span(start, second.when, say)
    return _amounts(first, second, say) or say.span(first.words, second.words)


def _amounts(first: Piece, second: Piece, say: Verbaliser) -> str | None:
    """Say a range of two amounts of one unit, or return None where they have not one unit in common."""
    low, high = first.value, second.value
    if low is None or high is None or (first.unit and second.unit and first.unit != second.unit):
        return None
    kinds = {first.kind, second.kind}
    if kinds <= {"money", "number"}:
        return say_money_span(low, high, "", first.unit or second.unit, say)
    if second.kind == "measure" and kinds <= {"measure", "number"}:
        return say_measure_span(low, high, second.unit, second.words, say)
    return say.span(say.number(low), second.words) if first.kind == second.kind and first.unit else None


def say_money_span(low: Decimal, high: Decimal, factor: str, currency: str, say: Verbaliser) -> str:
    """Say $3-5 million: by the verbaliser's own `money_span`, or the currency at the end."""
    if hasattr(say, "money_span"):
        return str(say.money_span(low, high, factor, currency))
    return say.span(say.number(low), say.money(high, currency))


def say_measure_span(low: Decimal, high: Decimal, unit: str, high_words: str, say: Verbaliser) -> str:
    """Say 10-15 km: by the verbaliser's own `measure_span`, or the unit at the end."""
    if hasattr(say, "measure_span"):
        return str(say.measure_span(low, high, unit))
    return say.span(say.number(low), high_words)


def say_date_span(first: Date, last: Date, say: Verbaliser) -> str:
    """Say May 5-7: by the verbaliser's own `date_span`, or what both have only once."""
    if hasattr(say, "date_span"):
        return str(say.date_span(first, last))
    if first.day and first.month == last.month and first.year == last.year:
        return say.span(say.date(Date(day=first.day)), say.date(last))
    return say.span(say.date(first), say.date(last))


def assemble(text: str, pieces: list[Piece]) -> str:
    """Return the text with each piece's part replaced by its words."""
    out = []
    end = 0
    for piece in pieces:
        out.append(text[end : piece.start])
        out.append(piece.words if piece.kind == "suffix" else f" {piece.words} ")
        end = piece.end
    return "".join([*out, text[end:]])
