"""Metadata of the API's batches. Their items are in the ledger beside the audio."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    Text,
    UniqueConstraint,
    delete,
    false,
    func,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from tts_app.storage.acts import UNRECORDED, Act
from tts_app.storage.database import Base, Database, storable
from tts_app.storage.idempotency import Once, add_once, repeated
from tts_app.storage.pages import Listed, Page, page_of
from tts_app.tenants import DEFAULT_TENANT

_FORGOTTEN = "-"
"""What stands for a text that is forgotten: a post has none that is empty."""
_FORGOTTEN_AT_ONCE = 100
"""Batches whose texts are forgotten in one transaction."""


class BatchStatus(StrEnum):
    """The status of a batch."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIALLY_FAILED = "partially_failed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen, unless it is reopened."""
        return self not in (BatchStatus.QUEUED, BatchStatus.RUNNING)


_OPEN = [status.value for status in BatchStatus if not status.final]
_ENDED = [status.value for status in BatchStatus if status.final]
_REOPENED = [BatchStatus.PARTIALLY_FAILED.value, BatchStatus.FAILED.value, BatchStatus.CANCELLED.value]


class Batch(Once, Listed, Base):
    """A batch: posts, each to be spoken by every avatar. Its job, texts included, is kept with it."""

    __tablename__ = "batches"
    __table_args__ = (
        UniqueConstraint("tenant", "idempotency_key", name="uq_batches_tenant_idempotency_key"),
        Index("ix_batches_tenant_created_id", "tenant", "created", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    """`batch_` and hexadecimal digits."""
    tenant: Mapped[str] = mapped_column(server_default=DEFAULT_TENANT)
    status: Mapped[str] = mapped_column(index=True)
    created: Mapped[float]
    """Seconds since the epoch."""
    started: Mapped[float | None]
    """When it first ran."""
    finished: Mapped[float | None]
    request_hash: Mapped[str]
    """Keyed hash of the request's body; a plain one if an earlier version stored it. It distinguishes a
    repeated request from another one with the same idempotency key, also when the texts are forgotten."""
    job: Mapped[str] = mapped_column(Text)
    """The spec of its TTSJob, in JSON."""
    avatars: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Who speaks, by the models at the time it was accepted; None if an earlier version accepted it."""
    total: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    """Items whose audio exists, `skipped` included."""
    failed: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    """Items whose audio existed before."""
    retry_failed: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether its next run retries what failed in earlier ones."""
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Of the audio that is stored; None before its first run is over, or if an earlier version ran it."""
    message: Mapped[str | None] = mapped_column(Text)
    """Why it failed as a whole."""
    text_ttl: Mapped[float | None]
    """Seconds after its end for which its texts are kept; None: as long as the setting says."""
    texts_gone: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether they are forgotten: then it can be listed, heard and deleted, but not retried."""

    def is_of_request(self, other: "Batch") -> bool:
        """Compare the bodies too, as long as they are there: the secret of the hashes may have been lost."""
        return self.request_hash == other.request_hash or (not self.texts_gone and self.job == other.job)

    @property
    def created_at(self) -> datetime:
        """When it was requested."""
        return datetime.fromtimestamp(self.created, UTC)

    @property
    def started_at(self) -> datetime | None:
        """When it first ran."""
        return None if self.started is None else datetime.fromtimestamp(self.started, UTC)

    @property
    def finished_at(self) -> datetime | None:
        """When it ended."""
        return None if self.finished is None else datetime.fromtimestamp(self.finished, UTC)


@dataclass(frozen=True, slots=True)
class OpenBatches:
    """Batches that have not ended."""

    number: int
    oldest: float
    """When the oldest was requested, in seconds since the epoch."""


class Batches:
    """The table of batches. Blocking: call it in a thread.

    Every method is about one tenant's batches, but those that say that they are about all.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, tenant: str, batch: Batch, act: Act = UNRECORDED) -> Batch:
        """Store a new batch and return it; if its request is a repeated one, return the stored batch.

        Raises:
            IdempotencyConflictError: the idempotency key is stored for another request.
        """
        batch.tenant = tenant
        return add_once(self._database, batch, act)

    def repeated(self, tenant: str, batch: Batch) -> Batch | None:
        """Return the batch that the same request made before; None if it is the first with its key.

        Raises:
            IdempotencyConflictError: the idempotency key is stored for another request.
        """
        batch.tenant = tenant
        return repeated(self._database, batch)

    def get(self, tenant: str, batch_id: str) -> Batch | None:
        """Return a batch, detached, or None."""
        if not storable(batch_id):
            return None
        with self._database.session() as session:
            return session.scalar(select(Batch).where(*_the_one(tenant, batch_id)))

    def list(self, tenant: str, limit: int, cursor: str | None = None) -> Page[Batch]:
        """Return at most `limit` batches, newest first; with `cursor`, those after the page that gave it.

        Raises:
            UnknownCursorError: no page gave that cursor.
        """
        return page_of(self._database, Batch, [Batch.tenant == tenant], limit, cursor)

    def unfinished(self) -> Sequence[tuple[str, str]]:
        """Return the tenants and ids of the batches of all tenants that are not final, oldest first."""
        query = select(Batch.tenant, Batch.id).where(Batch.status.in_(_OPEN))
        query = query.order_by(Batch.created, Batch.id)
        with self._database.session() as session:
            return [(tenant, batch_id) for tenant, batch_id in session.execute(query)]

    def open_by_status(self) -> Mapping[BatchStatus, OpenBatches]:
        """Return how many batches of all tenants have not ended, and since when the oldest is there."""
        query = select(Batch.status, func.count(), func.min(Batch.created))
        query = query.where(Batch.status.in_(_OPEN)).group_by(Batch.status)
        with self._database.session() as session:
            found = session.execute(query).all()
        return {BatchStatus(status): OpenBatches(number, oldest) for status, number, oldest in found}

    def count_open(self, tenant: str) -> int:
        """Return how many batches have not ended."""
        query = select(func.count()).where(Batch.tenant == tenant, Batch.status.in_(_OPEN))
        with self._database.session() as session:
            return session.execute(query).scalar_one()

    def stored_bytes(self, tenant: str) -> int:
        """Return how many bytes of audio the batches have, as far as that is known."""
        query = select(func.sum(Batch.bytes)).where(Batch.tenant == tenant)
        with self._database.session() as session:
            return int(session.execute(query).scalar_one() or 0)

    def sized(self, tenant: str, batch_id: str, size: int) -> bool:
        """Record the bytes of the audio. False: it is deleted."""
        return self._change(tenant, batch_id, None, bytes=size)

    def running(self, tenant: str, batch_id: str, *, started: float) -> bool:
        """Record that a batch runs, first or again. False: it is final or deleted, and must not run."""
        return self._change(
            tenant,
            batch_id,
            _OPEN,
            status=BatchStatus.RUNNING.value,
            started=func.coalesce(Batch.started, started),
        )

    def progress(
        self, tenant: str, batch_id: str, *, total: int, done: int, failed: int, skipped: int
    ) -> bool:
        """Record the item counts; for a final batch too, as they may come late. False: it is deleted."""
        counts = {"total": total, "done": done, "failed": failed, "skipped": skipped}
        return self._change(tenant, batch_id, None, UNRECORDED, **counts)

    def finish(
        self,
        tenant: str,
        batch_id: str,
        status: BatchStatus,
        *,
        finished: float,
        message: str | None = None,
        act: Act = UNRECORDED,
    ) -> bool:
        """Record how a batch ended, also by cancellation. False: it is final already, or deleted."""
        if not status.final:
            raise ValueError(f"a batch cannot end as {status.value}")
        return self._change(
            tenant,
            batch_id,
            _OPEN,
            act,
            status=status.value,
            finished=finished,
            retry_failed=False,
            message=message,
        )

    def reopen(self, tenant: str, batch_id: str, act: Act = UNRECORDED) -> bool:
        """Queue an ended batch again; until it ends, its runs render what is missing and what failed.

        False: it is open, succeeded or deleted, or its texts are gone.
        """
        reopened = update(Batch).where(
            *_the_one(tenant, batch_id), Batch.status.in_(_REOPENED), Batch.texts_gone.is_(False)
        )
        values = {"status": BatchStatus.QUEUED.value, "finished": None, "retry_failed": True, "message": None}
        with self._database.session(act) as session:
            changed = session.scalar(reopened.values(**values).returning(Batch.id)) is not None
            if changed:
                act.record(session, batch_id)
        return changed

    def forget_texts(self, now: float, text_ttl: float, fingerprint: Callable[[str], str]) -> int:
        """Forget the texts of the batches of all tenants whose time has come; return of how many.

        `fingerprint` makes keyed hashes, which replace plain ones. `text_ttl`, in seconds after the end,
        counts for batches that have none of their own. What the posts are called, and in which languages they
        were, stays: it says which items there are.
        """
        is_due = (
            Batch.status.in_(_ENDED),
            Batch.texts_gone.is_(False),
            Batch.finished + func.coalesce(Batch.text_ttl, text_ttl) <= now,
        )
        forgotten = 0
        while True:
            with self._database.session() as session:
                due = session.execute(
                    select(Batch.id, Batch.job).where(*is_due).limit(_FORGOTTEN_AT_ONCE)
                ).all()
            if not due:
                return forgotten
            with self._database.forgetting() as session:
                for batch_id, job in due:  # a batch that was reopened meanwhile is not due any more
                    forget = update(Batch).where(Batch.id == batch_id, *is_due)
                    values = {"job": _without_texts(job), "request_hash": fingerprint(job)}
                    session.execute(forget.values(**values, texts_gone=True))
            forgotten += len(due)

    def delete_ended(self, tenant: str, batch_id: str, act: Act = UNRECORDED) -> Batch | None:
        """Remove a batch that is final, and return it; None if there is no such batch."""
        if not storable(batch_id):
            return None
        removal = delete(Batch).where(*_the_one(tenant, batch_id), Batch.status.in_(_ENDED)).returning(Batch)
        with self._database.forgetting(act) as session:
            removed = session.scalar(removal)
            if removed is not None:
                act.record(session, batch_id)
        return removed

    def restore(self, batch: Batch, act: Act = UNRECORDED) -> None:
        """Store a removed batch again, as its tenant's."""
        with self._database.session(act) as session:
            session.merge(batch)
            act.record(session, batch.id, "undone")

    def _change(
        self,
        tenant: str,
        batch_id: str,
        allowed: Sequence[str] | None,
        act: Act = UNRECORDED,
        **values: Any,
    ) -> bool:
        """Change a batch whose status is in `allowed` (None: any), in one statement, so atomically."""
        change = update(Batch).where(*_the_one(tenant, batch_id))
        if allowed is not None:
            change = change.where(Batch.status.in_(allowed))
        with self._database.session(act) as session:
            changed = session.scalar(change.values(**values).returning(Batch.id)) is not None
            if changed:
                act.record(session, batch_id)
        return changed


def _without_texts(job: str) -> str:
    """Return the spec of a job whose posts have no texts, but still their ids and languages."""
    spec = json.loads(job)
    for post in spec["posts"]["inline"]:
        post["text"] = dict.fromkeys(post["text"], _FORGOTTEN)
    return json.dumps(spec)


def _the_one(tenant: str, batch_id: str) -> tuple[Any, Any]:
    """Return the conditions of the batch: another tenant's is found as little as one that does not exist."""
    return Batch.id == batch_id, Batch.tenant == tenant
