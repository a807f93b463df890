"""The database of the metadata: SQLite in a file, or PostgreSQL. Opening it brings its tables up to date."""

import asyncio
import logging
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

from tts_app.backoff import Backoff
from tts_app.files import private_file, private_folder
from tts_app.storage.acts import UNRECORDED, Act
from tts_app.telemetry.logs import log

_FORMS = "It is sqlite:////folder/file.sqlite or postgresql://user:password@host/name."
AWAY = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError)
"""What a call raises while the database is away, locked, full or read-only: it may succeed later."""
RETRY = Backoff(0.5, 30.0)
"""Delays before a call is repeated while the database is away."""
_BEFORE_MIGRATIONS = "0001"
"""Revision of the tables that versions without migrations made."""
_UPGRADE_LOCK = int.from_bytes(b"ttsp")
"""Key of the advisory lock that upgraders of a PostgreSQL database take."""
_NOT_ALLOWED = "42501"
"""PostgreSQL's code of a refusal: insufficient_privilege."""
_RIGHTS = {"audit": "SELECT, INSERT", "alembic_version": "SELECT"}
"""What the service's role may do with these tables; it reads and writes all others."""
_Answer = TypeVar("_Answer")


class DatabaseError(Exception):
    """The database cannot be used; the message says why, and what to do."""


class Base(DeclarativeBase):
    """Base class of every table's class."""


class Database:
    """A database whose tables are those of this version. Blocking: use it in threads."""

    def __init__(self, url: str) -> None:
        """Open the database, or make it, and upgrade it.

        Raises:
            DatabaseError: the URL is wrong, a driver is missing, a newer version made the database, or an
                older one did and the URL's role may not upgrade it.
        """
        parsed = _parse(url)
        if parsed.get_backend_name() == "sqlite":
            _make_file(Path(parsed.database or ""))
        try:
            # A server may have closed a connection since it was last used; a file cannot.
            self.engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
        except ModuleNotFoundError as error:
            raise DatabaseError(
                "A PostgreSQL database needs the package psycopg: pip install 'tts-playground[postgres]'."
            ) from error
        if parsed.get_backend_name() == "sqlite":
            event.listen(self.engine, "connect", _set_up_sqlite)
        try:
            with self._locked() as connection:
                _upgrade(connection)
        except exc.ProgrammingError as error:
            if getattr(error.orig, "sqlstate", "") != _NOT_ALLOWED:
                raise
            raise DatabaseError(
                "The database is not at the revision of this version, and its role may not change tables: "
                "run `ttsp database migrate` as the role that owns them, then start again."
            ) from error

    @contextmanager
    def session(self, act: Act = UNRECORDED) -> Iterator[Session]:
        """Yield a session whose transaction is committed at the end; objects that it returned stay usable.

        `act` is what is done in it: it records itself when it has had an effect.
        """
        with act, Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def forgetting(self, act: Act = UNRECORDED) -> Iterator[Session]:
        """Yield a session, as `session` does, whose deleted and replaced texts are in no file afterwards.

        SQLite keeps them in its write-ahead log until that is written to the database, where `secure_delete`
        overwrites them. PostgreSQL keeps them until it vacuums, and in its own log and backups.
        """
        with self.session(act) as session:
            yield session
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect() as connection:
                busy, _pages, _moved = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            if busy:  # somebody read for longer than busy_timeout; the next one that forgets takes it along
                log("texts stay in the write-ahead log for now", level=logging.WARNING)

    def grant(self, role: str) -> None:
        """Let a role of PostgreSQL do what the service does: of the audit, read and add rows only.

        Raises:
            DatabaseError: this is SQLite, there is no such role, or it can change the audit all the same.
        """
        if self.engine.dialect.name == "sqlite":
            raise DatabaseError("SQLite has no roles: rights are those of the file.")
        quoted = self.engine.dialect.identifier_preparer.quote
        named = quoted(role)
        with self._locked() as connection:
            if not connection.scalar(text("SELECT true FROM pg_roles WHERE rolname = :role"), {"role": role}):
                raise DatabaseError(f"There is no role {role!r}: CREATE ROLE makes it.")
            schema = quoted(str(connection.scalar(text("SELECT current_schema()"))))
            connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} TO {named}")
            ours = text(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tableowner = "
                "(SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'audit'::regclass)"
            )
            tables = connection.scalars(ours).all()
            if not tables:
                raise DatabaseError("The tables of this service are not in the current schema.")
            for table in tables:
                rights = _RIGHTS.get(table, "SELECT, INSERT, UPDATE, DELETE")
                connection.exec_driver_sql(f"REVOKE ALL ON {table} FROM {named}")
                connection.exec_driver_sql(f"GRANT {rights} ON {table} TO {named}")
            if _may_change_audit(connection, role):
                raise DatabaseError(
                    f"The role {role!r} can change the audit whatever is granted: it owns the tables, is a "
                    "superuser, or has the rights of another role. Take another role for the service."
                )

    def may_change_audit(self) -> bool:
        """Return whether this database's role has rights to change the audit (PostgreSQL)."""
        if self.engine.dialect.name == "sqlite":
            return False
        with self.engine.connect() as connection:
            return _may_change_audit(connection, str(connection.scalar(text("SELECT current_user"))))

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def _locked(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that no other upgrader has at the same time."""
        if self.engine.dialect.name == "sqlite":
            # The driver begins transactions late, and none before DDL: so they are managed here instead.
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


async def recorded(call: Callable[[], _Answer], backoff: Backoff = RETRY) -> _Answer:
    """Return the result of `call`, made in a thread; repeat it for as long as the database is away.

    Its change may be made twice: the connection can break after the change was stored.
    """
    failures = 0
    while True:
        try:
            return await asyncio.to_thread(call)
        except AWAY as error:
            log("database away", error=error)
        failures += 1
        await asyncio.sleep(backoff.after(failures))


def storable(identifier: str) -> bool:
    """Return whether an id from a caller could be stored: PostgreSQL refuses queries for any other."""
    return "\0" not in identifier


def migrations(connection: Connection) -> Config:
    """Return alembic's configuration to migrate the database of `connection` in its transaction."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "tts_app.storage:migrations")
    return config


def _may_change_audit(connection: Connection, role: str) -> bool:
    """Return whether a role of PostgreSQL has the rights to change the audit, or can give them to itself."""
    found = connection.scalar(
        text(
            "SELECT has_table_privilege(:role, 'audit', 'UPDATE, DELETE, TRUNCATE') "
            "OR pg_has_role(:role, relowner, 'MEMBER') FROM pg_class WHERE oid = 'audit'::regclass"
        ),
        {"role": role},
    )
    return bool(found)


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
    """Return the URL, with the driver that we have. No message repeats the URL: it may hold a password."""
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
    if not path.parent.exists():
        private_folder(path.parent)
    private_file(path)  # it holds texts that are still to be spoken


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    """Let readers work beside a writer; overwrite deleted data, because it was a user's text."""
    cursor = connection.cursor()
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
