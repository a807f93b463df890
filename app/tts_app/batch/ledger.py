"""What is known of a plan's items: the ledger's last word on each file, held against the files there are."""

import hashlib
import json
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from tts_app.batch.plan import Item, Plan, start_of
from tts_app.storage.output import Output, Segment


@dataclass(frozen=True, slots=True)
class Done:
    """An item whose audio is in the output."""

    file: str
    key: str
    sha256: str
    bytes: int
    seconds: float
    post: int
    avatar: str
    model: str
    text_sha256: str


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
    """The ledger of one output, as far as a plan's items are in it. Blocking: call it in a thread.

    It takes 24 bytes an item.
    """

    def __init__(self, output: Output, plan: Plan) -> None:
        self._output = output
        self._plan = plan
        self._segment: Segment | None = None
        size = len(plan.keys)
        self._done, self._files = array("Q", bytes(8 * size)), array("Q", bytes(8 * size))
        self._failed: dict[int, Failed] = {}
        self._present = array("Q")

    def load(self) -> None:
        """Read the ledger and the list of files. Raises OSError."""
        for _, record in self._records():
            number = self._plan.number(record["post"], record["avatar"])
            if number is None:
                continue
            self._failed.pop(number, None)
            self._done[number] = 0
            if "reason" in record:
                self._failed[number] = Failed(**record)
            else:
                self._note(number, record["key"], record["file"], record["bytes"])
        sizes = np.fromiter((_mark(*entry) for entry in self._output.sizes()), dtype=np.uint64)
        sizes.sort()
        self._present = array("Q", sizes.tobytes())

    def has(self, item: Item) -> bool:
        """Whether the item's audio, and no other, is in the output."""
        if self._done[item.number] != start_of(item.key):
            return False
        mark = self._files[item.number]
        place = bisect_left(self._present, mark)
        return place < len(self._present) and self._present[place] == mark

    def failure(self, item: Item) -> Failed | None:
        """Return how the item, as it is now, failed before."""
        failed = self._failed.get(item.number)
        return failed if failed is not None and failed.key == item.key else None

    def commit(self, records: Sequence[Done | Failed]) -> None:
        """Add records; they are durable when this returns. Raises OSError."""
        if self._segment is None:
            self._segment = self._output.new_segment()
        self._segment.append([_line(record) for record in records])

    def close(self) -> None:
        """End the segment that this driver wrote."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def finished(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yield the last word on each item that is done, as a line and as a record, in the plan's order.

        It reads the ledger once more: what was committed meanwhile is in it.
        """
        last = array("q", [-1]) * len(self._plan.keys)
        with tempfile.TemporaryFile() as spool:
            for line, record in self._records():
                number = self._plan.number(record["post"], record["avatar"])
                if number is None or start_of(record["key"]) != self._plan.keys[number]:
                    continue
                last[number] = -1 if "reason" in record else spool.tell()
                if "reason" not in record:
                    spool.write(line)
            for place in last:
                if place >= 0:
                    spool.seek(place)
                    line = spool.readline()
                    yield line, json.loads(line)

    def _records(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yield what can be read; a driver that was killed may have left half a line at its segment's end."""
        for segment in self._output.segments():
            for line in segment:
                record = _record(line)
                if record is not None:
                    yield line, record

    def _note(self, number: int, key: str, file: str, size: int) -> None:
        self._done[number] = start_of(key)
        self._files[number] = _mark(file, size)


def text_hash(text: str) -> str:
    """Return what the manifest tells of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _line(record: Done | Failed) -> bytes:
    return json.dumps(asdict(record), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


_FIELDS: dict[Literal["done", "failed"], set[str]] = {
    "done": set(Done.__dataclass_fields__),
    "failed": set(Failed.__dataclass_fields__),
}


def _record(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(record, dict) and set(record) in _FIELDS.values()
    return record if whole else None


def _mark(file: str, size: int) -> int:
    """Return 64 bits for a file of that name and size."""
    return int.from_bytes(hashlib.blake2b(f"{file}:{size}".encode(), digest_size=8).digest(), "big")
