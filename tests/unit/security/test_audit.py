"""Chains of the audit: what was done to their rows afterwards is found, and which row it was."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import pytest

from tts_app.security.audit import (
    NOTHING,
    Entry,
    Head,
    Row,
    chain_key,
    continued_by,
    first_row,
    following,
    head_of,
    is_sound,
    mac_of,
    verify,
)

KEY = chain_key(b"secret")
ENTRY = Entry("hotel", "key:1", "speech.listen", "speech", "speech_1", "began", "192.0.2.1", "r")


def chain(writer: str, rows: int, continued: Head | None = None) -> list[Row]:
    made = [first_row(writer, continued, "host", 1_000, KEY)]
    while len(made) < rows:
        made.append(following(head_of(made[-1]), ENTRY, 1_000 + len(made), KEY))
    return made


def found(rows: Sequence[Row], heads: Sequence[Head] = ()) -> list[tuple[str, str, int | None]]:
    return [(fault.kind, fault.writer, fault.seq) for fault in verify(rows, heads, KEY)]


def swapped(rows: list[Row]) -> list[Row]:
    rows[3], rows[5] = replace(rows[5], seq=4), replace(rows[3], seq=6)
    return rows


def renumbered(rows: list[Row]) -> list[Row]:
    return [*rows[:3], *(replace(row, seq=row.seq - 1) for row in rows[4:])]


def remade(rows: list[Row]) -> list[Row]:
    """Row 4 changed by somebody who has the key, but does not change what follows."""
    edited = replace(rows[3], subject="somebody else")
    return [*rows[:3], replace(edited, mac=mac_of(edited, KEY)), *rows[4:]]


def test_verify_finds_nothing_in_whole_chains() -> None:
    first = chain("a", 8)
    second = chain("b", 1, head_of(first[-1]))
    assert second[0].prev == first[-1].mac
    assert continued_by(second[0]) == head_of(first[-1])
    assert first[0].prev == NOTHING
    assert continued_by(first[0]) is None
    assert found([*first, *second], [head_of(first[4]), head_of(first[-1]), head_of(second[0])]) == []
    assert found([]) == []


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (lambda rows: [*rows[:3], replace(rows[3], subject="x"), *rows[4:]], [("edited", "a", 4)]),
        (lambda rows: [*rows[:3], replace(rows[3], mac="0" * 64), *rows[4:]], [("edited", "a", 4)]),
        (lambda rows: [*rows[:3], *rows[4:]], [("deleted", "a", 4)]),
        (lambda rows: [*rows[:2], *rows[6:]], [("deleted", "a", 3)]),
        (lambda rows: rows[2:], [("deleted", "a", 1)]),
        (swapped, [("reordered", "a", 4), ("reordered", "a", 6)]),
        (renumbered, [("reordered", "a", 4), ("reordered", "a", 5), ("reordered", "a", 6),
                      ("edited", "a", 7), ("truncated", "a", 7)]),
        (remade, [("rewritten", "a", 5)]),
        (lambda rows: rows[:6], [("truncated", "a", 6)]),
        (lambda rows: [], [("missing", "a", None)]),
        (lambda rows: [*rows[:3], replace(rows[3], seq="4"), *rows[4:]],
         [("edited", "a", None), ("deleted", "a", 4)]),
    ],
)  # fmt: skip
def test_verify_finds_what_was_done(
    tamper: Callable[[list[Row]], list[Row]], expected: list[tuple[str, str, int | None]]
) -> None:
    rows = chain("a", 8)
    anchor = head_of(rows[-1])
    other = chain("b", 3)
    assert found([*tamper(rows), *other], [anchor]) == expected


@pytest.mark.parametrize("name", [field.name for field in fields(Row) if field.name != "seq"])
def test_verify_finds_an_edit_of_every_column(name: str) -> None:
    rows = chain("a", 3)
    value = getattr(rows[1], name)
    edited = replace(rows[1], **{name: value + 1 if isinstance(value, int) else f"{value}x"})
    assert not is_sound(edited, KEY)
    assert "edited" in [kind for kind, _, _ in found([rows[0], edited, rows[2]])]


def test_verify_does_not_confuse_columns_whose_texts_join_to_the_same() -> None:
    one = replace(ENTRY, action="ab", object_kind="c")
    other = replace(ENTRY, action="a", object_kind="bc")
    head = Head("a", 1, NOTHING)
    assert following(head, one, 1, KEY).mac != following(head, other, 1, KEY).mac


def test_verify_finds_a_chain_that_was_cut_below_what_a_later_one_continues() -> None:
    first = chain("a", 8)
    second = chain("b", 2, head_of(first[-1]))
    heads = [head for row in second[:1] if (head := continued_by(row))]
    assert found([*first[:5], *second], heads) == [("truncated", "a", 5)]
    assert found(second, heads) == [("missing", "a", None)]


def test_verify_finds_a_chain_that_was_written_anew_with_the_key() -> None:
    anchors = [head_of(row) for row in chain("a", 8)[3:5]]
    anew = chain("a", 3)
    while len(anew) < 9:
        anew.append(following(head_of(anew[-1]), replace(ENTRY, subject="else"), 1_000 + len(anew), KEY))
    assert found(anew, anchors) == [("rewritten", "a", 4), ("rewritten", "a", 5)]


def test_verify_needs_the_right_key() -> None:
    rows = chain("a", 2)
    faults = list(verify(rows, [], chain_key(b"another")))
    assert [fault.kind for fault in faults] == ["edited", "edited"]
