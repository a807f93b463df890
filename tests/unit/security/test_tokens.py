"""Tokens of an identity provider: which are right, and whom they describe. Pure."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from issuer import AUDIENCE, MAKERS, Issuer, public_jwk

from tts_app.security.principal import ALL_BUT_ADMIN, Principal, Scope
from tts_app.security.tokens import (
    LEEWAY,
    TokenError,
    TokenRules,
    claims_of,
    find_key,
    header_of,
    principal_of,
    signing_keys,
)

URL = "https://login.example"
RULES = TokenRules(URL, AUDIENCE)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    made = Issuer(URL)
    for algorithm in MAKERS:
        made.add(algorithm, algorithm)
    return made


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def whom(issuer: Issuer, token: str, rules: TokenRules = RULES) -> Principal:
    """Return the caller, by all the steps that a token takes."""
    key_id, algorithm = header_of(token)
    key = find_key(signing_keys(issuer.jwks), key_id, algorithm)
    if key is None:
        raise TokenError("no key")
    return principal_of(claims_of(token, key, algorithm, rules), rules)


@pytest.mark.parametrize("algorithm", MAKERS)
def test_token_of_each_algorithm_describes_its_caller(issuer: Issuer, algorithm: str) -> None:
    exp = int(time.time()) + 60
    found = whom(issuer, issuer.token(algorithm, exp=exp))
    assert found == Principal("hotel", "ada", frozenset({Scope.SPEAK, Scope.READ}), exp)


@pytest.mark.parametrize("key_id", ["", "EdDSA"])
def test_token_without_a_key_id_needs_the_only_key_of_its_algorithm(issuer: Issuer, key_id: str) -> None:
    algorithm, key = issuer.keys["EdDSA"]
    token = jwt.encode(issuer.claims(), key, algorithm, headers={"kid": key_id} if key_id else None)
    assert whom(issuer, token).subject == "ada"
    ambiguous = jwt.encode(issuer.claims(), issuer.keys["ES256"][1], "ES256")  # there are two of these
    with pytest.raises(TokenError, match="no key"):
        whom(issuer, ambiguous)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exp": lambda now: now - LEEWAY - 5}, "expired"),
        ({"nbf": lambda now: now + LEEWAY + 600}, "not valid yet"),
        ({"iat": lambda now: now + LEEWAY + 600}, "not valid yet"),
        ({"aud": "https://other.example"}, "another audience"),
        ({"aud": ["https://other.example", AUDIENCE + "/"]}, "another audience"),
        ({"aud": {"a": 1}}, "another audience"),
        ({"iss": URL + "/"}, "another issuer"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"exp": None}, "no claim exp"),
        ({"aud": None}, "no claim aud"),
        ({"sub": None}, "no claim sub"),
        ({"exp": "soon"}, "malformed"),
        ({"sub": 7}, "malformed"),
        ({"sub": ""}, "claim sub"),
        ({"sub": "a" * 256}, "claim sub"),
        ({"sub": "a\nb"}, "claim sub"),
        ({"tenant": None}, "no claim tenant"),
        ({"tenant": ""}, "is no tenant"),
        ({"tenant": "Hotel Group"}, "is no tenant"),
        ({"tenant": "a" * 64}, "is no tenant"),
        ({"tenant": "hotel\n"}, "is no tenant"),
        ({"tenant": ["hotel"]}, "is no tenant"),
    ],
)
def test_token_is_refused_with_the_reason(issuer: Issuer, changes: dict[str, Any], says: str) -> None:
    now = time.time()
    claims = {name: int(value(now)) if callable(value) else value for name, value in changes.items()}
    if not isinstance(claims.get("iss", ""), str) or not isinstance(claims.get("sub", ""), str):
        token = _signed_as_it_is(issuer, claims)
    else:
        token = issuer.token(**claims)
    with pytest.raises(TokenError, match=says) as refused:
        whom(issuer, token)
    assert '"' not in str(refused.value)
    assert "\\" not in str(refused.value)


def _signed_as_it_is(issuer: Issuer, claims: dict[str, Any]) -> str:
    """Sign claims that PyJWT would not."""
    algorithm, key = issuer.keys["EdDSA"]
    body = f"{encoded({'alg': algorithm, 'kid': 'EdDSA'})}.{encoded(issuer.claims(**claims))}"
    signature = base64.urlsafe_b64encode(key.sign(body.encode())).rstrip(b"=").decode()
    return f"{body}.{signature}"


def test_token_may_be_a_little_late_or_early(issuer: Issuer) -> None:
    now = int(time.time())
    assert whom(issuer, issuer.token(exp=now - 1)).subject == "ada"
    assert whom(issuer, issuer.token(nbf=now + 20)).subject == "ada"
    assert whom(issuer, issuer.token(aud=["https://other.example", AUDIENCE])).subject == "ada"


def test_token_without_a_signature_is_refused(issuer: Issuer) -> None:
    for alg in ("none", "None", "NONE", "", None, 7):
        body = f"{encoded({'alg': alg, 'kid': 'ES256'})}.{encoded(issuer.claims())}"
        for signature in ("", ".", ".c2ln"):
            with pytest.raises(TokenError, match=r"not signed with one of|neither a key nor a token"):
                whom(issuer, body + signature)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_token_signed_with_the_public_key_as_a_secret_is_refused(issuer: Issuer, algorithm: str) -> None:
    public = issuer.keys["RS256"][1].public_key()
    secrets = [
        public.public_bytes(form, PublicFormat.SubjectPublicKeyInfo) for form in (Encoding.PEM, Encoding.DER)
    ]
    for secret in (*secrets, json.dumps(public_jwk(issuer.keys["RS256"][1], "RS256")).encode()):
        body = f"{encoded({'alg': algorithm, 'kid': 'RS256'})}.{encoded(issuer.claims())}"
        digest = hmac.digest(secret, body.encode(), getattr(hashlib, f"sha{algorithm[2:]}"))
        token = f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
        with pytest.raises(TokenError, match="not signed with one of"):
            whom(issuer, token)


def test_token_signed_with_another_key_or_changed_is_refused(issuer: Issuer) -> None:
    for algorithm, make in MAKERS.items():
        forged = jwt.encode(issuer.claims(), make(), algorithm, headers={"kid": algorithm})
        with pytest.raises(TokenError, match="signature is wrong"):
            whom(issuer, forged)
    head, _, signature = issuer.token("ES256").split(".")
    for claims in (issuer.claims(sub="eve"), issuer.claims(scope="admin")):
        with pytest.raises(TokenError, match="signature is wrong"):
            whom(issuer, f"{head}.{encoded(claims)}.{signature}")


def test_token_with_the_key_of_another_algorithm_is_refused(issuer: Issuer) -> None:
    token = jwt.encode(issuer.claims(), issuer.keys["RS256"][1], "RS512", headers={"kid": "RS256"})
    with pytest.raises(TokenError, match="not signed with one of"):
        whom(issuer, token)
    token = jwt.encode(issuer.claims(), issuer.keys["RS256"][1], "RS256", headers={"kid": "ES256"})
    with pytest.raises(TokenError, match="no key"):
        whom(issuer, token)


@pytest.mark.parametrize(
    "token",
    ["", "x", "x.y", "x.y.z", "..", "." * 16_000, "é.é.é", "a" * 16_385, encoded({"alg": "ES256"}) + ".e30.",
     encoded([]) + ".e30.x", "W" * 8000 + ".e30.x",
     base64.urlsafe_b64encode(b"[" * 9000).rstrip(b"=").decode() + ".e30.x"],
)  # fmt: skip
def test_header_of_what_is_no_token(token: str, issuer: Issuer) -> None:
    with pytest.raises(TokenError):
        whom(issuer, token)


@pytest.mark.parametrize(
    "header", [{"kid": 7}, {"kid": ["ES256"]}, {"crit": ["x"]}, {"crit": ["b64"], "b64": False}]
)
def test_header_of_a_token_that_asks_for_what_we_do_not_do(issuer: Issuer, header: dict[str, Any]) -> None:
    algorithm, key = issuer.keys["EdDSA"]
    body = f"{encoded({'alg': algorithm, 'kid': 'EdDSA'} | header)}.{encoded(issuer.claims())}"
    signature = base64.urlsafe_b64encode(key.sign(body.encode())).rstrip(b"=").decode()
    with pytest.raises(TokenError):
        whom(issuer, f"{body}.{signature}")


@pytest.mark.parametrize(
    ("rules", "claims", "scopes"),
    [
        ({}, {"scope": "speak  read unknown"}, {Scope.SPEAK, Scope.READ}),
        ({}, {"scope": ["speak", "text", 7, None, "speak read"]}, {Scope.SPEAK, Scope.TEXT}),
        ({}, {"scope": None}, set()),
        ({}, {"scope": {"speak": True}}, set()),
        ({}, {"scope": " ".join(ALL_BUT_ADMIN)}, set(ALL_BUT_ADMIN)),
        ({"scope_claim": "roles"}, {"roles": ["batch"]}, {Scope.BATCH}),
        ({"scope_prefix": "tts:"}, {"scope": "speak tts:read tts:tts:text tts:"}, {Scope.READ}),
    ],
)
def test_principal_has_the_scopes_of_the_claim(
    issuer: Issuer, rules: dict[str, Any], claims: dict[str, Any], scopes: set[Scope]
) -> None:
    made = TokenRules(URL, AUDIENCE, **rules)
    assert whom(issuer, issuer.token(**claims), made).scopes == scopes


@pytest.mark.parametrize(
    ("rules", "claims", "is_admin"),
    [
        ({}, {}, False),
        ({}, {"amr": ["pwd"]}, False),
        ({}, {"amr": ["pwd", "mfa"]}, True),
        ({}, {"amr": "mfa"}, True),
        ({}, {"amr": "pwd mfa"}, False),
        ({}, {"amr": True}, False),
        ({}, {"acr": "mfa"}, False),
        ({"mfa_claim": "acr", "mfa_values": ("phr", "phrh")}, {"acr": "phr"}, True),
        ({"mfa_claim": "acr", "mfa_values": ("phr", "phrh")}, {"acr": "ph"}, False),
    ],
)
def test_principal_is_an_administrator_with_a_second_factor_only(
    issuer: Issuer, rules: dict[str, Any], claims: dict[str, Any], is_admin: bool
) -> None:
    made = TokenRules(URL, AUDIENCE, **rules)
    found = whom(issuer, issuer.token(scope="admin speak", **claims), made)
    assert found.scopes == ({Scope.ADMIN, Scope.SPEAK} if is_admin else {Scope.SPEAK})
    assert bool(found.no_admin) is not is_admin
    if not is_admin:
        assert f"its claim {made.mfa_claim} " in found.no_admin


def test_principal_of_a_token_with_another_tenant_claim(issuer: Issuer) -> None:
    rules = TokenRules(URL, AUDIENCE, tenant_claim="https://speech.example/tenant")
    token = issuer.token(**{"https://speech.example/tenant": "airline"})
    assert whom(issuer, token, rules).tenant == "airline"


def test_principal_of_a_token_without_end_in_sight(issuer: Issuer) -> None:
    assert whom(issuer, issuer.token(exp=10**300)).expires == 1 << 40


def test_signing_keys_leave_out_what_signs_no_token() -> None:
    key: Callable[[], Any] = MAKERS["ES256"]
    good = public_jwk(key(), "ES256", kid="good")
    small = public_jwk(rsa.generate_private_key(65537, 1024), "RS256", kid="small")  # noqa: S505
    others = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "oct", "alg": "HS256"},
        small,
        public_jwk(ec.generate_private_key(ec.SECP384R1()), "ES384", kid="384"),
        public_jwk(key(), "ES256", kid="enc", use="enc"),
        public_jwk(key(), "ES256", kid="alg", alg="ES512"),
        {**good, "kid": "broken", "x": "AA"},
        {"kty": "EC", "crv": "P-256", "kid": "empty"},
        {"kty": ["EC"], "kid": "list"},
        {"kid": "none"},
        "text",
        None,
    ]
    assert set(signing_keys({"keys": [*others, good]})) == {("good", "ES256")}
    for document in ({"keys": others}, {"keys": []}, {"keys": {}}, {}, [], None, "keys"):
        with pytest.raises(ValueError, match=r"no JWKS|no key"):
            signing_keys(document)


def test_signing_keys_of_one_rsa_key_are_for_both_of_its_algorithms_unless_it_says_one() -> None:
    key = MAKERS["RS256"]()
    assert set(signing_keys({"keys": [public_jwk(key, "RS256")]})) == {("", "RS256"), ("", "PS256")}
    assert set(signing_keys({"keys": [public_jwk(key, "RS256", alg="PS256")]})) == {("", "PS256")}
