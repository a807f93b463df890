"""The door: what is checked of a request by its headers alone, before a byte of its body is read."""

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tts_app.api.callers import Callers
from tts_app.api.errors import ApiError, error_response
from tts_app.api.scopes import admit
from tts_app.api.websockets import check_path, is_handshake
from tts_app.api.wrong_keys import WrongKeys
from tts_app.security.authenticator import Authenticator
from tts_app.security.key_file import KeyFileError
from tts_app.security.principal import ANONYMOUS, Principal
from tts_app.security.provider import ProviderAwayError
from tts_app.security.tokens import TokenError
from tts_app.storage.database import AWAY
from tts_app.telemetry.about import note
from tts_app.telemetry.logs import log

ANY = "*"
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_DOCS = ("/docs", "/openapi.json")
_BARE = "/audio/"
"""Routes of /v1 as clients ask for them whose base address lacks it."""
_RAY = "/ray"
"""Ray's dashboard. Browsers cannot be told to send a bearer, so here they ask for a password instead."""
_HEALTH = "/healthz"
"""Answered whatever the headers: load balancers send an address as Host, or none. It says nothing."""
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may come in."""

    hosts: Collection[str] = (ANY,)
    """Names in the Host header that are this service's. Others are refused: a page whose own name is made to
    resolve to this machine (DNS rebinding) sends its own name."""
    origins: Collection[str] = ()
    """Origins of other sites whose pages may call, as `https://app.example`, or `*`."""
    callers: Callers = field(default_factory=Callers)


class Door:
    """Lets a request in, or answers with what is wrong. Pure ASGI."""

    def __init__(
        self,
        app: ASGIApp,
        rules: Rules,
        authenticator: Authenticator,
        wrong_keys: WrongKeys | None = None,
        on_wrong_key: Callable[[str], None] = lambda _address: None,
    ) -> None:
        """Call `on_wrong_key` with the address that a wrong key comes from."""
        self._app = app
        self._rules = rules
        self._authenticator = authenticator
        self._wrong_keys = wrong_keys or WrongKeys()
        self._on_wrong_key = on_wrong_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == _HEALTH and not is_handshake(scope):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            _check_host(headers.get("host", ""), self._rules.hosts)
            if scope["method"] in _CHANGES or is_handshake(scope):
                _check_origin(headers, self._rules.origins)
            principal, reason = await principal_of(self._authenticator, bearer_of(scope["path"], headers))
            if principal is not None:
                note(tenant=principal.tenant)
            admit(scope, principal)
            unknown = principal is None or (principal is ANONYMOUS and _is_ray(scope["path"]))
            if unknown and _asks_for_key(scope["path"]):
                await self._refuse(scope, headers, reason)
            check_path(scope)  # behind the key: who has none learns what a request learns
        except ApiError as error:
            await error_response(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _refuse(self, scope: Scope, headers: Headers, reason: str) -> None:
        """Raise what a caller without the right key or token gets, later if it has sent many wrong ones."""
        wanted = self._authenticator.wants
        missing = ApiError(
            401,
            f"This API asks for {wanted}: send it as `Authorization: Bearer <{wanted.removeprefix('a ')}>`.",
            headers={"WWW-Authenticate": _BASIC if _is_ray(scope["path"]) else "Bearer"},
        )
        if "authorization" not in headers:
            raise missing
        peer = scope["client"][0] if scope.get("client") else ""
        address = self._rules.callers.of(peer, ",".join(headers.getlist("x-forwarded-for")))
        self._on_wrong_key(address)
        wait = self._wrong_keys.delay(address)
        log("wrong key", level=logging.WARNING, address=address, delay=wait, reason=reason)
        if wait is None:
            message = "Too many wrong keys came from this address: try again later."
            raise ApiError(429, message, code="too_many_wrong_keys", headers={"Retry-After": "10"})
        await asyncio.sleep(wait)
        raise _wrong_token(reason) if reason else missing


async def principal_of(authenticator: Authenticator, key: str | None) -> tuple[Principal | None, str]:
    """Return who calls with `key`, None if that is not known, and what is wrong with a token.

    Raises:
        ApiError: 503, the database or the file of the keys cannot be read, or the identity provider does
            not answer.
    """
    try:
        return await authenticator.principal(key), ""
    except TokenError as error:
        return None, str(error)
    except AWAY as error:
        log("database away", error=error)
        message = "The database does not answer, which knows the keys: try again later."
    except KeyFileError as error:
        log("keys unreadable", level=logging.ERROR, reason=str(error))
        message = "The keys cannot be read. The service's log has the reason."
    except ProviderAwayError:
        message = (
            "The identity provider does not answer, without whose keys no token counts: try again later."
        )
    raise ApiError(503, message, code="unavailable", headers={"Retry-After": "5"})


def _wrong_token(reason: str) -> ApiError:
    """Return the refusal of a token, as RFC 6750 has it."""
    challenge = f'Bearer error="invalid_token", error_description="{reason}"'
    return ApiError(401, reason, code="invalid_token", headers={"WWW-Authenticate": challenge})


_BASIC = 'Basic realm="Ray dashboard: any name, and as password a key with the scope admin"'


def bearer_of(path: str, headers: Headers) -> str | None:
    """Return the key or token that a request has; None: it has none."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() == "basic" and _is_ray(path):
        try:
            return base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return None
    return None


def _is_ray(path: str) -> bool:
    return path == _RAY or path.startswith(f"{_RAY}/")


def _asks_for_key(path: str) -> bool:
    return path == "/v1" or path.startswith(("/v1/", _BARE, *_DOCS)) or _is_ray(path)


def _check_host(given: str, allowed: Collection[str]) -> None:
    """Refuse a Host that is not ours.

    Raises:
        ApiError: 421, with what is allowed.
    """
    if ANY in allowed:
        return
    try:
        name = urlsplit(f"//{given}").hostname if given and not set(given) & set("/@?#\\") else None
    except ValueError:  # brackets without an address between them
        name = None
    if name not in allowed:
        raise ApiError(
            421,
            f"This service is not {given[:80]!r}. It answers to {', '.join(sorted(allowed))}: set "
            "TTSP_ALLOWED_HOSTS where it has another name.",
            code="unknown_host",
        )


def _check_origin(headers: Headers, allowed: Collection[str]) -> None:
    """Refuse a change, or a WebSocket, that another site's page asks for.

    Browsers say where a request comes from in Origin and Sec-Fetch-Site; other clients send neither. No page
    can change them. Where a proxy in front changes Host, only Sec-Fetch-Site tells that the page is ours.

    Raises:
        ApiError: 403.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    if site == "same-origin":
        return
    foreign = site != "none" if origin is None else not _same(origin, headers.get("host", ""))
    if foreign and ANY not in allowed and origin not in allowed:
        raise ApiError(
            403,
            f"A page of {(origin or 'another site')[:80]!r} may not call this service. "
            "TTSP_CORS_ORIGINS names the origins that may.",
            code="foreign_origin",
        )


def _same(origin: str, host: str) -> bool:
    """Whether `origin` is the site that `host` names, whose scheme is not known behind a proxy."""
    try:
        site, asked = urlsplit(origin), urlsplit(f"//{host}")
        default = _PORTS.get(site.scheme)
        return (
            site.hostname is not None
            and site.hostname == asked.hostname
            and ((site.port or default) == (asked.port or default))
        )
    except ValueError:  # a port that is no number
        return False
