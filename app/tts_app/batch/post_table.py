"""Posts in a table: a row each, with commas, semicolons or tabs between the columns."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Self

from tts_app.batch import post_lines
from tts_app.batch.post_record import (
    Fault,
    PostsError,
    Reading,
    field_of,
    is_language,
    read_record,
    some,
)
from tts_app.resources.locales import canonical_locale, with_hyphens
from tts_app.resources.tts_job import Post

_DELIMITERS = (",", ";", "\t")
_EXCELS = re.compile(r"sep=([,;\t])\s*", re.IGNORECASE)
"""A first line by which spreadsheets say what is between the columns."""


def read_table(file: BinaryIO, reading: Reading) -> Iterator[Post | Fault]:
    """Yield the post of each row, or what is wrong with it.

    The first line names the columns, in any case: `id`, and languages or locales. What is between the columns
    shows there too. Raises ValueError where the first line does not name them, PostsError.
    """
    csv.field_size_limit(post_lines.LINE_BYTES)
    lines = _TableLines(file)
    head, delimiter = _head(lines)
    rows = csv.reader(lines, strict=True, delimiter=delimiter)
    columns = _columns(head, reading)
    while True:
        lines.begin_record()
        try:
            row = next(rows)
        except StopIteration:
            return
        except (csv.Error, _TooLongError) as error:
            message = str(error) if isinstance(error, _TooLongError) else f"it is not CSV: {error}"
            yield Fault(f"line {lines.number}", message)
            continue
        if any(row):
            yield _post(columns, row, f"line {lines.number}", reading)


def has_head(line: bytes) -> bool:
    """Return whether a file's first line, in UTF-8, could be that of a table of posts."""
    text = line.decode("utf-8-sig", "replace")
    return bool(_EXCELS.fullmatch(text)) or any(_has_id(_cells(text, mark)) for mark in _DELIMITERS)


def _head(lines: "_TableLines") -> tuple[list[str], str]:
    """Return the cells of the first line, and what is between them. Raises ValueError."""
    try:
        line = next((line for line in lines if line.strip()), "")
        if said := _EXCELS.fullmatch(line):
            line = next((line for line in lines if line.strip()), "")
            return _cells(line, said[1]), said[1]
    except _TooLongError as error:
        raise ValueError(f"line {lines.number}, which must name the columns: {error}") from error
    found = {mark: _cells(line, mark) for mark in _DELIMITERS}
    mark = max(_DELIMITERS, key=lambda mark: (_has_id(found[mark]), len(found[mark])))
    return found[mark], mark


def _cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line; none where it cannot be read so."""
    try:
        return next(csv.reader([line], strict=True, delimiter=delimiter), [])
    except csv.Error:
        return []


def _has_id(cells: Sequence[str]) -> bool:
    return any(field_of(cell) == "id" for cell in cells)


def _columns(head: Sequence[str], reading: Reading) -> list[str]:
    """Return the names of the columns, as a record has them. Raises ValueError."""
    columns = [_column(cell) for cell in head]
    twice = sorted(name for name, times in Counter(columns).items() if name and times > 1)
    others = [name for name in columns if name and field_of(name) is None and not is_language(name)]
    has_all = "id" in columns and any(map(_is_text, columns))
    if not has_all or twice or (others and reading.strict):
        found = f"; it has {some(others or list(head))}" if others or "id" not in columns else ""
        found += f"; it has {some(twice)} twice" if twice else ""
        rest = ". Without --strict other columns are kept aside" if others and reading.strict else ""
        raise ValueError(
            f"the first line must name the columns: id, and languages or locales such as en or ar-EG"
            f"{found}{rest}"
        )
    return columns


def _is_text(column: str) -> bool:
    return is_language(column) and field_of(column) is None  # `id` is Indonesian too


def _column(cell: str) -> str:
    name = cell.strip()
    if field := field_of(name):
        return field
    return canonical_locale(with_hyphens(name)) if is_language(name) else name


def _post(columns: Sequence[str], row: Sequence[str], where: str, reading: Reading) -> Post | Fault:
    """Return the post of a row. Empty cells count as none, also those beyond the last column."""
    nameless = [cell for column, cell in zip(columns, row, strict=False) if cell and not column]
    beyond = len([cell for cell in row[len(columns) :] if cell]) + len(nameless)
    if beyond:
        return Fault(where, f"it has {beyond} more fields than the first line names")
    record: dict[str, Any] = {column: cell for column, cell in zip(columns, row, strict=False) if cell}
    if not any(_is_text(column) for column in record):
        record["text"] = {}  # which is a fault that says what is missing
    return read_record({"id": "", **record}, where, reading)


class _TooLongError(Exception):
    """A line, or a record of several lines, is too long to be held."""


class _TableLines:
    """An iterator over the lines of a table, which holds no record of more than LINE_BYTES."""

    def __init__(self, file: BinaryIO) -> None:
        self._lines = post_lines.any_lines(file)
        self._held = 0
        self.number = 0
        """Of the last line."""

    def begin_record(self) -> None:
        """Say that what was read before is not held any more."""
        self._held = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self._held += len(line or b"")
        if line is None or self._held > post_lines.LINE_BYTES:
            raise _TooLongError(post_lines.TOO_LONG)
        try:
            return line.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise PostsError(
                f"line {self.number} is not UTF-8: {error.reason} at byte {error.start}; "
                "save the table as CSV UTF-8"
            ) from error
