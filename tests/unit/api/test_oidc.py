"""Callers with tokens of an identity provider, through the whole app."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from issuer import AUDIENCE, Issuer, running_issuer

from tts_app.api.wrong_keys import WrongKeys
from tts_app.security.principal import Scope

Start = Callable[..., Awaitable[Any]]
STATIC = "a-static-key-of-16"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


def provider(issuer: Issuer, **more: Any) -> dict[str, Any]:
    return {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, **more}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_token_opens_what_its_scopes_open(start: Start, issuer: Issuer) -> None:
    api = await start(**provider(issuer))
    token = bearer(issuer.token(scope="speak"))
    body = {"model": "kokoro", "voice": "alloy", "input": "Hello."}
    models = (await api.client.get("/v1/models", headers=token)).json()["data"]
    body["model"] = next(one["id"] for one in models if "speech" in one["capabilities"])
    answer = await api.client.post("/v1/audio/speech", json=body, headers=token)
    assert answer.status_code == 200, answer.text
    refused = await api.client.get("/v1/batches", headers=token)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_scope")


async def test_without_key_and_token_nothing_opens(start: Start, issuer: Issuer) -> None:
    api = await start(**provider(issuer))
    answer = await api.client.get("/v1/models")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "a key or token" in answer.json()["error"]["message"]
    assert (await api.client.get("/healthz")).status_code == 200
    assert issuer.asked == []


async def test_keys_open_beside_tokens(start: Start, issuer: Issuer) -> None:
    api = await start(**provider(issuer, api_key=STATIC))
    key, _ = api.context.issuer.create("hotel", "site", [Scope.SPEAK], None, "test")
    for one in (STATIC, key.text, issuer.token()):
        assert (await api.client.get("/v1/models", headers=bearer(one))).status_code == 200


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1}, "The token has expired."),
        ({"aud": "https://other.example"}, "The token is for another audience."),
        ({"iss": "https://evil.example"}, "The token is of another issuer."),
        ({"tenant": None}, "The token has no claim tenant, which names the tenant."),
    ],
)
async def test_wrong_token_is_refused_with_its_reason(
    start: Start, issuer: Issuer, claims: dict[str, Any], reason: str
) -> None:
    api = await start(**provider(issuer))
    answer = await api.client.get("/v1/models", headers=bearer(issuer.token(**claims)))
    assert answer.status_code == 401
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == ("invalid_token", "authentication_error")
    assert error["message"] == reason
    challenge = f'Bearer error="invalid_token", error_description="{reason}"'
    assert answer.headers["www-authenticate"] == challenge


async def test_wrong_key_gets_no_reason(start: Start, issuer: Issuer) -> None:
    api = await start(**provider(issuer))
    key, _ = api.context.issuer.create("hotel", "site", [Scope.SPEAK], None, "test")
    messages = set()
    for wrong in (f"ttsp_{'0' * 16}_{'a' * 43}", f"ttsp_{key.id}_{'a' * 43}", "ttsp_x"):
        answer = await api.client.get("/v1/models", headers=bearer(wrong))
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        messages.add(answer.json()["error"]["message"])
    assert len(messages) == 1


async def test_wrong_token_does_not_close_what_is_open_to_everybody(start: Start, issuer: Issuer) -> None:
    api = await start(**provider(issuer))
    wrong = bearer(issuer.token(exp=1))
    assert (await api.client.get("/voices", headers=wrong)).status_code == 200
    answers = [await api.client.get("/readyz", headers=one) for one in (wrong, bearer(issuer.token()))]
    assert ["models" in answer.json() for answer in answers] == [False, True]


async def test_administrator_needs_a_second_factor(start: Start, issuer: Issuer) -> None:
    api = await start(**provider(issuer))
    answer = await api.client.get("/v1/keys", headers=bearer(issuer.token(scope="admin", amr=["pwd"])))
    assert answer.status_code == 403
    assert (
        "its claim amr does not say that a second factor was used (mfa)" in answer.json()["error"]["message"]
    )
    without = await api.client.get("/v1/keys", headers=bearer(issuer.token(scope="speak")))
    assert "second factor" not in without.json()["error"]["message"]
    admin = bearer(issuer.token(scope="admin", amr=["pwd", "mfa"]))
    assert (await api.client.get("/v1/keys", headers=admin)).status_code == 200
    made = await api.client.post("/v1/keys", json={"name": "site", "scopes": ["speak"]}, headers=admin)
    assert (made.status_code, made.json()["created_by"]) == (201, "ada")


async def test_provider_that_is_away_is_a_503(start: Start, issuer: Issuer) -> None:
    api = await start(**provider(issuer, api_key=STATIC))
    issuer.status = 500
    answer = await api.client.get("/v1/models", headers=bearer(issuer.token()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    error = answer.json()["error"]
    assert error["code"] == "unavailable"
    assert "identity provider does not answer" in error["message"]
    assert (await api.client.get("/v1/models", headers=bearer(STATIC))).status_code == 200


async def test_wrong_tokens_count_as_wrong_keys(
    start: Start, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float | None] = []
    count = WrongKeys.delay

    def counted(self: WrongKeys, address: str) -> float | None:
        delays.append(count(self, address))
        return None if delays[-1] is None else 0.0

    monkeypatch.setattr(WrongKeys, "delay", counted)
    api = await start(**provider(issuer))
    wrong = bearer(issuer.token(exp=1))
    answers = [await api.client.get("/v1/models", headers=wrong) for _ in range(100)]
    assert answers[0].status_code == 401
    assert delays[0] == 0.0
    assert any(delays)
    assert 429 in {answer.status_code for answer in answers}
    assert (await api.client.get("/v1/models", headers=bearer(issuer.token()))).status_code == 200
