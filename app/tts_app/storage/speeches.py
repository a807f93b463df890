"""Metadata of durable speeches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, UniqueConstraint, delete, func, null, select, update
from sqlalchemy.orm import Mapped, defer, mapped_column

from tts_app.storage.acts import UNRECORDED, Act
from tts_app.storage.database import Base, Database, storable
from tts_app.storage.idempotency import Once, add_once, repeated
from tts_app.storage.pages import Listed, Page, page_of
from tts_app.tenants import DEFAULT_TENANT


class Status(StrEnum):
    """The status of a speech."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (Status.DONE, Status.FAILED)


Blob = bytes
"""The type, which `Speech.bytes` hides within the class."""


class Speech(Once, Listed, Base):
    """A durable speech. Its text is kept only until it was spoken."""

    __tablename__ = "speeches"
    __table_args__ = (
        UniqueConstraint("tenant", "idempotency_key", name="uq_speeches_tenant_idempotency_key"),
        Index("ix_speeches_tenant_bytes", "tenant", "bytes"),
        Index("ix_speeches_tenant_created_id", "tenant", "created", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(server_default=DEFAULT_TENANT)
    status: Mapped[str] = mapped_column(index=True)
    created: Mapped[float]
    """Seconds since the epoch."""
    finished: Mapped[float | None]
    model: Mapped[str]
    voice: Mapped[str]
    locale: Mapped[str]
    format: Mapped[str]
    speed: Mapped[float]
    options: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """The fields of its SpeechOptions until it was spoken: they may hold a caller's words. None also if a
    version stored it that knew only format and speed."""
    warnings: Mapped[list[str] | None] = mapped_column(JSON)
    """Codes of what is not spoken as the text asks; None if an earlier version stored it."""
    text: Mapped[str | None]
    """None once the speech is final."""
    characters: Mapped[int]
    text_hash: Mapped[str]
    """Keyed hash of the text: it shows only whether two texts are the same."""
    seconds: Mapped[float | None]
    bytes: Mapped[int | None]
    sha256: Mapped[str | None]
    frames: Mapped[Blob | None]
    """Digests of the file's frames (`tts_app.storage.audio`); None if an earlier version stored it."""
    error: Mapped[str | None]
    request_hash: Mapped[str | None]
    """Keyed hash of the request's body, where it has an idempotency key."""

    def is_of_request(self, other: "Speech") -> bool:
        """Compare the hashes of the bodies."""
        return self.request_hash == other.request_hash

    @property
    def created_at(self) -> datetime:
        """When it was requested."""
        return datetime.fromtimestamp(self.created, UTC)

    @property
    def finished_at(self) -> datetime | None:
        """When it was done or failed."""
        return None if self.finished is None else datetime.fromtimestamp(self.finished, UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which speeches are listed; None: all."""

    status: str | None = None
    model: str | None = None
    voice: str | None = None
    start: float | None = None
    """Seconds since the epoch: those that were requested then or later."""
    end: float | None = None
    """Those that were requested before."""

    def conditions(self) -> Iterator[Any]:
        """Yield what must hold of a speech."""
        for name in ("status", "model", "voice"):
            if (value := getattr(self, name)) is not None:
                yield getattr(Speech, name) == value
        if self.start is not None:
            yield Speech.created >= self.start
        if self.end is not None:
            yield Speech.created < self.end


_BODIES = (defer(Speech.text), defer(Speech.options), defer(Speech.frames))
"""What may be long and a list does not need."""


class Speeches:
    """The table of speeches. Blocking: call it in a thread.

    Every method is about one tenant's speeches, but those that say that they are about all.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, tenant: str, speech: Speech, act: Act = UNRECORDED) -> Speech:
        """Store a new speech and return it; if its request is a repeated one, return the stored speech.

        Raises:
            IdempotencyConflictError: the idempotency key is stored for another request.
            AuditError: it cannot be recorded.
        """
        speech.tenant = tenant
        return add_once(self._database, speech, act)

    def repeated(self, tenant: str, speech: Speech) -> Speech | None:
        """Return the speech that the same request made before; None if it is the first with its key.

        Raises:
            IdempotencyConflictError: the idempotency key is stored for another request.
        """
        speech.tenant = tenant
        return repeated(self._database, speech)

    def list(self, tenant: str, wanted: Wanted, limit: int, cursor: str | None = None) -> Page[Speech]:
        """Return at most `limit` of the speeches that are wanted, newest first, without texts and options.

        With `cursor`, those after the page that gave it. Raises UnknownCursorError.
        """
        conditions = [Speech.tenant == tenant, *wanted.conditions()]
        return page_of(self._database, Speech, conditions, limit, cursor, options=_BODIES)

    def get(self, tenant: str, speech_id: str) -> Speech | None:
        """Return a speech, detached, or None."""
        if not storable(speech_id):
            return None
        with self._database.session() as session:
            return session.scalar(select(Speech).where(*_the_one(tenant, speech_id)))

    def unfinished(self) -> Sequence[tuple[str, str]]:
        """Return the tenants and ids of the speeches of all tenants that are not final, oldest first."""
        query = select(Speech.tenant, Speech.id).where(_open()).order_by(Speech.created, Speech.id)
        with self._database.session() as session:
            return [(tenant, speech_id) for tenant, speech_id in session.execute(query)]

    def count_unfinished(self) -> Mapping[str, int]:
        """Return how many speeches are not final, of each tenant that has such."""
        query = select(Speech.tenant, func.count()).where(_open()).group_by(Speech.tenant)
        with self._database.session() as session:
            return {tenant: count for tenant, count in session.execute(query)}  # noqa: C416 - rows, not pairs

    def stored_bytes(self, tenant: str) -> int:
        """Return how many bytes of audio the speeches have."""
        query = select(func.sum(Speech.bytes)).where(Speech.tenant == tenant)
        with self._database.session() as session:
            return int(session.execute(query).scalar_one() or 0)

    def running(self, tenant: str, speech_id: str) -> bool:
        """Record that a speech is being made. False: it is final or deleted, and must not be."""
        return self._change(tenant, speech_id, status=Status.RUNNING.value)

    def done(
        self,
        tenant: str,
        speech_id: str,
        *,
        finished: float,
        seconds: float,
        size: int,
        sha256: str,
        frames: Blob,
        publish: Callable[[], None],
    ) -> bool:
        """Record that a speech is done and forget its text and options; `publish` puts its file in place.

        Both happen in one transaction. So of several gateways that made the speech, only the one whose record
        is kept publishes its file. False: it was final or deleted before, and nothing was published.

        Raises:
            OSError: it cannot be published; the speech stays open.
        """
        return self._change(
            tenant,
            speech_id,
            publish,
            status=Status.DONE.value,
            finished=finished,
            seconds=seconds,
            bytes=size,
            sha256=sha256,
            frames=frames,
            **_FORGOTTEN,
        )

    def failed(self, tenant: str, speech_id: str, *, finished: float, error: str) -> bool:
        """Record why a speech cannot be made and forget its text. False: it was final or deleted before."""
        return self._change(
            tenant, speech_id, status=Status.FAILED.value, finished=finished, error=error, **_FORGOTTEN
        )

    def delete(self, tenant: str, speech_id: str, act: Act = UNRECORDED) -> Speech | None:
        """Remove a speech and return it; None if there was none. Raises AuditError."""
        if not storable(speech_id):
            return None
        removal = delete(Speech).where(*_the_one(tenant, speech_id)).returning(Speech)
        with self._database.forgetting(act) as session:
            removed = session.scalar(removal)
            if removed is not None:
                act.record(session, speech_id)
        return removed

    def _change(
        self, tenant: str, speech_id: str, publish: Callable[[], None] | None = None, **values: Any
    ) -> bool:
        """Change a speech that is open, in one statement, so atomically."""
        change = update(Speech).where(*_the_one(tenant, speech_id), _open())
        database = self._database
        with database.forgetting() if "text" in values else database.session() as session:
            changed = session.scalar(change.values(**values).returning(Speech.id)) is not None
            if changed and publish is not None:
                publish()
        return changed


_FORGOTTEN: dict[str, Any] = {"text": None, "options": null()}
"""What a speech that is final does not keep."""


def _the_one(tenant: str, speech_id: str) -> tuple[Any, Any]:
    """Return the conditions of the speech: another tenant's is found as little as one that does not exist."""
    return Speech.id == speech_id, Speech.tenant == tenant


def _open() -> Any:
    return Speech.status.in_([Status.QUEUED.value, Status.RUNNING.value])
