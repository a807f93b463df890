"""Making, rotating and revoking keys: what `ttsp keys` and `/v1/keys` do."""

import time
from collections.abc import Callable, Iterable

from tts_app.security.keys import Key, new_key
from tts_app.security.principal import Scope
from tts_app.storage.acts import UNRECORDED, Act
from tts_app.storage.api_keys import ApiKey, ApiKeys
from tts_app.tenants import is_tenant

DAY = 86_400.0
OVERLAP = DAY
"""Seconds for which a key that was rotated is still valid, beside its successor."""


class Issuer:
    """Issues keys. Blocking: call it in a thread.

    All raise AuditError, and do nothing, where the audit's row cannot be written.
    """

    def __init__(self, keys: ApiKeys, pepper: bytes, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._pepper = pepper
        self._clock = clock

    def create(
        self,
        tenant: str,
        name: str,
        scopes: Iterable[Scope],
        lasts: float | None,
        by: str,
        act: Act = UNRECORDED,
    ) -> tuple[Key, ApiKey]:
        """Make a key that is valid for `lasts` seconds, or for ever; return it with its record.

        The key itself is in nothing that is stored: it cannot be shown again.

        Raises:
            ValueError: no tenant may be called `tenant`.
        """
        if not is_tenant(tenant):
            raise ValueError(
                f"{tenant[:80]!r} is no name of a tenant: it has up to 63 lower-case letters, digits and "
                "hyphens, as 'hotel-1'."
            )
        key, record = self._new(tenant, name, sorted(scopes), lasts, by)
        self._keys.add(record, act)
        return key, record

    def rotate(
        self,
        tenant: str | None,
        key_id: str,
        by: str,
        overlap: float = OVERLAP,
        act: Act = UNRECORDED,
    ) -> tuple[Key, ApiKey] | None:
        """Make a successor with the same rights; the old key is valid for `overlap` seconds more.

        None: `tenant` has no such key (None: no tenant has), or it was revoked.
        """
        old = self._keys.get(key_id)
        if old is None or tenant not in (None, old.tenant):
            return None
        lasts = None if old.expires is None else old.expires - old.created
        key, record = self._new(old.tenant, old.name, old.scopes, lasts, by)
        rotated = self._keys.rotate(key_id, record, self._clock() + overlap, act)
        return (key, record) if rotated else None

    def revoke(self, tenant: str | None, key_id: str, act: Act = UNRECORDED) -> bool:
        """Revoke a key, within seconds on every replica.

        False: `tenant` has no such key (None: no tenant has), or it was revoked before.
        """
        return self._keys.revoke(tenant, key_id, self._clock(), act)

    def _new(
        self, tenant: str, name: str, scopes: Iterable[str], lasts: float | None, by: str
    ) -> tuple[Key, ApiKey]:
        key, now = new_key(), self._clock()
        record = ApiKey(
            id=key.id,
            tenant=tenant,
            name=name,
            digest=key.digest(self._pepper),
            scopes=[str(scope) for scope in scopes],
            created=now,
            created_by=by,
            expires=None if lasts is None else now + lasts,
            revoked=None,
        )
        return key, record
