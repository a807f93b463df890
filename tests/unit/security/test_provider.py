"""The identity provider: its keys over real HTTP, kept, changed, away; and callers by its tokens."""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from issuer import AUDIENCE, Issuer, running_issuer

from cluster.process import free_port
from tts_app.security.authenticator import Authenticator
from tts_app.security.principal import ANONYMOUS, API_KEY, Principal, Scope
from tts_app.security.provider import (
    IdentityProvider,
    ProviderAwayError,
    ProviderKeys,
    fetch_keys,
    provider_of,
)
from tts_app.security.tokens import LEEWAY, SigningKeys, TokenError, TokenRules, signing_keys
from tts_app.settings import Settings

STATIC = "a-static-key-of-16"


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class NoRecords:
    def get(self, key_id: str) -> None:
        return None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


class Source:
    """Gives the keys of an issuer without HTTP, or says that it is away; counts."""

    def __init__(self) -> None:
        self.issuer = Issuer("https://login.example")
        self.is_away = False
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> SigningKeys:
        self.asked += 1
        await self.gate.wait()
        if self.is_away:
            raise ProviderAwayError("simulated")
        return signing_keys(self.issuer.jwks)


@pytest.fixture
def source() -> Source:
    return Source()


async def settled(keys: ProviderKeys) -> None:
    """Wait for the fetch that runs."""
    if keys._fetching is not None:
        await keys._fetching


async def test_keys_are_fetched_once_for_many_callers(source: Source, clock: Clock) -> None:
    keys = ProviderKeys(source, clock)
    source.gate.clear()
    asked = [asyncio.create_task(keys.find("first", "ES256")) for _ in range(50)]
    await asyncio.sleep(0)
    asked[0].cancel()  # the others still wait for the fetch that it began
    source.gate.set()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert len(set(map(id, found[1:]))) == 1
    for _ in range(50):
        assert await keys.find("first", "ES256") is found[1]
    assert source.asked == 1


async def test_keys_that_are_not_fresh_are_used_while_new_ones_are_fetched(
    source: Source, clock: Clock
) -> None:
    keys = ProviderKeys(source, clock)
    old = await keys.find("first", "ES256")
    clock.now += 301
    source.gate.clear()
    assert await keys.find("first", "ES256") is old
    source.gate.set()
    source.issuer.rotate("first")
    await settled(keys)
    assert await keys.find("first", "ES256") is not old
    assert source.asked == 2


async def test_a_withdrawn_key_is_refused_after_a_quiet_time(source: Source, clock: Clock) -> None:
    keys = ProviderKeys(source, clock)
    assert await keys.find("first", "ES256") is not None
    source.issuer.rotate("second")
    clock.now += 601
    assert await keys.find("first", "ES256") is None


async def test_keys_are_fetched_again_for_an_unknown_id_once_in_ten_seconds(
    source: Source, clock: Clock
) -> None:
    keys = ProviderKeys(source, clock)
    await keys.find("first", "ES256")
    clock.now += 10
    source.issuer.rotate("second")
    assert await keys.find("second", "ES256") is not None
    assert await keys.find("first", "ES256") is None, "it is gone with its rotation"
    for number in range(100):
        assert await keys.find(f"invented-{number}", "ES256") is None
    assert source.asked == 2
    clock.now += 10
    assert await keys.find("invented", "ES256") is None
    assert source.asked == 3


async def test_keys_stay_for_an_hour_while_the_provider_is_away(source: Source, clock: Clock) -> None:
    keys = ProviderKeys(source, clock)
    assert await keys.find("first", "ES256") is not None
    source.is_away = True
    for _ in range(11):
        clock.now += 325
        assert await keys.find("first", "ES256") is not None
        await settled(keys)
    with pytest.raises(ProviderAwayError):
        await keys.find("second", "ES256")
    clock.now += 30
    with pytest.raises(ProviderAwayError):
        await keys.find("first", "ES256")
    asked = source.asked
    with pytest.raises(ProviderAwayError):
        await keys.find("first", "ES256")
    assert source.asked == asked, "it is asked again in ten seconds only"
    source.is_away = False
    clock.now += 10
    assert await keys.find("first", "ES256") is not None


async def test_fetch_keys_by_discovery_and_by_address(issuer: Issuer) -> None:
    context = httpx.create_ssl_context()
    assert set(await fetch_keys(issuer.url, None, context)) == {("first", "ES256")}
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
    assert set(await fetch_keys(issuer.url, f"{issuer.url}/keys", context)) == {("first", "ES256")}
    assert issuer.asked[2:] == ["/keys"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"discovery": {"issuer": "https://other.example", "jwks_uri": "https://x"}}, "calls itself"),
        ({"discovery": {"jwks_uri": "https://x"}}, "calls itself"),
        ({"discovery": []}, "calls itself"),
        ({"jwks_uri": "http://keys.example/keys"}, "no https address"),
        ({"jwks_uri": "file:///etc/passwd"}, "no https address"),
        ({"jwks_uri": None}, "no https address"),
        ({"status": 302}, "answers 302"),
        ({"status": 500}, "answers 500"),
        ({"raw": b"<html>"}, "no JSON"),
        ({"raw": b"[" * 100_000}, "no JSON"),
        ({"raw": b" " * ((1 << 20) + 1)}, "longer than"),
        ({"raw": b'{"keys": []}'}, "not usable"),
    ],
)
async def test_fetch_keys_says_what_is_wrong(issuer: Issuer, changes: dict[str, Any], says: str) -> None:
    if "jwks_uri" in changes:
        issuer.discovery["jwks_uri"] = changes["jwks_uri"]
    else:
        for name, value in changes.items():
            setattr(issuer, name, value)
    with pytest.raises(ProviderAwayError, match=says):
        await fetch_keys(issuer.url, None, httpx.create_ssl_context())


async def test_fetch_keys_of_nobody() -> None:
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    with pytest.raises(ProviderAwayError, match="Connect"):
        await fetch_keys(url, None, httpx.create_ssl_context())


async def test_fetch_keys_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tts_app.security.provider._TIMEOUT", 0.05)

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closed.wait()
        writer.close()

    closed = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    with pytest.raises(ProviderAwayError, match="no answer within"):
        await fetch_keys(f"http://{host}:{port}", None, httpx.create_ssl_context())
    closed.set()
    server.close()


def settings_for(issuer: Issuer, **more: Any) -> Settings:
    return Settings(oidc_issuer=issuer.url, oidc_audience=AUDIENCE, **more)


async def test_provider_knows_callers_through_the_change_of_a_key(issuer: Issuer) -> None:
    provider = provider_of(settings_for(issuer))
    assert provider is not None
    first = issuer.token(sub="ada")
    assert (await provider.principal(first)).subject == "ada"
    issuer.add("second", "EdDSA")
    provider._keys._clock = lambda: time.monotonic() + 20  # type: ignore[attr-defined]
    assert (await provider.principal(issuer.token("second", sub="eve"))).subject == "eve"
    assert (await provider.principal(issuer.token("first", sub="bob"))).subject == "bob"
    with pytest.raises(TokenError, match="does not have"):
        await provider.principal(_foreign(issuer))
    assert provider_of(Settings()) is None


def _foreign(issuer: Issuer) -> str:
    """Return a token of somebody who calls himself the issuer."""
    other = Issuer(issuer.url)
    other.rotate("third")
    return other.token()


async def test_provider_remembers_a_token_by_all_of_it_and_for_a_minute(source: Source, clock: Clock) -> None:
    issuer = source.issuer
    provider = IdentityProvider(TokenRules(issuer.url, AUDIENCE), ProviderKeys(source, clock), clock)
    checked: list[str] = []
    check = provider._checked

    async def counted(token: str) -> Principal:
        checked.append(token)
        return await check(token)

    provider._checked = counted  # type: ignore[method-assign]
    token, short = issuer.token(), issuer.token(exp=int(clock.now) + 5)
    for _ in range(20):
        await provider.principal(token)
        await provider.principal(short)
    assert checked == [token, short]
    assert set(provider._known) == {hashlib.sha256(one.encode()).digest() for one in (token, short)}
    with pytest.raises(TokenError):
        await provider.principal(token[:-4] + "AAAA")
    clock.now += 5 + LEEWAY
    await provider.principal(short)  # checked again: by the clock of this machine it is still right
    await provider.principal(token)
    assert checked[3:] == [short]
    clock.now += 60
    await provider.principal(token)
    assert checked[4:] == [token]


async def test_provider_forgets_the_token_that_was_seen_least_recently(
    source: Source, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tts_app.security.provider._TOKENS", 2)
    provider = IdentityProvider(TokenRules(source.issuer.url, AUDIENCE), ProviderKeys(source, clock), clock)
    one, two, three = (source.issuer.token(sub=name) for name in ("one", "two", "three"))
    for token in (one, two, one, three):
        await provider.principal(token)
    assert set(provider._known) == {hashlib.sha256(token.encode()).digest() for token in (one, three)}


async def test_authenticator_tells_keys_from_tokens(issuer: Issuer) -> None:
    provider = provider_of(settings_for(issuer))
    asked = Authenticator(NoRecords(), b"pepper", api_key=STATIC, provider=provider)
    assert await asked.principal(STATIC) is API_KEY
    assert await asked.principal(None) is None, "a key or token is required"
    assert await asked.principal(f"ttsp_{'0' * 16}_{'a' * 43}") is None
    assert await asked.principal("ttsp_" + issuer.token()) is None
    assert issuer.asked == []
    found = await asked.principal(issuer.token())
    assert found is not None
    assert (found.tenant, found.subject) == ("hotel", "ada")
    with pytest.raises(TokenError, match="neither a key nor a token"):
        await asked.principal(STATIC + "x")
    assert asked.wants == "a key or token"
    alone = Authenticator(NoRecords(), b"pepper", provider=provider)
    assert await alone.principal(None) is None
    assert await Authenticator(NoRecords(), b"pepper").principal(issuer.token()) is ANONYMOUS


async def test_no_token_is_logged(
    issuer: Issuer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("tts_app"), "propagate", True)
    caplog.set_level(logging.DEBUG)
    provider = provider_of(settings_for(issuer))
    assert provider is not None
    tokens = [issuer.token(), issuer.token(aud="x"), _foreign(issuer)]
    for token in tokens:
        try:
            await provider.principal(token)
        except TokenError as error:
            assert token not in str(error)
    logged = caplog.text + json.dumps([getattr(record, "fields", {}) for record in caplog.records])
    assert not any(token.rsplit(".", 1)[0] in logged for token in tokens)


def test_settings_of_a_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TTSP_OIDC_ISSUER", "https://login.example/realms/a")
    monkeypatch.setenv("TTSP_OIDC_AUDIENCE", "speech")
    monkeypatch.setenv("TTSP_OIDC_MFA_CLAIM", "acr")
    monkeypatch.setenv("TTSP_OIDC_MFA_VALUES", "phr, urn:example:loa3")
    settings = Settings()
    assert settings.oidc_mfa_values == ("phr", "urn:example:loa3")
    assert settings.asks_for_key
    assert not Settings(oidc_issuer=None, oidc_audience=None).asks_for_key


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"oidc_issuer": "https://login.example"}, "TTSP_OIDC_AUDIENCE are needed both"),
        ({"oidc_audience": "speech"}, "TTSP_OIDC_AUDIENCE are needed both"),
        ({"oidc_issuer": "http://login.example", "oidc_audience": "x"}, "must be an https address"),
        ({"oidc_issuer": "login.example", "oidc_audience": "x"}, "must be an https address"),
        ({"oidc_issuer": "https://", "oidc_audience": "x"}, "must be an https address"),
        ({"oidc_issuer": "https://login.example?a", "oidc_audience": "x"}, "must be an https address"),
        ({"oidc_issuer": "https://me:hush@login.example", "oidc_audience": "x"}, "must be an https address"),
        ({"oidc_issuer": "https://login.example:port", "oidc_audience": "x"}, "must be an https address"),
        ({"oidc_jwks_url": "http://10.0.0.1/keys"}, "must be an https address"),
        ({"oidc_mfa_values": ""}, "at least 1"),
        ({"oidc_tenant_claim": 'a"b'}, "pattern"),
    ],
)
def test_settings_refuse_a_provider(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        Settings(**given)
    assert "hush" not in str(refused.value)


def test_settings_take_http_on_loopback_only() -> None:
    for url in ("http://127.0.0.1:8080", "http://localhost/realms/a", "http://[::1]:1"):
        assert Settings(oidc_issuer=url, oidc_audience="x").oidc_issuer == url


async def test_provider_takes_the_tokens_of_an_issuer_that_is_not_ours() -> None:
    """oidc-provider-mock: a caller logs in by the authorization code flow, and comes with the token."""
    from oidc_provider_mock import User, run_server_in_thread

    claims = {"tenant": "hotel", "scope": "admin speak", "amr": ["pwd", "mfa"]}
    with run_server_in_thread(user_claims=[User(sub="ada", claims=claims)]) as server:
        url = f"http://localhost:{server.server_port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
            asked = {
                "client_id": "speech",
                "redirect_uri": "https://app.example/done",
                "response_type": "code",
                "scope": "openid",
            }
            answer = await client.post("/oauth2/authorize", params=asked, data={"sub": "ada"})
            code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
            form = {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": asked["redirect_uri"],
                "client_id": "speech",
                "client_secret": "any",
            }
            tokens = (await client.post("/oauth2/token", data=form)).json()
        provider = provider_of(Settings(oidc_issuer=url, oidc_audience="speech"))
        assert provider is not None
        found = await provider.principal(tokens["id_token"])
        assert (found.tenant, found.subject) == ("hotel", "ada")
        assert found.scopes == {Scope.ADMIN, Scope.SPEAK}
        with pytest.raises(TokenError, match="neither a key nor a token"):
            await provider.principal(tokens["access_token"])  # of this issuer no JWT, but a random text
        elsewhere = provider_of(Settings(oidc_issuer=url, oidc_audience="other"))
        assert elsewhere is not None
        with pytest.raises(TokenError, match="another audience"):
            await elsewhere.principal(tokens["id_token"])
