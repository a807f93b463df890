"""Reads posts in several forms, one at a time; every fault says where it is."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import fsspec
from pydantic import ValidationError

from tts_app.resources.locales import LANGUAGES, LOCALE_PATTERN, canonical_locale
from tts_app.resources.tts_job import Post, Posts
from tts_app.sources.base import SourceError
from tts_app.sources.claims import local_path

LINE_BYTES = 4 << 20
"""Most bytes of a record: enough for every language's longest text, in UTF-8."""
_TOO_LONG = f"it has more than {LINE_BYTES >> 20} MiB; a text has 100,000 characters at most"
_NAMED = 10
"""Names that a message lists."""
_TEXT_FILE = re.compile(rf"(?:post_)?(\d{{1,9}})[._](?P<language>{LOCALE_PATTERN.strip('^$')})\.txt")


class PostsError(Exception):
    """The posts cannot be read at all; the message says why and what would be right."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a record."""

    where: str
    """The line, file or post."""
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def read_posts(posts: Posts, config_maps: Path) -> Iterator[Post | Fault]:
    """Yield each post, or what is wrong with its record.

    Posts are JSON lines; CSV if the name ends with .csv (a column `id`, and one for each language or locale,
    so Indonesian is `id-ID`); or a folder of text files `<id>.<language>.txt`. The folder `config_maps` has
    the ConfigMaps, as `<name>/<key>`.

    Raises:
        PostsError: there are none, or they cannot be read.
    """
    if posts.inline is not None:
        yield from posts.inline
        return
    if posts.config_map_ref is not None:
        reference = posts.config_map_ref
        url = str(config_maps / reference.name / reference.key)
        if not Path(url).is_file():
            raise PostsError(
                f"there is no key {reference.key!r} of ConfigMap {reference.name!r} here ({url}): outside a "
                f"cluster a ConfigMap is a folder, and --config-maps names the folder of these"
            )
    else:
        url = _located(posts.uri or "")
    try:
        store, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
        if store.isdir(path):
            yield from _folder(store, path)
        else:
            # The files of stores have no `readline` with a limit.
            with store.open(path, "rb") as opened, io.BufferedReader(opened) as file:
                yield from _csv(file) if path.lower().endswith(".csv") else _json_lines(file)
    except ImportError as error:
        raise PostsError(f"{posts.uri}: the store's client is missing: {error}") from error
    except PostsError:
        raise
    except Exception as error:  # the stores' clients have errors of their own
        raise PostsError(f"{posts.uri or url} cannot be read: {type(error).__name__}: {error}") from error


def _located(uri: str) -> str:
    try:
        return str(local_path(uri) or uri)
    except SourceError as error:
        raise PostsError(str(error)) from error


def _json_lines(file: BinaryIO) -> Iterator[Post | Fault]:
    for number, line in enumerate(_lines(file), 1):
        where = f"line {number}"
        if line is None:
            yield Fault(where, _TOO_LONG)
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if text:
                yield _post(json.loads(text, object_pairs_hook=_unique), where)
        except UnicodeDecodeError as error:
            yield Fault(where, f"it is not UTF-8: {error.reason} at byte {error.start}")
        except json.JSONDecodeError as error:
            yield Fault(where, f"it is not JSON: {error.msg} at column {error.colno}")
        except ValueError as error:
            yield Fault(where, f"it is not a record: {error}")
        except RecursionError:
            yield Fault(where, "it is not a record: too deep")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; refuse a repeated key, which would hide a text."""
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"it has {twice!r} twice")
    return record


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line, or None for one that is too long to be held."""
    while line := file.readline(LINE_BYTES + 1):
        if len(line) <= LINE_BYTES:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(LINE_BYTES)
        yield None


def _is_language(name: str) -> bool:
    """Return whether a column or file is named after a language that is known, or a locale of one."""
    return bool(re.fullmatch(LOCALE_PATTERN, name)) and canonical_locale(name).partition("-")[0] in LANGUAGES


def _csv(file: BinaryIO) -> Iterator[Post | Fault]:
    csv.field_size_limit(LINE_BYTES)
    lines = _CsvLines(file)
    rows = csv.reader(lines, strict=True)
    columns = _columns(rows, lines)
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
        if row:
            yield _csv_post(dict(zip(columns, row, strict=False)), len(row) - len(columns), lines.number)


def _columns(rows: Iterator[list[str]], lines: "_CsvLines") -> list[str]:
    """Return the names in the first line. Raises ValueError."""
    try:
        columns = next((row for row in rows if row), [])
    except (csv.Error, _TooLongError) as error:
        raise ValueError(f"line {lines.number}, which must name the columns: {error}") from error
    unknown = [column for column in columns if column != "id" and not _is_language(column)]
    if "id" not in columns:
        unknown = columns
    twice = sorted(column for column, times in Counter(columns).items() if times > 1)
    if "id" not in columns or unknown or twice:
        found = f"; it has {_some(unknown)}" if unknown else ""
        found += f"; it has {_some(twice)} twice" if twice else ""
        raise ValueError(
            f"the first line must name the columns: id, and languages or locales such as en or ar-EG{found}"
        )
    return columns


def _some(names: Sequence[str]) -> str:
    """Return the first of `names`, cut short."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(name[:40] for name in names[:_NAMED]) + more


def _csv_post(fields: dict[str, str], extra: int, line: int) -> Post | Fault:
    """Return the post of a row with so many fields beyond the last column."""
    where = f"line {line}"
    number = fields.pop("id", "").strip()
    if extra > 0:
        return Fault(where, f"it has {extra} more fields than the first line names")
    if not re.fullmatch(r"\d{1,9}", number):
        return Fault(where, f"id must be a number, not {number[:40]!r}")
    return _post({"id": int(number), "text": {k: v for k, v in fields.items() if v}}, where)


class _TooLongError(Exception):
    """A line, or a record of several lines, is too long to be held."""


class _CsvLines:
    """An iterator over the lines of a table, which holds no record of more than LINE_BYTES."""

    def __init__(self, file: BinaryIO) -> None:
        self._lines = _any_lines(file)
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
        if line is None or self._held > LINE_BYTES:
            raise _TooLongError(_TOO_LONG)
        try:
            return line.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise PostsError(
                f"line {self.number} is not UTF-8: {error.reason} at byte {error.start}; "
                "save the table as CSV UTF-8"
            ) from error


def _any_lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line, which ends with CR, LF or both, or None for one that is too long to be held."""
    rest, dropped = b"", False
    while chunk := file.readline(LINE_BYTES + 1):
        rest += chunk
        start = 0
        for found in re.finditer(rb"\r\n|\n|\r(?!\Z)", rest):
            yield None if dropped or found.end() - start > LINE_BYTES else rest[start : found.end()]
            dropped, start = False, found.end()
        rest = rest[start:]
        if len(rest) > LINE_BYTES:
            # A CR at the end may be the first half of a line's end.
            rest, dropped = rest[-1:] if rest.endswith(b"\r") else b"", True
    if rest or dropped:
        yield None if dropped else rest


def _folder(store: Any, path: str) -> Iterator[Post | Fault]:
    texts: dict[int, dict[str, str]] = {}
    for entry in sorted(store.ls(path, detail=True), key=lambda entry: str(entry["name"])):
        name = entry["name"].rstrip("/").rpartition("/")[2]
        if name.startswith(".") or entry["name"].rstrip("/") == path.rstrip("/"):
            continue  # an object store may have an empty object for the folder itself
        match = _TEXT_FILE.fullmatch(name)
        if (
            match is None
            or not _is_language(match["language"])
            or not (entry["type"] == "file" or _is_inner_link(entry, path))
        ):
            yield Fault(
                name, "files of a folder of posts are called <id>.<language>.txt, such as 7.en-GB.txt"
            )
        elif entry["size"] > LINE_BYTES:
            yield Fault(name, f"it has more than {LINE_BYTES >> 20} MiB")
        else:
            try:
                text = store.cat_file(entry["name"]).decode("utf-8-sig").strip()
            except UnicodeDecodeError as error:
                yield Fault(name, f"it is not UTF-8: {error.reason} at byte {error.start}")
                continue
            post = texts.setdefault(int(match[1]), {})
            language = canonical_locale(match["language"])
            if language in post:
                yield Fault(name, f"another file has the text of post {int(match[1])} in {language}")
            post[language] = text
    for number, text in sorted(texts.items()):
        yield _post({"id": number, "text": text}, f"post {number}")


def _is_inner_link(entry: Any, folder: str) -> bool:
    """Return whether the entry is a link to a file below the folder: Kubernetes mounts files that way."""
    if not entry.get("islink"):
        return False
    target = Path(entry["name"]).resolve()
    return target.is_file() and target.is_relative_to(Path(folder).resolve())


def _post(record: Any, where: str) -> Post | Fault:
    try:
        return Post.model_validate(record)
    except ValidationError as error:
        identifier = record.get("id") if isinstance(record, dict) else None
        subject = f"{where} (post {identifier})" if isinstance(identifier, int) else where
        return Fault(subject, "; ".join(_messages(error.errors(include_url=False, include_context=False))))


def _messages(errors: Iterable[Any]) -> Iterator[str]:
    for error in errors:
        place = ".".join(map(str, error["loc"]))
        message = error["msg"].removeprefix("Value error, ")
        yield f"{place}: {message}" if place else message
