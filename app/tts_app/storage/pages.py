"""Lists of a tenant's things, newest first, page by page: newer ones do not shift what comes next."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Mapped, mapped_column

from tts_app.storage.database import Database

_CURSOR = re.compile(r"([0-9]{1,20}\.[0-9]{1,20})~([a-z]{1,20}_[0-9a-f]{1,64})")


class UnknownCursorError(ValueError):
    """The cursor is not one that a page gave."""


class Listed:
    """Mixin of tables whose rows are listed. They have an index on `tenant`, `created` and `id`."""

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    created: Mapped[float]
    """Seconds since the epoch."""


Row = TypeVar("Row", bound=Listed)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, newest first."""

    rows: Sequence[Row]
    next: str | None
    """Cursor of the next page; None if this is the last."""


def page_of(
    database: Database,
    table: type[Row],
    wanted: Iterable[Any],
    limit: int,
    cursor: str | None,
    options: Iterable[Any] = (),
) -> Page[Row]:
    """Return at most `limit` rows for which all of `wanted` holds; with `cursor`, those after its page.

    Raises:
        UnknownCursorError: no page gave that cursor.
    """
    query = select(table).where(*wanted).options(*options)
    query = query.order_by(table.created.desc(), table.id.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(tuple_(table.created, table.id) < tuple_(*_position(cursor)))
    with database.session() as session:
        found = session.scalars(query).all()
    more = len(found) > limit
    return Page(found[:limit], _cursor(found[limit - 1]) if more else None)


def _cursor(row: Listed) -> str:
    return f"{row.created!r}~{row.id}"


def _position(cursor: str) -> tuple[float, str]:
    if (found := _CURSOR.fullmatch(cursor)) is None:
        raise UnknownCursorError(f"{cursor[:60]!r} is not a cursor that a page of this list gave.")
    return float(found[1]), found[2]
