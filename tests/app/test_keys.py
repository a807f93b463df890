"""Keys on a running playground: made beside it by `ttsp keys`, used, rotated and revoked over HTTP."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

PATIENCE = 60.0
"""Seconds to wait on a busy machine; tests/unit/security/test_keys.py has the limit of 5."""


@pytest.fixture(scope="module")
def keyed(starting: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A playground that asks for keys of its database, and records who does what."""
    anchors = tmp_path_factory.mktemp("anchors")
    settings = {
        "TTSP_KEY_REQUIRED": "true",
        "TTSP_AUDIT": "true",
        "TTSP_AUDIT_ANCHOR": str(anchors),
        "TTSP_RAY_DASHBOARD": "true",
    }
    with starting("keys", **settings) as started:
        yield started


@pytest.fixture
def ttsp(keyed: Any) -> Callable[..., str]:
    """Run `ttsp` where the playground's database is; return what it prints."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "tts_app.cli", *arguments]
        return subprocess.run(
            command, env=keyed.environment, check=True, capture_output=True, text=True, timeout=60
        ).stdout.strip()

    return run


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_keys_open_what_their_scopes_say(keyed: Any, ttsp: Callable[..., str]) -> None:
    admin = ttsp("keys", "create", "platform team", "--scopes", "admin")
    speech = {"input": "A key opens a door.", "voice": "alloy"}
    with httpx.Client(base_url=keyed.url, timeout=60) as client:
        assert client.post("/v1/audio/speech", json=speech).status_code == 401
        refused = client.post("/v1/audio/speech", json=speech, headers=bearer(admin))
        assert refused.json()["error"]["code"] == "insufficient_scope"
        body = {"name": "site", "tenant": "hotel", "scopes": ["speak"]}
        made = client.post("/v1/keys", json=body, headers=bearer(admin)).json()
        spoken = client.post("/v1/audio/speech", json=speech, headers=bearer(made["key"]))
        assert spoken.status_code == 200
        assert spoken.content[:3] in (b"ID3", b"\xff\xf3\x84")
        assert client.get("/v1/keys", headers=bearer(made["key"])).status_code == 403
        assert made["id"] in ttsp("keys", "list")
        assert client.delete(f"/v1/keys/{made['id']}", headers=bearer(admin)).status_code == 204
        deadline = time.monotonic() + PATIENCE
        while client.get("/v1/models", headers=bearer(made["key"])).status_code != 401:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_keys_revoked_on_the_command_line_are_refused(keyed: Any, ttsp: Callable[..., str]) -> None:
    key = ttsp("keys", "create", "site")
    with httpx.Client(base_url=keyed.url, timeout=60) as client:
        assert client.get("/v1/models", headers=bearer(key)).status_code == 200
        ttsp("keys", "revoke", key.split("_")[1])
        deadline = time.monotonic() + PATIENCE
        while client.get("/v1/models", headers=bearer(key)).status_code != 401:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_keys_are_in_no_log_and_no_file(keyed: Any, ttsp: Callable[..., str]) -> None:
    secret = ttsp("keys", "create", "site").split("_", 2)[2]
    for path in (keyed.folder / "state").rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_audit_says_what_a_key_touched(keyed: Any, ttsp: Callable[..., str]) -> None:
    key, other = ttsp("keys", "create", "site"), ttsp("keys", "create", "another")
    with httpx.Client(base_url=keyed.url, timeout=60) as client:
        body = {"text": "A platypus is nobody's business.", "language": "en"}
        headers = {**bearer(key), "Prefer": "wait=60"}
        speech = client.post("/v1/speech", json=body, headers=headers).raise_for_status().json()
        assert speech["status"] == "done"
        client.get(speech["links"]["audio"], headers=bearer(key)).raise_for_status()
        client.delete(speech["links"]["self"], headers=bearer(key)).raise_for_status()
        client.get("/v1/audit", headers=bearer(other)).raise_for_status()
    listed = ttsp("audit", "query", "--json", "--key", key.split("_")[1])
    rows = [json.loads(line) for line in listed.splitlines()]
    assert [(row["action"], row["object_id"]) for row in rows] == [
        ("speech.delete", speech["id"]), ("speech.listen", speech["id"]), ("speech.create", speech["id"]),
    ]  # fmt: skip
    assert {row["address"] for row in rows} == {"127.0.0.1"}
    assert "platypus" not in ttsp("audit", "query", "--json")
    ttsp("audit", "verify")


def test_tenants_share_a_playground_and_nothing_of_their_own(keyed: Any, ttsp: Callable[..., str]) -> None:
    hotel, clinic = (
        bearer(ttsp("keys", "create", "site", "--tenant", tenant)) for tenant in ("hotel", "clinic")
    )
    said = "Write one short sentence about the sea, the beach and the breakfast."
    chat = {"messages": [{"role": "user", "content": said}], "max_tokens": 2}
    speech = {"text": "Breakfast is served from seven.", "language": "en"}
    with httpx.Client(base_url=keyed.url, timeout=120) as client:
        stored = client.post("/v1/speech", json=speech, headers=hotel | {"Prefer": "wait=60"}).json()
        path = stored["links"]["audio"]
        assert client.get(path, headers=hotel).status_code == 200
        assert client.get(path, headers=clinic).status_code == 404
        assert len(list((keyed.folder / "audio-output" / "tenants" / "hotel").glob("speech_*.mp3"))) == 1
        models = client.get("/v1/models", headers=hotel).json()["data"]
        chat["model"] = next(model["id"] for model in models if "text" in model["capabilities"])

        def cached(headers: dict[str, str]) -> int:
            answer = client.post("/v1/chat/completions", json=chat, headers=headers).json()
            tokens: int = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
            return tokens

        assert cached(hotel) == 0
        assert cached(hotel) > 0, "its own prompt is used again"
        assert [cached(clinic), cached(hotel), cached(clinic)] == [0, 0, 0]


def test_rays_dashboard_is_for_administrators_to_look_at(keyed: Any, ttsp: Callable[..., str]) -> None:
    admin = bearer(ttsp("keys", "create", "platform team", "--scopes", "admin"))
    reader = bearer(ttsp("keys", "create", "site", "--scopes", "read,speak"))
    with httpx.Client(base_url=keyed.url, timeout=60) as client:
        assert client.get("/ray/").status_code == 401
        assert client.get("/ray/nodes?view=summary", headers=reader).status_code == 403
        page = client.get("/ray/", headers=admin)
        assert "<title>Ray Dashboard</title>" in page.text
        assert client.head("/ray/", headers=admin).status_code == 200
        (script,) = re.findall(r'src="[.]/(static/js/[^"]+)"', page.text)
        loaded = client.get(f"/ray/{script}", headers=admin)
        assert (loaded.status_code, int(loaded.headers["content-length"])) == (200, len(loaded.content))
        applications = client.get("/ray/api/serve/applications/", headers=admin).json()["applications"]
        assert applications["kokoro"]["status"] == "RUNNING"
        (node,) = client.get("/ray/nodes?view=summary", headers=admin).json()["data"]["summary"]
        actors = client.get("/ray/logical/actors", headers=admin).json()["data"]["actors"]
        assert {actor["state"] for actor in actors.values()} == {"ALIVE"}
        for path in (f"nodes/{node['raylet']['nodeId']}", f"logical/actors/{next(iter(actors))}", "timezone"):
            assert client.get(f"/ray/{path}", headers=admin).status_code == 200, path
        for method, path in (
            ("PUT", "api/serve/applications/"),
            ("DELETE", "api/serve/applications/"),
            ("POST", "api/jobs/"),
            ("POST", "api/authenticate"),
        ):
            assert client.request(method, f"/ray/{path}", headers=admin, json={}).status_code == 405
        for path in ("worker/traceback", "api/jobs/", "api/v0/logs/file", "api/v0/tasks", "events"):
            assert client.get(f"/ray/{path}", headers=admin).status_code == 403, path
        assert client.get("/readyz", headers=admin).json()["models"].keys() >= {"kokoro"}
