"""Makes a post of a record: its id, its texts by language, and the fields that are kept aside."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tts_app.batch.kept_aside import KeepAside
from tts_app.resources.locales import LANGUAGES, LOCALE_PATTERN, canonical_locale, with_hyphens
from tts_app.resources.tts_job import Post

_FIELDS = {
    spelling.lower(): name
    for name, field in Post.model_fields.items()
    for spelling in (name, field.alias or name)
}
"""The fields of a post by their lower-case names."""
_NAMED = 10
"""Names that a message lists."""


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


@dataclass(frozen=True, slots=True)
class Reading:
    """How records are read."""

    strict: bool
    """Whether a field that a post does not have is a fault; otherwise it is kept aside."""
    keep_aside: KeepAside


def field_of(name: str) -> str | None:
    """Return the field of a post that is written as `name`, in any case; None if there is none."""
    return _FIELDS.get(name.strip().lower())


def is_language(name: str) -> bool:
    """Return whether a column, field or file is named after a known language, or a locale of one."""
    tag = with_hyphens(name.strip())
    return bool(re.fullmatch(LOCALE_PATTERN, tag)) and canonical_locale(tag).partition("-")[0] in LANGUAGES


def read_record(record: Any, where: str, reading: Reading) -> Post | Fault:
    """Return the post of a record, or what is wrong with it.

    The names of fields may be in any case. A record without `text` has its texts in fields that are called
    by languages, as the columns of a table are. Other fields are kept aside.
    """
    if not isinstance(record, dict):
        return Fault(where, 'it is no record: write {"id": 1, "text": {"en": "..."}}')
    try:
        fields, extra = _parted(record)
    except ValueError as error:
        return Fault(where, str(error))
    try:
        post = Post.model_validate(fields)
    except ValidationError as error:
        faults = "; ".join(_messages(error.errors(include_url=False, include_context=False)))
        return Fault(_subject(fields.get("id"), where), faults)
    if extra and reading.strict:
        names = f"it has {some(list(extra))}, and a post has {', '.join(Post.model_fields)}"
        return Fault(_subject(post.id, where), f"{names}: leave the rest out, or read it without --strict")
    if extra:
        reading.keep_aside(post.id, extra)
    return post


def some(names: list[str]) -> str:
    """Return the first of `names`, cut short."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    shown = ", ".join(name[:40] for name in names[:_NAMED]) + more
    return shown.encode(errors="backslashreplace").decode()


def _parted(record: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a record's fields of a post, and the others. Raises ValueError where one is given twice."""
    fields: dict[str, Any] = {}
    texts: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    is_flat = not any(field_of(name) == "text" for name in record)
    for name, value in record.items():
        field = field_of(name)
        if field is not None:
            if field in fields:
                raise ValueError(f"it has {field!r} twice, in different case")
            fields[field] = value
        elif is_flat and is_language(name):
            if value not in (None, ""):
                texts[name.strip()] = value
        else:
            extra[name] = value
    if texts:
        fields["text"] = texts
    return fields, extra


def _subject(identifier: object, where: str) -> str:
    is_number = isinstance(identifier, int) or re.fullmatch(r"\d{1,9}", str(identifier))
    return f"{where} (post {identifier})" if is_number else where


def _messages(errors: Iterable[Any]) -> Iterator[str]:
    for error in errors:
        place = ".".join(map(str, error["loc"]))
        message = error["msg"].removeprefix("Value error, ")
        yield f"{place}: {message}" if place else message
