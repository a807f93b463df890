"""Requests that are made once: a tenant names a request, and a repetition finds what the first one made."""

from typing import Self, TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from tts_app.storage.acts import UNRECORDED, Act
from tts_app.storage.database import Database


class IdempotencyConflictError(Exception):
    """The idempotency key belongs to what another request made."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The Idempotency-Key {key!r} was used for another request: choose a new one.")


class Once:
    """Mixin of tables whose rows a request makes. The key is free again when its row is removed.

    The table has a unique constraint on `tenant` and `idempotency_key`.
    """

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    idempotency_key: Mapped[str | None]
    """The tenant's name for the request: a second request with it makes no second row."""

    def is_of_request(self, other: Self) -> bool:
        """Return whether the same request would have made the `other` row."""
        raise NotImplementedError


Row = TypeVar("Row", bound=Once)


def add_once(database: Database, row: Row, act: Act = UNRECORDED) -> Row:
    """Store a new row and return it; if its request is a repeated one, return the stored row.

    Raises:
        IdempotencyConflictError: the idempotency key is stored for another request.
        AuditError: it cannot be recorded.
    """
    try:
        with database.session(act) as session:
            session.add(row)
            act.record(session, row.id)
    except IntegrityError:
        # Of requests at the same time the constraint lets only the first one store its row.
        found = repeated(database, row)
        if found is None:
            raise
        return found
    return row


def repeated(database: Database, row: Row) -> Row | None:
    """Return the row that the same request made before; None if it is the first with its key.

    Raises:
        IdempotencyConflictError: the idempotency key is stored for another request.
    """
    if row.idempotency_key is None:
        return None
    table = type(row)
    query = select(table).where(table.tenant == row.tenant, table.idempotency_key == row.idempotency_key)
    with database.session() as session:
        found = session.scalar(query)
    if found is not None and not found.is_of_request(row):
        raise IdempotencyConflictError(row.idempotency_key)
    return found
