"""What is known about a plan's items: the ledger's last record of each file, checked against the files."""

import hashlib
import json
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tts_app.batch.hashes import MARK, start_of, with_keyed_hashes
from tts_app.batch.plan import Item, Plan
from tts_app.batch.spool import spool
from tts_app.storage.output import Output, Segment


@dataclass(frozen=True, slots=True)
class Done:
    """An item whose audio is in the output."""

    file: str
    key: str
    sha256: str
    """Of the audio."""
    bytes: int
    seconds: float
    post: int
    avatar: str
    model: str
    text_hmac: str
    """Keyed hash of the text (`tts_app.batch.hashes`)."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An item that failed after every retry."""

    file: str
    key: str
    post: int
    avatar: str
    reason: str
    message: str
    job: str
    """The job whose item it was: another job tries it again."""


class Ledger:
    """The ledger of one output, for the items of one plan. Blocking: call it in a thread.

    It takes 24 bytes an item, and keeps a record of each text that occurs several times.
    """

    def __init__(self, output: Output, plan: Plan) -> None:
        self._output = output
        self._plan = plan
        self._segment: Segment | None = None
        size = len(plan.keys)
        self._done, self._files = array("Q", bytes(8 * size)), array("Q", bytes(8 * size))
        self._failed: dict[int, Failed] = {}
        self._present = array("Q")
        self._shared: set[int] = set()
        self._originals: dict[str, Done] = {}

    def key_hashes(self) -> None:
        """Have the plan use the output's secret; write records of an earlier version with keyed hashes.

        Only for the holder of the lock.

        Raises:
            OSError: secret or ledger cannot be read or written: it can be tried again.
            LockedError: another driver has taken over.
        """
        self._plan.use_secret(self._output.secret(make=True))
        if not all(map(_has_keyed_hashes, self._output.segments())):
            self._output.rewrite_segments(self._with_keyed_hashes)

    def _with_keyed_hashes(self, line: bytes) -> bytes:
        """Return a line with keyed hashes; nothing for one that cannot be read."""
        record = _record(line)
        if record is None:
            return b""
        known = with_keyed_hashes(self._plan.secret, record)
        return line if known is record else _line(known)

    def load(self) -> None:
        """Read the ledger and the list of files. Raises OSError."""
        self._present = self._marks()
        self._shared = self._plan.shared_keys()
        for _, record in read_records(self._output, self._plan.secret):
            number = self._plan.number(record["post"], record["avatar"], record["file"])
            if number is None:
                continue
            self._failed.pop(number, None)
            self._done[number] = 0
            if "reason" in record:
                self._failed[number] = Failed(**record)
            else:
                self._note(number, record["key"], record["file"], record["bytes"])
                start = start_of(record["key"])
                # Of several files with that audio, keep one that exists and will not be replaced.
                if (
                    start in self._shared
                    and self._is_done(number, record["key"])
                    and start == self._plan.keys[number]
                ):
                    self._originals[record["key"]] = Done(**record)

    def has(self, item: Item) -> bool:
        """Return whether the item's audio, as it is planned now, is in the output."""
        return self._is_done(item.number, item.key)

    def count(self) -> int:
        """Return for how many items `has` is true; computed for all at once."""
        if not self._present:
            return 0
        keys, done, files, present = (
            np.frombuffer(column, dtype=np.uint64)
            for column in (self._plan.keys, self._done, self._files, self._present)
        )
        marks = files[(done == keys) & (keys != 0)]
        places = np.searchsorted(present, marks).clip(max=len(present) - 1)
        return int(np.count_nonzero(present[places] == marks))

    def original(self, key: str) -> Done | None:
        """Return, and forget, the record of an earlier file that has the audio of a shared key."""
        done = self._originals.pop(key, None)
        if done is None:
            return None
        number = self._plan.number(done.post, done.avatar, done.file)
        there = number is not None and self._is_done(number, key)
        return done if there else None

    def failure(self, item: Item) -> Failed | None:
        """Return how the item, as it is now, failed before."""
        failed = self._failed.get(item.number)
        return failed if failed is not None and failed.key == item.key else None

    def failures(self, job: str) -> list[Failed]:
        """Return how items, as they are now, failed in that job before, in the plan's order."""
        return [
            failed
            for number, failed in sorted(self._failed.items())
            if failed.job == job and start_of(failed.key) == self._plan.keys[number]
        ]

    def commit(self, records: Sequence[Done | Failed]) -> None:
        """Add records; they are durable when this returns. Raises OSError."""
        if self._segment is None:
            self._segment = self._output.new_segment()
        self._segment.append([_line(asdict(record)) for record in records])

    def close(self) -> None:
        """End the segment that this driver wrote."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def finished(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yield the last record of each item that is done, as a line and parsed, in the plan's order.

        It reads the ledger and the list of files again, so it includes what was committed meanwhile.

        Raises:
            OSError: they cannot be read.
            SpoolError: the folder for temporary files cannot be written.
        """
        present = self._marks()
        last = array("q", [-1]) * len(self._plan.keys)
        with spool() as lines:
            for line, record in read_records(self._output, self._plan.secret):
                number = self._plan.number(record["post"], record["avatar"], record["file"])
                if number is None:
                    continue
                last[number] = -1
                if "reason" in record or start_of(record["key"]) != self._plan.keys[number]:
                    continue
                if _is_in(present, _mark(record["file"], record["bytes"])):
                    last[number] = lines.tell()
                    lines.write(line)
            for place in last:
                if place >= 0:
                    lines.seek(place)
                    line = lines.readline()
                    yield line, json.loads(line)

    def _marks(self) -> "array[int]":
        """Return the mark of each file in the output, sorted."""
        marks = np.fromiter((_mark(*entry) for entry in self._output.sizes()), dtype=np.uint64)
        marks.sort()
        return array("Q", marks.tobytes())

    def _is_done(self, number: int, key: str) -> bool:
        return self._done[number] == start_of(key) and _is_in(self._present, self._files[number])

    def _note(self, number: int, key: str, file: str, size: int) -> None:
        self._done[number] = start_of(key)
        self._files[number] = _mark(file, size)


def read_records(output: Output, secret: bytes) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield the ledger's lines and records, oldest first, as far as they can be read. Raises OSError.

    All have keyed hashes with this `secret`, those of an earlier version too. A driver that was killed may
    have left half a line at its segment's end.
    """
    for segment in output.segments():
        for line in segment:
            record = _record(line)
            if record is not None:
                known = with_keyed_hashes(secret, record)
                yield (line if known is record else _line(known)), known


def _line(record: Mapping[str, Any]) -> bytes:
    line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return (
        line.encode(errors="backslashreplace") + b"\n"
    )  # half a surrogate pair in a message becomes a JSON escape


_DONE = set(Done.__dataclass_fields__)
_FIELDS = (_DONE, set(Failed.__dataclass_fields__), _DONE - {"text_hmac"} | {"text_sha256"})
"""The fields of a record; the last are those of an earlier version."""


_USED: dict[str, type] = {
    "file": str,
    "key": str,
    "post": int,
    "avatar": str,
    "bytes": int,
    "text_sha256": str,
}
"""The fields that are used, with their types: a record may have been edited by hand."""


def _record(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
        whole = (
            isinstance(record, dict)
            and set(record) in _FIELDS
            and all(isinstance(record.get(field, kind()), kind) for field, kind in _USED.items())
            and start_of(record["key"]) > 0
        )
    except (ValueError, RecursionError):
        return None
    return record if whole else None


def _has_keyed_hashes(segment: Iterator[bytes]) -> bool:
    """Return whether no earlier version wrote a segment: one driver wrote all of it."""
    records = (record for line in segment if (record := _record(line)) is not None)
    first = next(records, None)
    return first is None or first["key"].startswith(MARK)


def _is_in(marks: "array[int]", mark: int) -> bool:
    place = bisect_left(marks, mark)
    return place < len(marks) and marks[place] == mark


def _mark(file: str, size: int) -> int:
    """Return 64 bits for a file's name and size; the name of another program's file may not be UTF-8."""
    named = f"{file}:{size}".encode(errors="surrogateescape")
    return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest(), "big")
