"""Keys of callers: whose they are and what they may do. Their secrets are stored as keyed hashes only."""

from collections.abc import Sequence

from sqlalchemy import JSON, ColumnElement, select, true, update
from sqlalchemy.orm import Mapped, mapped_column

from tts_app.storage.acts import UNRECORDED, Act
from tts_app.storage.database import Base, Database, storable


class ApiKey(Base):
    """A key. It is never removed, so that its id says whose it was."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    """What it is for, in the words of whoever made it."""
    digest: Mapped[str]
    """Keyed hash of the key (`tts_app.security.keys`)."""
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created: Mapped[float]
    """Seconds since the epoch, as the other times."""
    created_by: Mapped[str]
    expires: Mapped[float | None]
    """None: never."""
    revoked: Mapped[float | None]
    """None: it is not."""

    def is_valid(self, now: float) -> bool:
        """Whether it can be used at `now`."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class ApiKeys:
    """The table of keys. Blocking: call it in a thread.

    Changes raise AuditError, and do nothing, where the audit's row cannot be written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, key: ApiKey, act: Act = UNRECORDED) -> None:
        """Store a new key."""
        with self._database.session(act) as session:
            session.add(key)
            act.record(session, key.id)

    def get(self, key_id: str) -> ApiKey | None:
        """Return a key of any tenant, detached, or None."""
        if not storable(key_id):
            return None
        with self._database.session() as session:
            return session.get(ApiKey, key_id)

    def list(self, tenant: str | None) -> Sequence[ApiKey]:
        """Return the keys of a tenant, or of all for None, oldest first."""
        query = select(ApiKey).where(_of(tenant)).order_by(ApiKey.created, ApiKey.id)
        with self._database.session() as session:
            return session.scalars(query).all()

    def revoke(self, tenant: str | None, key_id: str, now: float, act: Act = UNRECORDED) -> bool:
        """Revoke a key of a tenant, or of any for None. False: there is none, or it was revoked before."""
        if not storable(key_id):
            return False
        change = update(ApiKey).where(ApiKey.id == key_id, _of(tenant), ApiKey.revoked.is_(None))
        change = change.values(revoked=now)
        with self._database.session(act) as session:
            revoked = session.scalar(change.returning(ApiKey.id)) is not None
            if revoked:
                act.record(session, key_id)
        return revoked

    def rotate(self, key_id: str, successor: ApiKey, expires: float, act: Act = UNRECORDED) -> bool:
        """Store the successor of a key, which ends at `expires` or sooner. False: it is none, or revoked."""
        with self._database.session(act) as session:
            old = session.scalar(select(ApiKey).where(ApiKey.id == key_id).with_for_update())
            if old is None or old.revoked is not None:
                return False
            old.expires = expires if old.expires is None else min(expires, old.expires)
            session.add(successor)
            for rotated in (key_id, successor.id):
                act.record(session, rotated)
        return True


def _of(tenant: str | None) -> ColumnElement[bool]:
    return true() if tenant is None else ApiKey.tenant == tenant
