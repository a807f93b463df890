"""Finds out who calls, by the key or token that a request carries."""

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from tts_app.security.keys import PREFIX, parse_key
from tts_app.security.principal import ANONYMOUS, API_KEY, Principal, Scope
from tts_app.security.provider import IdentityProvider
from tts_app.storage.api_keys import ApiKey
from tts_app.tenants import is_tenant

_REMEMBERED = 4.0
"""Seconds for which an answer of the database counts: a key that is revoked is refused within 5."""
_KEYS = 4096
"""Keys whose answers are remembered; the one that was asked for least recently is forgotten."""


class Records(Protocol):
    """Where the records of keys are."""

    def get(self, key_id: str) -> ApiKey | None:
        """Return a record, or None. Blocking."""


class Authenticator:
    """Knows callers by the key of `TTSP_API_KEY`, keys in the database, and tokens of an identity provider.

    For one event loop.
    """

    def __init__(
        self,
        records: Records,
        pepper: bytes,
        *,
        api_key: str | None = None,
        key_required: bool = False,
        provider: IdentityProvider | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`key_required`: whether callers need a key even if there is neither `api_key` nor `provider`."""
        self._records = records
        self._pepper = pepper
        self._api_key = api_key
        self._provider = provider
        self._key_required = key_required or api_key is not None or provider is not None
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Principal | None]] = OrderedDict()

    @property
    def wants(self) -> str:
        """What callers must send."""
        return "a key" if self._provider is None else "a key or token"

    async def principal(self, key: str | None) -> Principal | None:
        """Return who has `key`, or who calls without one; None if a key is needed and this is none.

        Raises:
            TokenError: it is no key but a token, and not right.
            ProviderAwayError: it is a token, and the keys of the identity provider cannot be had.
            sqlalchemy.exc.SQLAlchemyError: the database does not answer.
        """
        found = await self._find(key) if key else None
        if found is None and not self._key_required:
            return ANONYMOUS
        return found

    async def _find(self, text: str) -> Principal | None:
        if self._api_key is not None and hmac.compare_digest(text.encode(), self._api_key.encode()):
            return API_KEY
        if self._provider is not None and not text.startswith(PREFIX):
            return await self._provider.principal(text)
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
                valid = record.is_valid(now) and is_tenant(record.tenant)
                principal = _principal(record) if valid else None
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
    return Principal(record.tenant, f"{record.name} ({record.id})", known, record.expires, key=record.id)
