"""The identity provider (OpenID Connect) whose tokens count: its keys, fetched and kept, and its callers."""

import asyncio
import hashlib
import json
import logging
import math
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial

import httpx

from tts_app.loopback import is_private_url
from tts_app.security.principal import Principal
from tts_app.security.tokens import (
    LEEWAY,
    PublicKey,
    SigningKeys,
    TokenError,
    TokenRules,
    claims_of,
    find_key,
    header_of,
    principal_of,
    signing_keys,
)
from tts_app.settings import Settings
from tts_app.telemetry.logs import log

_FRESH = 300.0
"""Seconds after which keys are fetched again. Until the new ones are there, the old ones count."""
_STALE = 2 * _FRESH
"""Seconds after which callers wait for the new ones: nobody came for a while, and a key may be withdrawn."""
_KEPT = 3600.0
"""Seconds for which keys count while the provider does not answer."""
_PAUSE = 10.0
"""Seconds between two fetches at least: tokens with invented key ids cause no more."""
_TIMEOUT = 5.0
"""Seconds that a fetch may take, all of its requests together."""
_LARGEST = 1 << 20
"""Bytes of an answer of the provider."""
_REMEMBERED = 60.0
"""Seconds for which a token that was found right is not checked again."""
_TOKENS = 4096
"""Tokens that are remembered; the one that was seen least recently is forgotten."""


class ProviderAwayError(Exception):
    """The identity provider gives no keys. The message is for the log."""


class ProviderKeys:
    """The provider's signing keys. For one event loop."""

    def __init__(
        self, fetch: Callable[[], Awaitable[SigningKeys]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`fetch` returns the keys or raises `ProviderAwayError`."""
        self._fetch = fetch
        self._clock = clock
        self._keys: SigningKeys = {}
        self._fetched = self._tried = -math.inf
        self._is_away = False
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str, algorithm: str) -> PublicKey | None:
        """Return the key that a token names; None if the provider has no such key.

        Raises:
            ProviderAwayError: that cannot be known, because the provider does not answer.
        """
        if self._age > _STALE:
            await self._fetched_again()
        elif self._age > _FRESH:
            self._start()
        if self._age > _KEPT:
            raise ProviderAwayError("there are no keys, or they are too old")
        found = find_key(self._keys, key_id, algorithm)
        if found is None:
            await self._fetched_again()
            found = find_key(self._keys, key_id, algorithm)
            if found is None and self._is_away:
                raise ProviderAwayError("it may have made a new key")
        return found

    @property
    def _age(self) -> float:
        return self._clock() - self._fetched

    async def _fetched_again(self) -> None:
        """Wait for the fetch that runs, or for a new one; return at once if the last was a moment ago."""
        fetching = self._start()
        if fetching is not None:
            await asyncio.shield(fetching)  # others wait for it too

    def _start(self) -> asyncio.Task[None] | None:
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        now = self._clock()
        if now - self._tried < _PAUSE:
            return None
        self._tried = now
        self._fetching = asyncio.create_task(self._replace())
        return self._fetching

    async def _replace(self) -> None:
        try:
            keys = await self._fetch()
        except ProviderAwayError as error:
            self._is_away = True
            log("identity provider away", level=logging.ERROR, reason=str(error))
            return
        self._keys, self._fetched, self._is_away = keys, self._clock(), False


class IdentityProvider:
    """Knows callers by the tokens that a provider has signed. For one event loop."""

    def __init__(self, rules: TokenRules, keys: ProviderKeys, clock: Callable[[], float] = time.time) -> None:
        self._rules = rules
        self._keys = keys
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()

    async def principal(self, token: str) -> Principal:
        """Return who has `token`.

        Raises:
            TokenError: it is not right.
            ProviderAwayError: the provider's keys cannot be had.
        """
        name = hashlib.sha256(token.encode()).digest()
        known = self._known.get(name)
        now = self._clock()
        if known is not None and now < known[0]:
            self._known.move_to_end(name)
            return known[1]
        self._known.pop(name, None)
        principal = await self._checked(token)
        if principal.expires is not None:
            self._known[name] = (min(now + _REMEMBERED, principal.expires + LEEWAY), principal)
        if len(self._known) > _TOKENS:
            self._known.popitem(last=False)
        return principal

    async def _checked(self, token: str) -> Principal:
        key_id, algorithm = header_of(token)
        key = await self._keys.find(key_id, algorithm)
        if key is None:
            raise TokenError("The token is signed with a key that the issuer does not have.")
        return principal_of(claims_of(token, key, algorithm, self._rules), self._rules)


def provider_of(settings: Settings) -> IdentityProvider | None:
    """Return the identity provider that the settings name; None if they name none."""
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return None
    rules = TokenRules(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        tenant_claim=settings.oidc_tenant_claim,
        scope_claim=settings.oidc_scope_claim,
        scope_prefix=settings.oidc_scope_prefix or "",
        mfa_claim=settings.oidc_mfa_claim,
        mfa_values=settings.oidc_mfa_values,
    )
    # Made here and once: it reads a file of certificates.
    certificates = httpx.create_ssl_context()
    fetch = partial(fetch_keys, settings.oidc_issuer, settings.oidc_jwks_url, certificates)
    return IdentityProvider(rules, ProviderKeys(fetch))


async def fetch_keys(issuer: str, jwks_url: str | None, certificates: ssl.SSLContext) -> SigningKeys:
    """Return the keys at `jwks_url`; without it, at the address that the provider names (discovery).

    Raises:
        ProviderAwayError: they cannot be had, or the provider calls itself something else than `issuer`.
    """
    try:
        async with asyncio.timeout(_TIMEOUT), httpx.AsyncClient(verify=certificates) as client:
            if jwks_url is None:
                jwks_url = _jwks_url(await _get(client, discovery_url(issuer)), issuer)
            document = await _get(client, jwks_url)
    except TimeoutError:
        raise ProviderAwayError(f"no answer within {_TIMEOUT:g} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise ProviderAwayError(f"{type(error).__name__}: {error}") from error
    try:
        return signing_keys(document)
    except ValueError as error:
        raise ProviderAwayError(f"the keys at {jwks_url} are not usable: {error}") from None


def discovery_url(issuer: str) -> str:
    """Return where an issuer describes itself (OpenID Connect Discovery 1.0, 4)."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


def _jwks_url(document: object, issuer: str) -> str:
    found = document if isinstance(document, dict) else {}
    if found.get("issuer") != issuer:
        raise ProviderAwayError(
            f"the issuer calls itself {str(found.get('issuer'))[:200]!r}, but TTSP_OIDC_ISSUER is "
            f"{issuer!r}: they must be equal, to the last slash"
        )
    url = found.get("jwks_uri")
    if not isinstance(url, str) or not is_private_url(url):
        raise ProviderAwayError(f"the issuer has its keys at {str(url)[:200]!r}, which is no https address")
    return url


async def _get(client: httpx.AsyncClient, url: str) -> object:
    """Return the JSON at `url`."""
    async with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
        if answer.status_code != httpx.codes.OK:
            raise ProviderAwayError(f"{url} answers {answer.status_code}")
        body = bytearray()
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > _LARGEST:
                raise ProviderAwayError(f"the answer of {url} is longer than {_LARGEST} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ProviderAwayError(f"the answer of {url} is no JSON") from None
