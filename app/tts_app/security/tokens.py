"""Tokens of an identity provider (OpenID Connect): JSON that it has signed and that says who calls. Pure.

A token is a JWT (RFC 7519). It is checked as RFC 8725 advises: the algorithms are ours to choose, not the
token's, and each key is good for those of its own kind.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tts_app.security.principal import Principal, Scope
from tts_app.tenants import is_tenant

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
SigningKeys = Mapping[tuple[str, str], PublicKey]
"""Keys by their id, which is empty for a key without one, and the algorithm that they are for."""

LEEWAY = 30.0
"""Seconds by which the clocks of the provider and of this machine may differ."""
_LONGEST = 16_384
"""Characters of a token: some providers list a user's groups in it."""
_SMALLEST_RSA = 2048
_KINDS = {("RSA", ""): ("RS256", "PS256"), ("EC", "P-256"): ("ES256",), ("OKP", "Ed25519"): ("EdDSA",)}
"""The algorithms of a key, by its type and curve."""
_ALGORITHMS = frozenset(algorithm for kind in _KINDS.values() for algorithm in kind)
_REQUIRED = ["exp", "iss", "aud", "sub"]
_SUBJECT = re.compile(r"[ -~]{1,255}")
"""OpenID Connect Core 1.0, 2: at most 255 ASCII characters."""
_LATEST = 1 << 40
"""The latest end of a token, in seconds since the epoch: no sum overflows."""


class TokenError(Exception):
    """A token that is refused. The message says why, and has nothing of the token's own text."""


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Which tokens count, and what their claims mean. Each is a setting (`tts_app.settings`)."""

    issuer: str
    audience: str
    tenant_claim: str = "tenant"
    scope_claim: str = "scope"
    scope_prefix: str = ""
    mfa_claim: str = "amr"
    mfa_values: Collection[str] = ("mfa",)


def signing_keys(document: object) -> dict[tuple[str, str], PublicKey]:
    """Return the keys of a JWKS (RFC 7517), without those that can check no token of ours.

    Raises:
        ValueError: it is no JWKS, or has no key that can.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it is no JWKS: it has no list `keys`")
    keys: dict[tuple[str, str], PublicKey] = {}
    for entry in listed:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        key_id = str(entry.get("kid", ""))
        for algorithm in _KINDS.get((str(entry.get("kty")), str(entry.get("crv", ""))), ()):
            key = _public_key(entry, algorithm)
            if key is not None and entry.get("alg", algorithm) == algorithm:
                keys.setdefault((key_id, algorithm), key)
    if not keys:
        raise ValueError(f"it has no key for {', '.join(sorted(_ALGORITHMS))}")
    return keys


def header_of(token: str) -> tuple[str, str]:
    """Return which key a token names, empty if none, and the algorithm. Nothing of it is proven yet.

    Raises:
        TokenError: it is no JWT, is too long, or has an algorithm that is not allowed.
    """
    if len(token) > _LONGEST:
        raise TokenError(f"The token is longer than {_LONGEST} characters.")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise TokenError("This is neither a key nor a token (JWT).") from None
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise TokenError(f"The token is not signed with one of {', '.join(sorted(_ALGORITHMS))}.")
    return header.get("kid", ""), algorithm


def find_key(keys: SigningKeys, key_id: str, algorithm: str) -> PublicKey | None:
    """Return the key that a token names; if it names none, the only one of its algorithm."""
    if key_id:
        return keys.get((key_id, algorithm))
    fitting = [key for (_, of), key in keys.items() if of == algorithm]
    return fitting[0] if len(fitting) == 1 else None


def claims_of(token: str, key: PublicKey, algorithm: str, rules: TokenRules) -> Mapping[str, Any]:
    """Return what a token says, once its signature, issuer, audience and times are found right.

    Raises:
        TokenError: one of them is not.
    """
    try:
        return jwt.decode(
            token,
            key,
            [algorithm],
            options={"require": _REQUIRED},
            audience=rules.audience,
            issuer=rules.issuer,
            leeway=LEEWAY,
        )
    except jwt.ExpiredSignatureError:
        reason = "The token has expired."
    except jwt.ImmatureSignatureError:
        reason = "The token is not valid yet."
    except jwt.InvalidAudienceError:
        reason = "The token is for another audience."
    except jwt.InvalidIssuerError:
        reason = "The token is of another issuer."
    except jwt.MissingRequiredClaimError as error:
        reason = f"The token has no claim {error.claim}."
    except jwt.InvalidSignatureError:
        reason = "The token's signature is wrong."
    except jwt.InvalidTokenError:
        reason = "The token is malformed."
    raise TokenError(reason)


def principal_of(claims: Mapping[str, Any], rules: TokenRules) -> Principal:
    """Return the caller whom the claims of a token describe.

    Scopes that we do not know are left out: they are of other services. So is `admin`, unless the claims say
    that the caller has proven a second factor.

    Raises:
        TokenError: the subject or the tenant is missing or has another form.
    """
    subject, tenant = claims["sub"], claims.get(rules.tenant_claim)
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise TokenError("The token's claim sub is not 1 to 255 printable ASCII characters.")
    if tenant is None:
        raise TokenError(f"The token has no claim {rules.tenant_claim}, which names the tenant.")
    if not isinstance(tenant, str) or not is_tenant(tenant):
        raise TokenError(
            f"The token's claim {rules.tenant_claim} is no tenant: up to 63 of a-z, 0-9 and -, "
            "none of them at either end a -."
        )
    scopes = _scopes(claims.get(rules.scope_claim), rules.scope_prefix)
    no_admin = ""
    if Scope.ADMIN in scopes and _texts(claims.get(rules.mfa_claim)).isdisjoint(rules.mfa_values):
        scopes -= {Scope.ADMIN}
        no_admin = (
            "The token's scope admin does not count: its claim "
            f"{rules.mfa_claim} does not say that a second factor was used ({', '.join(rules.mfa_values)})."
        )
    return Principal(tenant, subject, scopes, float(min(int(claims["exp"]), _LATEST)), no_admin)


def _public_key(entry: dict[str, Any], algorithm: str) -> PublicKey | None:
    """Return the key of a JWK; None if it is malformed, or too small."""
    try:
        key = jwt.PyJWK(entry, algorithm).key
    except jwt.PyJWTError:
        return None
    if isinstance(key, RSAPublicKey):
        return key if key.key_size >= _SMALLEST_RSA else None
    return key if isinstance(key, EllipticCurvePublicKey | Ed25519PublicKey) else None


def _scopes(given: object, prefix: str) -> frozenset[Scope]:
    names = set(given.split()) if isinstance(given, str) else _texts(given)
    return frozenset(scope for scope in Scope if f"{prefix}{scope}" in names)


def _texts(given: object) -> set[str]:
    """Return the texts that a claim is: one, or a list of them."""
    listed = given if isinstance(given, list) else [given]
    return {text for text in listed if isinstance(text, str)}
