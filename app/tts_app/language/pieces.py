"""Pieces of a text that were put into words: joins them into ranges, and puts them back in place."""

from dataclasses import dataclass
from decimal import Decimal

from tts_app.language.base import Date, Verbaliser

RANGED = frozenset({"number", "money", "measure", "percent", "time", "date", "ordinal"})
"""Kinds of amounts that can be on both sides of a dash."""


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


def ranges(text: str, pieces: list[Piece], say: Verbaliser) -> list[Piece]:
    """Join two amounts around a dash into one range."""
    out: list[Piece] = []
    index = 0
    while index < len(pieces):
        if index + 2 < len(pieces):
            joined = _range(text, pieces[index], pieces[index + 1], pieces[index + 2], say)
            chained = (
                index > 0
                and pieces[index - 1].kind == "dash"
                and pieces[index - 1].end == pieces[index].start
            )
            if joined and not chained:
                out.append(joined)
                index += 3
                continue
        out.append(pieces[index])
        index += 1
    return out


def _range(text: str, first: Piece, dash: Piece, second: Piece, say: Verbaliser) -> Piece | None:
    if dash.kind != "dash" or not {first.kind, second.kind} <= RANGED:
        return None
    before, after = text[first.end : dash.start], text[dash.end : second.start]
    if before.strip(" ") or after.strip(" ") or before != after:
        return None
    low, high = first.words, second.words
    if first.kind == second.kind == "number":
        rising = first.value is not None and second.value is not None and first.value < second.value
        if not rising and text[dash.start] == "-":
            return None
    elif first.value is not None and second.value is not None:
        if first.unit and second.unit and first.unit == second.unit:
            low = say.number(first.value)
        elif first.kind == "money" and second.kind == "number":
            low, high = say.number(first.value), say.money(second.value, first.unit)
    elif (
        first.kind == "number" and second.kind == "date" and first.value is not None and 0 < first.value < 32
    ):
        low = say.date(Date(day=int(first.value)))
    return Piece(first.start, second.end, "range", say.span(low, high))


def assemble(text: str, pieces: list[Piece]) -> str:
    """Return the text with each piece's part replaced by its words."""
    out = []
    end = 0
    for piece in pieces:
        out.append(text[end : piece.start])
        out.append(piece.words if piece.kind == "suffix" else f" {piece.words} ")
        end = piece.end
    return "".join([*out, text[end:]])
