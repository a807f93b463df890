"""The identity provider of a Playground: what the CRD takes is what the gateway takes."""

from typing import Any

import pytest
from pydantic import ValidationError

from tts_app.resources.playground import Oidc
from tts_app.settings import Settings

GOOD = {"issuer": "https://login.example", "audience": "speech"}


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://login.example:65535/realms/a"},
        {"issuer": "https://login.example/"},
        {"jwksUrl": "https://login.example/keys"},
        {"tenantClaim": "https://speech.example/tenant", "scopePrefix": "tts:"},
        {"mfaClaim": "acr", "mfaValues": ["phr", "urn:example:loa3"]},
    ],
)
def test_oidc_is_good_for_the_gateway(change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    oidc = Oidc.model_validate(GOOD | change)
    for name, value in oidc.model_dump(exclude_none=True).items():
        text = ",".join(value) if isinstance(value, list) else value
        monkeypatch.setenv(f"TTSP_OIDC_{name.upper()}", text)
    settings = Settings()
    for name, value in oidc.model_dump(exclude_none=True).items():
        found = getattr(settings, f"oidc_{name}")
        assert (list(found) if isinstance(found, tuple) else found) == value


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "http://login.example"},
        {"issuer": "https://login.example:65536"},
        {"issuer": "https://login.example:0"},
        {"issuer": "https://me:hush@login.example"},
        {"issuer": "https://login.example?a=b"},
        {"issuer": "login.example"},
        {"audience": ""},
        {"audience": None},
        {"jwksUrl": "http://login.example/keys"},
        {"mfaValues": []},
        {"mfaValues": ["a,b"]},
        {"tenantClaim": "a claim"},
        {"unknown": "x"},
    ],
)
def test_oidc_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Oidc.model_validate(GOOD | change)
