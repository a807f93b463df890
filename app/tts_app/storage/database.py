"""The database of the metadata: SQLite in a file, or PostgreSQL. Opening it brings its tables up to date."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, create_engine, event, exc, inspect, make_url, text
from sqlalchemy.orm import DeclarativeBase, Session

from tts_app.telemetry.logs import log

_FORMS = "It is sqlite:////folder/file.sqlite or postgresql://user:password@host/name."
AWAY = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError)
"""What a call raises while the database is away, locked, full or read-only: later the same call may do."""
PAUSES = (0.5, 30.0)
"""Seconds before a database that is away is asked again, twice as many the next time, and the most."""
_BEFORE_MIGRATIONS = "0001"
"""Revision whose tables the versions made that had no migrations yet."""
_UPGRADE_LOCK = int.from_bytes(b"ttsp")
"""Key of the advisory lock that upgraders of a PostgreSQL database take."""
_Answer = TypeVar("_Answer")


class DatabaseError(Exception):
    """The database cannot be used; the message says why, and what to do."""


class Base(DeclarativeBase):
    """What every table's class is derived from."""


class Database:
    """A database whose tables are those of this version. Blocking: use it in threads."""

    def __init__(self, url: str) -> None:
        """Open the database and upgrade it; it is made where there is none.

        Raises:
            DatabaseError: the URL is wrong, a driver is missing, or a newer version made the database.
        """
        parsed = _parse(url)
        if parsed.get_backend_name() == "sqlite":
            _make_file(Path(parsed.database or ""))
        try:
            # A server may have gone away since a connection was last used; a file cannot.
            self.engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
        except ModuleNotFoundError as error:
            raise DatabaseError(
                "A PostgreSQL database needs the package psycopg: pip install 'tts-playground[postgres]'."
            ) from error
        if parsed.get_backend_name() == "sqlite":
            event.listen(self.engine, "connect", _set_up_sqlite)
        with self._locked() as connection:
            _upgrade(connection)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield a session whose transaction is committed at the end; what it returned stays usable."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def _locked(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that no other upgrader has at the same time."""
        if self.engine.dialect.name == "sqlite":
            # The driver begins transactions late and not before DDL: here it must leave them to us.
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.exec_driver_sql("ROLLBACK")
                    raise
                connection.exec_driver_sql("COMMIT")
        else:
            with self.engine.begin() as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
                yield connection


async def recorded(call: Callable[[], _Answer], pauses: tuple[float, float] = PAUSES) -> _Answer:
    """Return what `call`, in a thread, has from the database; it is made again for as long as that is away.

    It may be made twice: the connection can break after what it changed was stored.
    """
    pause, longest = pauses
    while True:
        try:
            return await asyncio.to_thread(call)
        except AWAY as error:
            log("database away", error=error)
        await asyncio.sleep(pause)
        pause = min(longest, 2 * pause)


def storable(identifier: str) -> bool:
    """Return whether an id that a caller gave could be stored: PostgreSQL refuses to be asked for others."""
    return "\0" not in identifier


def migrations(connection: Connection) -> Config:
    """Return alembic's configuration for migrating what `connection` leads to, in its transaction."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "tts_app.storage:migrations")
    return config


def _upgrade(connection: Connection) -> None:
    config = migrations(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    current = set(MigrationContext.configure(connection).get_current_heads())
    if unknown := sorted(current - known):
        raise DatabaseError(
            f"The database is at revision {', '.join(unknown)}, which this version does not know: a newer "
            "one has upgraded it. Run that version, or restore a backup from before."
        )
    if not current and inspect(connection).has_table("speeches"):
        command.stamp(config, _BEFORE_MIGRATIONS)
    command.upgrade(config, "head")


def _parse(url: str) -> URL:
    """Return the URL, with the driver that we have. No message repeats it: it may hold a password."""
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError) as error:
        raise DatabaseError(f"The database's URL cannot be read. {_FORMS}") from error
    match parsed.drivername:
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed
        case "postgres" | "postgresql" | "postgresql+psycopg":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise DatabaseError(
                f"The database's URL ({other}) names neither a file of SQLite nor a PostgreSQL. {_FORMS}"
            )


def _make_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)  # it holds texts that are still to be spoken


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    """Let readers and a writer work at a time; overwrite what is deleted, as it was somebody's text."""
    cursor = connection.cursor()
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
