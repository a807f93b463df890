"""Finds out who calls, by the key that a request carries."""

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from tts_app.security.keys import parse_key
from tts_app.security.principal import ANONYMOUS, API_KEY, Principal, Scope
from tts_app.storage.api_keys import ApiKey

_REMEMBERED = 4.0
"""Seconds for which an answer of the database counts: a key that is revoked is refused within 5."""
_KEYS = 4096
"""Keys whose answers are remembered; the one that was asked for least recently is forgotten."""


class Records(Protocol):
    """Where the records of keys are."""

    def get(self, key_id: str) -> ApiKey | None:
        """Return a record, or None. Blocking."""


class Authenticator:
    """Knows callers by the key of `TTSP_API_KEY`, and by keys in the database. For one event loop."""

    def __init__(
        self,
        records: Records,
        pepper: bytes,
        *,
        api_key: str | None = None,
        key_required: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`key_required`: whether callers need a key even if there is no `api_key`."""
        self._records = records
        self._pepper = pepper
        self._api_key = api_key
        self._key_required = key_required or api_key is not None
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Principal | None]] = OrderedDict()

    async def principal(self, key: str | None) -> Principal | None:
        """Return who has `key`, or who calls without one; None if a key is needed and this is none.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database does not answer.
        """
        found = await self._find(key) if key else None
        if found is None and not self._key_required:
            return ANONYMOUS
        return found

    async def _find(self, text: str) -> Principal | None:
        if self._api_key is not None and hmac.compare_digest(text.encode(), self._api_key.encode()):
            return API_KEY
        key = parse_key(text)
        if key is None:
            return None
        now = self._clock()
        name = hashlib.sha256(text.encode()).digest()
        until, principal = self._known.get(name, (0.0, None))
        if now >= until:
            record = await asyncio.to_thread(self._records.get, key.id)
            principal = None
            if record is not None and hmac.compare_digest(record.digest, key.digest(self._pepper)):
                principal = _principal(record) if record.is_valid(now) else None
            self._known[name] = (now + _REMEMBERED, principal)
            if len(self._known) > _KEYS:
                self._known.popitem(last=False)
        self._known.move_to_end(name)
        if principal is not None and principal.expires is not None and now >= principal.expires:
            return None
        return principal


def _principal(record: ApiKey) -> Principal:
    """Return who has a key; scopes of a newer version, which this one does not know, are left out."""
    known = frozenset(Scope(name) for name in record.scopes if name in set(Scope))
    return Principal(record.tenant, f"{record.name} ({record.id})", known, record.expires, record.id)
