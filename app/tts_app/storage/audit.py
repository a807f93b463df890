"""The table of the audit. Rows are only added, in the transaction of what they record."""

import logging
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from types import TracebackType
from typing import Any, Self

from sqlalchemy import BigInteger, Column, Connection, Index, Select, String, Table, insert, select, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tts_app.security.audit import (
    COLUMNS,
    Entry,
    Head,
    Row,
    continued_by,
    first_row,
    following,
    head_of,
    is_sound,
)
from tts_app.storage.acts import Act, AuditError
from tts_app.storage.database import Base, Database
from tts_app.telemetry.logs import log

_READ_AT_ONCE = 1000
_NUMBERS = ("seq", "time")
_KEY = ("writer", "seq")
AUDIT = Table(
    "audit",
    Base.metadata,
    *(
        Column(
            name,
            BigInteger() if name in _NUMBERS else String(),
            primary_key=name in _KEY,
            nullable=False,
            autoincrement=False,
        )
        for name in COLUMNS
    ),
    Index("ix_audit_time", "time", "writer", "seq"),
    Index("ix_audit_subject", "subject", "time"),
    Index("ix_audit_tenant", "tenant", "time"),
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are wanted; None: all."""

    tenant: str | None = None
    subject: str | None = None
    action: str | None = None
    start: int | None = None
    """Microseconds since the epoch, as `end`, which is not included."""
    end: int | None = None


Place = tuple[int, str, int]
"""Time, writer and number of a row: the order in which rows are found."""


class AuditLog:
    """Writes one chain. Blocking: call it in threads, as many as you like."""

    def __init__(
        self,
        database: Database,
        key: bytes,
        *,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
        written: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        """`key` is a `chain_key`; `clock` gives microseconds since the epoch.

        `written` is told how many rows were committed.
        """
        self.written = written
        self._database = database
        self._key = key
        self._clock = clock
        self._writer = secrets.token_hex(8)
        self.lock = Lock()
        """Held by whoever writes."""
        self.head: Head | None = None
        """The last row that was committed. None: there is none, or the database must be asked."""

    def act(self, entry: Entry) -> Act:
        """Return an act that is recorded as `entry` says, with the id of its object."""
        return _Act(self, entry)

    def append(self, entries: Sequence[Entry]) -> None:
        """Write rows, all in one transaction.

        Raises:
            AuditError: they cannot be written.
        """
        try:
            with _Writing(self) as writing, self._database.engine.begin() as connection:
                writing.add(connection, entries)
        except SQLAlchemyError as error:
            raise _unwritten() from error

    def insert(self, connection: Connection, head: Head | None, entries: Sequence[Entry]) -> Head:
        """Write rows after `head` in the transaction of `connection`, and return the new head.

        Raises:
            AuditError: they cannot be written.
        """
        new: list[Row] = []
        try:
            head = head or self._last(connection)
            if head is None:
                new.append(self._first(connection))
                head = head_of(new[0])
            for entry in entries:
                new.append(following(head, entry, self._clock(), self._key))
                head = head_of(new[-1])
            connection.execute(insert(AUDIT), [_values(row) for row in new])
        except SQLAlchemyError as error:
            raise _unwritten() from error
        return head

    def _last(self, connection: Connection) -> Head | None:
        """Return the last row of this chain that is in the database; None: there is none."""
        ours = select(AUDIT).where(AUDIT.c.writer == self._writer)
        return next(map(head_of, _rows(connection, ours.order_by(AUDIT.c.seq.desc()).limit(1))), None)

    def _first(self, connection: Connection) -> Row:
        """Return the first row of this chain, which continues the newest row of another."""
        newest = next(_rows(connection, _newest_first().limit(1)), None)
        if newest is not None and not is_sound(newest, self._key):
            log(
                "the newest row of the audit was edited, or this gateway has another audit key",
                level=logging.ERROR,
                writer=newest.writer,
                seq=newest.seq,
            )
        continued = head_of(newest) if newest else None
        return first_row(self._writer, continued, socket.gethostname(), self._clock(), self._key)


class _Writing:
    """A transaction in which rows are written, one at a time: it holds the writer's lock."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._head: Head | None = None
        self._rows = 0

    def add(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Write rows. Raises AuditError."""
        self._head = self._audit.insert(connection, self._head, entries)
        self._rows += len(entries)

    def __enter__(self) -> Self:
        self._audit.lock.acquire()
        self._head = self._audit.head
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take over the new head. After a failure nobody knows what was stored: the database is asked."""
        self._audit.head = self._head if kind is None else None
        self._audit.lock.release()
        if kind is None:
            self._audit.written(self._rows)


class _Act(_Writing):
    """An act that leaves rows."""

    def __init__(self, audit: AuditLog, entry: Entry) -> None:
        super().__init__(audit)
        self._entry = entry

    def record(self, session: Session, object_id: str, outcome: str = "done") -> None:
        """Write a row. Raises AuditError."""
        session.flush()  # a fault of what is recorded is not a fault of the audit
        self.add(session.connection(), [replace(self._entry, object_id=object_id, outcome=outcome)])


class AuditRows:
    """Reads the audit. Blocking: call it in a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> Iterator[Row]:
        """Yield every row, by writer and number."""
        with self._database.session() as session:
            yield from _rows(session, select(AUDIT).order_by(AUDIT.c.writer, AUDIT.c.seq))

    def continued(self, key: bytes) -> Sequence[Head]:
        """Return the rows that chains continue, as the sound ones of their first rows say."""
        with self._database.session() as session:
            firsts = list(_rows(session, select(AUDIT).where(AUDIT.c.seq == 1)))
        return [head for row in firsts if is_sound(row, key) and (head := continued_by(row))]

    def find(self, wanted: Filter, limit: int | None = None, before: Place | None = None) -> Iterator[Row]:
        """Yield the rows that are wanted, newest first; with `before`, those older than that place."""
        query = _newest_first().where(*_conditions(wanted)).limit(limit)
        if before is not None:
            query = query.where(tuple_(AUDIT.c.time, AUDIT.c.writer, AUDIT.c.seq) < tuple_(*before))
        with self._database.session() as session:
            yield from _rows(session, query)


def _newest_first() -> Select[Any]:
    return select(AUDIT).order_by(AUDIT.c.time.desc(), AUDIT.c.writer.desc(), AUDIT.c.seq.desc())


def _conditions(wanted: Filter) -> Iterator[Any]:
    for name in ("tenant", "subject", "action"):
        if (value := getattr(wanted, name)) is not None:
            yield AUDIT.c[name] == value
    if wanted.start is not None:
        yield AUDIT.c.time >= wanted.start
    if wanted.end is not None:
        yield AUDIT.c.time < wanted.end


def _rows(connection: Connection | Session, query: Select[Any]) -> Iterator[Row]:
    found = connection.execute(query.execution_options(yield_per=_READ_AT_ONCE))
    return (Row(*row) for row in found)


def _values(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COLUMNS}


def _unwritten() -> AuditError:
    return AuditError("The audit cannot be written, so nothing was done: try again later.")
