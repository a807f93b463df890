"""What surrounds every route: the door's rules from the settings, CORS, HEAD, security headers."""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import ValidationError

from tts_app.api.app import limits_of, rules_of
from tts_app.api.callers import Callers
from tts_app.api.listener import Address
from tts_app.loopback import is_loopback
from tts_app.serving.embedded import Playground, ServingError
from tts_app.settings import Settings, gateway_settings

Start = Callable[..., Awaitable[Any]]
SECRET = "a-secret-of-16-ch"
KEY = {"Authorization": f"Bearer {SECRET}"}


@pytest.mark.parametrize(
    ("host", "allowed", "hosts"),
    [
        ("127.0.0.1", "", ("localhost", "127.0.0.1", "::1", "127.0.0.1")),
        ("127.0.0.9", "", ("localhost", "127.0.0.1", "::1", "127.0.0.9")),
        ("0.0.0.0", "", ("*",)),
        ("127.0.0.1", "tts.example, localhost", ("tts.example", "localhost")),
        (None, "", ("*",)),
        (None, "tts.example", ("tts.example",)),
        (None, "TTS.Example,FD00::1", ("tts.example", "fd00::1")),
    ],
)
def test_rules_of_hosts(
    host: str | None, allowed: str, hosts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTSP_ALLOWED_HOSTS", allowed)
    address = Address(host=host, port=8000) if host else None
    assert rules_of(Settings(), address, Callers()).hosts == hosts


def test_limits_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSP_MAX_CONNECTIONS_PER_ADDRESS", "7")
    monkeypatch.setenv("TTSP_HEADER_TIMEOUT", "2.5")
    limits = limits_of(Settings())
    assert (limits.per_address, limits.header_seconds, limits.body_seconds) == (7, 2.5, 60)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TTSP_TRUSTED_PROXIES", "10.0.0.0/8, proxy.example"),
        ("TTSP_ALLOWED_HOSTS", "tts.example:8000"),
        ("TTSP_ALLOWED_HOSTS", "https://tts.example"),
        ("TTSP_ALLOWED_HOSTS", "[::1]"),
        ("TTSP_CORS_ORIGINS", "app.example"),
        ("TTSP_CORS_ORIGINS", "https://app.example/"),
        ("TTSP_MAX_CONNECTIONS", "0"),
    ],
)
def test_settings_refuse(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=f"(?i){variable.removeprefix('TTSP_')}"):
        Settings()


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "is empty"),
        ("15-characters-x", "at least 16"),
        ("a schlüssel of 16", "ASCII"),
        ("16-characters-xy", ""),
        (None, ""),
    ],
)
def test_server_refuses_a_short_key(key: str | None, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TTSP_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("TTSP_API_KEY", key)
    if not says:
        Playground(Settings())
        assert gateway_settings(proxied=False).key_fault == ""
        return
    with pytest.raises(ServingError, match=says):
        Playground(Settings())
    with pytest.raises(ValueError, match=says):
        gateway_settings(proxied=False)


def test_settings_have_origins_as_browsers_send_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "https://App.Example:443, http://a.example:80, http://a.example:443, https://[::1]:8443, *"
    monkeypatch.setenv("TTSP_CORS_ORIGINS", given)
    assert Settings().cors_origins == (
        "https://app.example",
        "http://a.example",
        "http://a.example:443",
        "https://[::1]:8443",
        "*",
    )


def test_settings_export_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSP_CORS_ORIGINS", "https://a.example,https://b.example:8443")
    settings = Settings()
    settings.export()
    assert Settings().cors_origins == ("https://a.example", "https://b.example:8443")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.evil.example", "localhost.evil.example", "::1234", "0.0.0.0", "::", "192.0.2.1", ""]
)
def test_is_loopback_is_false_for(host: str) -> None:
    assert not is_loopback(host)


async def test_docs_are_for_callers_with_the_key(start: Start) -> None:
    api = await start(api_key=SECRET)
    for path in ("/docs", "/openapi.json"):
        assert (await api.client.get(path)).status_code == 401
        assert (await api.client.get(path, headers=KEY)).status_code == 200
    ready = (await api.client.get("/readyz")).json()
    assert ready == {"status": "ready"}
    assert "models" in (await api.client.get("/readyz", headers=KEY)).json()
    api.model.down = True
    unknown = (await api.client.get("/readyz")).json()["error"]["message"]
    known = (await api.client.get("/readyz", headers=KEY)).json()["error"]["message"]
    assert unknown == "Not every model answers yet."
    assert "kokoro" in known


async def test_docs_allow_their_own_scripts_only(start: Start) -> None:
    api = await start()
    page = await api.client.get("/docs")
    policy = page.headers["content-security-policy"]
    (script,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "SwaggerUIBundle" in script


async def test_answers_have_security_headers(start: Start) -> None:
    api = await start()
    for path in ("/healthz", "/v1/models", "/no/such", "/docs", "/voices"):
        headers = (await api.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert headers["cross-origin-resource-policy"] == "same-origin", path


async def test_cors_is_off_by_default(start: Start) -> None:
    api = await start()
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    answer = await api.client.options("/v1/audio/speech", headers=preflight)
    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers


async def test_cors_answers_a_preflight_and_marks_errors(start: Start) -> None:
    api = await start(api_key=SECRET, cors_origins=("https://app.example",))
    preflight = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    answer = await api.client.options("/v1/audio/speech", headers=preflight)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    foreign = await api.client.options("/v1/audio/speech", headers={**preflight, "Origin": "https://evil"})
    assert "access-control-allow-origin" not in foreign.headers
    refused = await api.client.post("/v1/audio/speech", headers={"Origin": "https://app.example"})
    assert refused.status_code == 401  # a page can read why
    assert refused.headers["access-control-allow-origin"] == "https://app.example"
    assert "Retry-After" in refused.headers["access-control-expose-headers"]
    assert "cross-origin-resource-policy" not in refused.headers


async def test_head_is_answered_wherever_get_is(start: Start) -> None:
    api = await start()
    for path in (
        "/healthz",
        "/readyz",
        "/v1/models",
        "/v1/audio/voices",
        "/voices",
        "/docs",
        "/openapi.json",
    ):
        get, head = await api.client.get(path), await api.client.head(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-length"] == get.headers["content-length"], path
    assert (await api.client.head("/v1/audio/speech")).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/V1/models",
        "//v1/models",
        "/v1//models",
        "/v1%2fmodels",
        "/%761/models",
        "/./v1/models",
        "/x/../v1/models",
        "/v1/models/",
        "/v1/models%00",
        "/v1;/models",
        "/docs/",
        "/docs%2f",
        "/%64ocs",
        "/openapi.json/",
        "/static-offline-docs/../openapi.json",
        "/static-offline-docs/%2e%2e/v1/models",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "TRACE"])
async def test_no_spelling_of_a_path_passes_the_door(path: str, method: str, start: Start) -> None:
    api = await start(api_key=SECRET)
    url = api.client.base_url.copy_with(raw_path=path.encode())
    assert (await api.client.request(method, url)).status_code in (401, 404, 405)


async def test_without_the_key_there_is_health_alone(start: Start) -> None:
    api = await start(api_key=SECRET)
    paths = (await api.client.get("/openapi.json", headers=KEY)).json()["paths"]
    asked = {
        (path, method): (await api.client.request(method, path)).status_code
        for path, methods in paths.items()
        for method in methods
    }
    public = {path for (path, _), status in asked.items() if status != 401}
    assert public == {"/healthz", "/readyz"}
    assert len(asked) > 15
