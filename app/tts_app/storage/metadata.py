"""Metadata of durable speeches, in any database that SQLAlchemy speaks."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, func, make_url, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Status(StrEnum):
    """Where a speech stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (Status.DONE, Status.FAILED)


class _Base(DeclarativeBase):
    pass


class Speech(_Base):
    """A durable speech. Its text is kept only until it was spoken."""

    __tablename__ = "speeches"

    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(index=True)
    created: Mapped[float]
    """Seconds since the epoch."""
    finished: Mapped[float | None]
    model: Mapped[str]
    voice: Mapped[str]
    locale: Mapped[str]
    format: Mapped[str]
    speed: Mapped[float]
    text: Mapped[str | None]
    """None once the speech is final."""
    characters: Mapped[int]
    text_hash: Mapped[str]
    """Keyed hash of the text: tells that two are the same, and nothing else."""
    seconds: Mapped[float | None]
    bytes: Mapped[int | None]
    sha256: Mapped[str | None]
    error: Mapped[str | None]

    @property
    def created_at(self) -> datetime:
        """When it was asked for."""
        return datetime.fromtimestamp(self.created, UTC)

    @property
    def finished_at(self) -> datetime | None:
        """When it was done or failed."""
        return None if self.finished is None else datetime.fromtimestamp(self.finished, UTC)


class Speeches:
    """The table of speeches. Blocking: call it in a thread."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        _Base.metadata.create_all(self._engine)

    def add(self, speech: Speech) -> None:
        """Store a new speech."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            session.add(speech)

    def get(self, speech_id: str) -> Speech | None:
        """Return a speech, detached, or None."""
        with Session(self._engine, expire_on_commit=False) as session:
            return session.get(Speech, speech_id)

    def unfinished(self) -> Sequence[str]:
        """Return the ids of the speeches that are not final, oldest first."""
        query = select(Speech.id).where(_open()).order_by(Speech.created, Speech.id)
        with Session(self._engine) as session:
            return session.scalars(query).all()

    def count_unfinished(self) -> int:
        """Return how many speeches are not final."""
        with Session(self._engine) as session:
            return session.scalar(select(func.count()).select_from(Speech).where(_open())) or 0

    def running(self, speech_id: str) -> None:
        """Record that a speech is being made."""
        self._change(speech_id, status=Status.RUNNING.value)

    def done(self, speech_id: str, *, finished: float, seconds: float, size: int, sha256: str) -> bool:
        """Record that a speech's file is in place and forget its text. False: it was deleted meanwhile."""
        return self._change(
            speech_id,
            status=Status.DONE.value,
            finished=finished,
            seconds=seconds,
            bytes=size,
            sha256=sha256,
            text=None,
        )

    def failed(self, speech_id: str, *, finished: float, error: str) -> None:
        """Record why a speech cannot be made and forget its text."""
        self._change(speech_id, status=Status.FAILED.value, finished=finished, error=error, text=None)

    def delete(self, speech_id: str) -> Speech | None:
        """Remove a speech; return what it was, or None where there was none."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            speech = session.get(Speech, speech_id)
            if speech is not None:
                session.delete(speech)
            return speech

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _change(self, speech_id: str, **values: Any) -> bool:
        with Session(self._engine) as session, session.begin():
            changed = session.scalars(
                update(Speech).where(Speech.id == speech_id).values(**values).returning(Speech.id)
            ).all()
        return bool(changed)


def _open() -> Any:
    return Speech.status.in_([Status.QUEUED.value, Status.RUNNING.value])


def _engine(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        database = make_url(url).database
        if database and database != ":memory:":
            path = Path(database)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)  # it holds texts that are still to be spoken
        event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    """Let readers and a writer work at a time; overwrite what is deleted, as it was somebody's text."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
