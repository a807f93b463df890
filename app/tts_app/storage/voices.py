"""Cloned voices, encrypted (`tts_app.cloning.vault`). What stays of a revoked one says only that it was."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import UniqueConstraint, func, select, update
from sqlalchemy.orm import Mapped, defer, mapped_column

from tts_app.storage.acts import UNRECORDED, Act
from tts_app.storage.database import Base, Database, storable
from tts_app.storage.idempotency import Once, add_once, repeated


class ClonedVoice(Once, Base):
    """A cloned voice."""

    __tablename__ = "voices"
    __table_args__ = (UniqueConstraint("tenant", "idempotency_key", name="uq_voices_tenant_idempotency_key"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(index=True)
    created: Mapped[float]
    """Seconds since the epoch, as the other times."""
    expires: Mapped[float | None]
    """When the consent ends; None: never."""
    revoked: Mapped[float | None]
    """None: it is not."""
    model: Mapped[str]
    """VoiceModel that speaks with it."""
    locale: Mapped[str]
    gender: Mapped[str]
    digest: Mapped[str]
    """Digest of the clip, by which replicas know it (`tts_app.cloning.clips`)."""
    wrapped_key: Mapped[bytes | None]
    """None, as the encrypted parts, once it was revoked."""
    record: Mapped[bytes | None]
    """Its name, transcript, consent and what was measured."""
    clip: Mapped[bytes | None]
    consent_clip: Mapped[bytes | None]
    request_hash: Mapped[str | None]
    """Keyed hash of the request, where it has an idempotency key. Both are forgotten with the voice."""

    def is_of_request(self, other: "ClonedVoice") -> bool:
        """Compare the hashes of the requests."""
        return self.request_hash == other.request_hash


_FORGOTTEN = ("wrapped_key", "record", "clip", "consent_clip", "idempotency_key", "request_hash")
"""What a voice that was revoked does not keep."""
_CLIPS = (defer(ClonedVoice.clip), defer(ClonedVoice.consent_clip))


class ClonedVoices:
    """The table of cloned voices. Blocking: call it in a thread.

    Every method is about one tenant's voices.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, tenant: str, voice: ClonedVoice, act: Act = UNRECORDED) -> ClonedVoice:
        """Store a new voice and return it; if its request is a repeated one, return the stored voice.

        Raises:
            IdempotencyConflictError: the idempotency key is stored for another request.
            AuditError: it cannot be recorded.
        """
        voice.tenant = tenant
        return add_once(self._database, voice, act)

    def repeated(self, tenant: str, voice: ClonedVoice) -> ClonedVoice | None:
        """Return the voice that the same request made before; None if it is the first with its key.

        Raises:
            IdempotencyConflictError: the idempotency key is stored for another request.
        """
        voice.tenant = tenant
        return repeated(self._database, voice)

    def get(self, tenant: str, voice_id: str, *, with_clip: bool = False) -> ClonedVoice | None:
        """Return a voice, revoked or not, detached; None if the tenant never had it.

        Without `with_clip`, its two clips are not read and must not be asked for.
        """
        if not storable(voice_id):
            return None
        query = select(ClonedVoice).where(*_the_one(tenant, voice_id))
        with self._database.session() as session:
            return session.scalar(query if with_clip else query.options(*_CLIPS))

    def list(self, tenant: str) -> Sequence[ClonedVoice]:
        """Return the voices that are not revoked, oldest first, without their clips."""
        query = select(ClonedVoice).where(ClonedVoice.tenant == tenant, ClonedVoice.revoked.is_(None))
        with self._database.session() as session:
            return session.scalars(query.options(*_CLIPS).order_by(ClonedVoice.created, ClonedVoice.id)).all()

    def count(self, tenant: str) -> int:
        """Return how many voices are not revoked."""
        query = select(func.count()).where(ClonedVoice.tenant == tenant, ClonedVoice.revoked.is_(None))
        with self._database.session() as session:
            return session.execute(query).scalar_one()

    def revoke(self, tenant: str, voice_id: str, now: float, act: Act = UNRECORDED) -> str | None:
        """Destroy a voice's key, clips and record; return the digest of its clip.

        None: there is none, or it was revoked before. Raises AuditError.
        """
        if not storable(voice_id):
            return None
        nothing = dict.fromkeys(_FORGOTTEN)
        change = update(ClonedVoice).where(*_the_one(tenant, voice_id), ClonedVoice.revoked.is_(None))
        change = change.values(revoked=now, **nothing)
        with self._database.forgetting(act) as session:
            digest = session.scalar(change.returning(ClonedVoice.digest))
            if digest is not None:
                act.record(session, voice_id)
        return digest


def _the_one(tenant: str, voice_id: str) -> tuple[Any, Any]:
    """Return the conditions of the voice: another tenant's is found as little as one that does not exist."""
    return ClonedVoice.id == voice_id, ClonedVoice.tenant == tenant
