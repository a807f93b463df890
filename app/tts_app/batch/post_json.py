"""Posts in JSON: a record a line, or an array of records."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from tts_app.batch import post_lines
from tts_app.batch.post_record import Fault, Reading, read_record
from tts_app.resources.tts_job import Post

_BLANK = re.compile(r"[ \t\r\n]*+")
_BLOCK = 1 << 13
"""Characters of an array that are read at a time, at first."""


def json_lines(file: BinaryIO, reading: Reading) -> Iterator[Post | Fault]:
    """Yield the post of each line that is not blank, or what is wrong with it."""
    for number, line in enumerate(post_lines.lines(file), 1):
        where = f"line {number}"
        if line is None:
            yield Fault(where, post_lines.TOO_LONG)
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if text:
                yield read_record(json.loads(text, object_pairs_hook=_unique), where, reading)
        except UnicodeDecodeError as error:
            yield Fault(where, f"it is not UTF-8: {error.reason} at byte {error.start}")
        except json.JSONDecodeError as error:
            yield Fault(where, f"it is not JSON: {error.msg} at column {error.colno}")
        except ValueError as error:
            yield Fault(where, f"it is not a record: {error}")
        except RecursionError:
            yield Fault(where, "it is not a record: too deep")


def json_array(file: BinaryIO, reading: Reading) -> Iterator[Post | Fault]:
    """Yield the post of each element of an array, or what is wrong with it.

    One element is held at a time. After a place that is not JSON nothing can be read: that fault is the last.
    """
    array = _Array(file)
    try:
        for line, record in array.elements():
            yield record if isinstance(record, Fault) else read_record(record, f"line {line}", reading)
    except _BrokenError as error:
        yield Fault(f"line {error.line}", f"{error}; what follows was not read")


class _BrokenError(Exception):
    """An array goes wrong in this line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class _Array:
    """A JSON array that is read element by element."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = io.TextIOWrapper(file, "utf-8-sig", newline="")
        self._held = ""
        self._place = 0
        self._line = 1
        """Of the place."""

    def elements(self) -> Iterator[tuple[int, Any]]:
        """Yield the line of each element and its value, or what is wrong with it. Raises _BrokenError."""
        self._take("[")
        if self._next() == "]":
            self._take("]")
        else:
            yield self._element()
            while self._take(",]") == ",":
                yield self._element()
        if self._next():
            raise _BrokenError(self._line, "there is more after the array's end")

    def _element(self) -> tuple[int, Any]:
        self._next()
        begun = self._line
        try:
            return begun, self._value(_CHECKED)
        except ValueError as error:
            try:
                self._value(_PLAIN)
            except ValueError:
                raise _BrokenError(begun, f"it is not a record: {error}") from None
            return begun, Fault(f"line {begun}", f"it is not a record: {error}")

    def _value(self, decoder: json.JSONDecoder) -> Any:
        """Return the value that begins here, and go to its end. Raises _BrokenError and ValueError."""
        block = _BLOCK
        while True:
            try:
                value, end = decoder.raw_decode(self._held, self._place)
            except json.JSONDecodeError as error:
                # It may only be cut short. The block grows, so that the time stays linear.
                if len(self._held) - self._place > post_lines.LINE_BYTES:
                    raise _BrokenError(self._line, post_lines.TOO_LONG) from None
                into = error.pos - self._place
                if not self._more(block):
                    self._advance(self._place + into)
                    raise _BrokenError(self._line, f"it is not JSON: {error.msg}") from None
                block *= 2
            except RecursionError:
                raise _BrokenError(self._line, "it is not a record: too deep") from None
            else:
                self._advance(end)
                return value

    def _take(self, marks: str) -> str:
        """Go over the mark that comes next, and return it. Raises _BrokenError if it is none of `marks`."""
        mark = self._next()
        if not mark or mark not in marks:
            wanted = " or ".join(f"'{each}'" for each in marks)
            found = f"not {mark!r}" if mark else "and the file ends"
            raise _BrokenError(self._line, f"it is not JSON: here {wanted} must follow, {found}")
        self._advance(self._place + 1)
        return mark

    def _next(self) -> str:
        """Go to the next character that is not blank, and return it; an empty string at the end."""
        while True:
            blank = _BLANK.match(self._held, self._place)
            self._advance(blank.end() if blank else self._place)
            if self._place < len(self._held) or not self._more(_BLOCK):
                return self._held[self._place : self._place + 1]

    def _advance(self, to: int) -> None:
        self._line += self._held.count("\n", self._place, to)
        self._place = to

    def _more(self, size: int) -> bool:
        """Read more characters, and drop those before the place. False: there are none."""
        try:
            block = self._file.read(size)
        except UnicodeDecodeError as error:
            raise _BrokenError(self._line, f"it is not UTF-8, here or after it: {error.reason}") from None
        self._held, self._place = self._held[self._place :] + block, 0
        return bool(block)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; refuse a repeated key, which would hide a text."""
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"it has {twice!r} twice")
    return record


_CHECKED = json.JSONDecoder(object_pairs_hook=_unique)
_PLAIN = json.JSONDecoder()
