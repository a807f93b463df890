"""The audit's rows as chains, and how they are verified: pure.

Each writer, which is one run of a gateway or a command, writes one chain. A row has a MAC of its content, of
its place and of the MAC of the row before it. So whoever does not have the key can neither change a row nor
leave one out without being found. The end of a chain is protected by heads that are kept elsewhere (anchors),
and by the first row of a later chain, which names the newest row that it found.

No row holds text of a caller: objects are named by ids that the service made.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Literal

NOTHING = "0" * 64
"""The MAC before the first row of a database's first chain."""
_PURPOSE = b"ttsp audit chain 1"
_COMPARED = 100
"""Broken rows of a chain, and missing places, that are compared to find rows that were moved."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to which object, from where, with what outcome."""

    tenant: str
    """Empty: not known."""
    subject: str
    """`key:<id>`, `user:<sub of a token>`, `cli:<user>`, `api-key`, `anonymous`, or `ttsp` itself."""
    action: str
    object_kind: str
    object_id: str
    outcome: str
    """`done`; `began`, of an answer that is streamed; `refused`; `undone`."""
    address: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Row:
    """An entry in its place."""

    writer: str
    seq: int
    """Its number in the chain of `writer`, from 1."""
    time: int
    """Microseconds since the epoch."""
    tenant: str
    subject: str
    action: str
    object_kind: str
    object_id: str
    outcome: str
    address: str
    request_id: str
    prev: str
    """MAC of the row before it. Of a chain's first row: of the row that it continues."""
    mac: str
    """64 hexadecimal digits."""


COLUMNS = tuple(field.name for field in fields(Row))
"""What the table has, in the order in which the MAC takes it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of a chain, at some time."""

    writer: str
    seq: int
    mac: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with a chain."""

    kind: Literal["edited", "deleted", "reordered", "rewritten", "truncated", "missing"]
    writer: str
    seq: int | None
    """None: the whole chain."""
    message: str


BEGIN = "audit.begin"
"""The action of a chain's first row."""


def key_subject(key_id: str) -> str:
    """Return the subject of whoever calls with a key: the key's name is somebody's text, its id is not."""
    return f"key:{key_id}"


def chain_key(secret: bytes) -> bytes:
    """Return the key of the MACs, derived from the content of the key file."""
    return hmac.new(secret, _PURPOSE, hashlib.sha256).digest()


def mac_of(row: Row, key: bytes) -> str:
    """Return the MAC that a row must have: HMAC-SHA256 of a JSON array of its other columns, in order."""
    content = json.dumps([getattr(row, name) for name in COLUMNS[:-1]], separators=(",", ":"), default=repr)
    return hmac.new(key, content.encode("ascii"), hashlib.sha256).hexdigest()


def is_sound(row: Row, key: bytes) -> bool:
    """Return whether a row has the MAC of its content and place."""
    return hmac.compare_digest(str(row.mac).encode(), mac_of(row, key).encode())


def following(head: Head, entry: Entry, time: int, key: bytes) -> Row:
    """Return the row of `entry` that comes after `head`, at `time` in microseconds."""
    said = {field.name: getattr(entry, field.name) for field in fields(Entry)}
    row = Row(writer=head.writer, seq=head.seq + 1, time=time, **said, prev=head.mac, mac="")
    return replace(row, mac=mac_of(row, key))


def first_row(writer: str, continued: Head | None, host: str, time: int, key: bytes) -> Row:
    """Return the first row of a chain, which says which row it continues: the newest one that it found."""
    name = f"{continued.writer}:{continued.seq}" if continued else ""
    entry = Entry("", "ttsp", BEGIN, "row", name, "done", host, "")
    return following(Head(writer, 0, continued.mac if continued else NOTHING), entry, time, key)


def head_of(row: Row) -> Head:
    """Return the head that a chain has after `row`."""
    return Head(row.writer, row.seq, row.mac)


def continued_by(row: Row) -> Head | None:
    """Return the row that a chain's first row continues; None: there was none."""
    writer, _, seq = row.object_id.partition(":")
    return Head(writer, int(seq), row.prev) if row.action == BEGIN and seq.isdigit() else None


def verify(rows: Iterable[Row], heads: Iterable[Head], key: bytes) -> Iterator[Fault]:
    """Yield what is wrong with the chains. `rows` are sorted by writer and number.

    `heads` are known to have been there: anchors, and what the first rows of other chains continue.
    """
    known: dict[str, list[Head]] = {}
    for head in heads:
        known.setdefault(head.writer, []).append(head)
    for writer, chain in groupby(rows, key=lambda row: row.writer):
        yield from _verify_chain(chain, known.pop(writer, []), key)
    for writer, missing in sorted(known.items()):
        most = max(head.seq for head in missing)
        yield Fault("missing", writer, None, f"the whole chain is missing; it had at least {most} rows")


def _verify_chain(chain: Iterable[Row], heads: list[Head], key: bytes) -> Iterator[Fault]:
    wanted: dict[int, set[str]] = {}
    for head in heads:
        wanted.setdefault(head.seq, set()).add(head.mac)
    broken: list[Row] = []
    places: list[int] = []
    writer, last, before = "", 0, ""
    for row in chain:
        writer = row.writer
        if not isinstance(row.seq, int) or row.seq < 1:  # SQLite stores any type in any column
            yield Fault("edited", writer, None, f"a row has the number {row.seq!r}")
            continue
        if row.seq > last + 1:
            missing = f"row {last + 1} is" if row.seq == last + 2 else f"rows {last + 1} to {row.seq - 1} are"
            yield Fault("deleted", writer, last + 1, f"{missing} missing")
            places += range(last + 1, min(row.seq, last + 1 + _COMPARED))
            before = ""
        sound = is_sound(row, key)
        if not sound:
            broken.append(row)
        elif before and row.prev != before:
            yield Fault("rewritten", writer, row.seq, f"row {row.seq} does not follow row {row.seq - 1}")
        if sound and wanted.get(row.seq, {row.mac}) != {row.mac}:
            yield Fault("rewritten", writer, row.seq, f"row {row.seq} is not the one that was anchored")
        last, before = row.seq, row.mac if sound else ""
    yield from _faults_of(broken, places, key)
    most = max(wanted, default=0)
    if most > last:
        yield Fault("truncated", writer, last, f"the chain ends with row {last}, and row {most} was there")


def _faults_of(broken: list[Row], places: list[int], key: bytes) -> Iterator[Fault]:
    """Yield what happened to rows whose MAC is wrong: some are sound in the place of another."""
    others = [row.seq for row in broken[:_COMPARED]] + places[:_COMPARED]
    for number, row in enumerate(broken):
        tried = others if number < _COMPARED else []
        came_from = next((seq for seq in tried if is_sound(replace(row, seq=seq), key)), None)
        if came_from is None:
            message = f"row {row.seq} was edited: its MAC is not that of what it says"
            yield Fault("edited", row.writer, row.seq, message)
        else:
            message = f"row {row.seq} was row {came_from}"
            yield Fault("reordered", row.writer, row.seq, message)
