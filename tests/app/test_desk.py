"""`ttsp top` and `ttsp support-bundle` beside a running playground."""

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

WORD = "quokkazanzibar"


@pytest.fixture
def ttsp(playground: Any, tmp_path: Path) -> Callable[..., str]:
    """Run `ttsp` with the playground's variables; return what it prints."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "tts_app.cli", *arguments]
        done = subprocess.run(
            command, env=playground.environment, cwd=tmp_path, check=False, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_top_shows_the_models_of_a_playground(
    playground: Any, client: httpx.Client, ttsp: Callable[..., str]
) -> None:
    spoken = client.post("/v1/audio/speech", json={"input": "One for the figures.", "voice": "alloy"})
    assert spoken.status_code == 200
    address = ("--url", playground.url, "--metrics", f"{playground.metrics}/metrics")
    found = json.loads(ttsp("top", "--once", "--json", "--interval", "2", *address))
    assert found["notes"] == []
    assert {(model["model"], model["kind"]) for model in found["models"]} >= {("kokoro", "speech")}
    (node,) = found["nodes"]
    assert 0 <= node["cpu_ratio"] <= 1
    assert 0 < node["memory_ratio"] < 1
    page = ttsp("top", "--once", "--interval", "1", *address)
    assert "kokoro" in page, "without a terminal"


def test_support_bundle_holds_no_text_and_no_secret(
    playground: Any, client: httpx.Client, ttsp: Callable[..., str], tmp_path: Path
) -> None:
    key = ttsp("keys", "create", f"of {WORD}", "--scopes", "read,speak")
    refused = {"input": f"Refused {WORD}", "voice": WORD}
    assert client.post("/v1/audio/speech", json=refused).status_code == 400
    spoken = {"input": f"Spoken {WORD}.", "voice": "alloy"}
    assert client.post("/v1/audio/speech", json=spoken, headers={"Authorization": f"Bearer {key}"}).is_success
    chat = {"model": "smollm", "messages": [{"role": "user", "content": f"Say {WORD}."}], "max_tokens": 4}
    assert client.post("/v1/chat/completions", json=chat).is_success
    stored = client.post("/v1/speech", json={"text": f"Stored {WORD}.", "language": "en"})
    assert stored.status_code in (201, 202)
    path = tmp_path / "bundle.tar.gz"
    address = ("--url", playground.url, "--metrics", f"{playground.metrics}/metrics")
    assert ttsp("support-bundle", "-o", str(path), *address) == str(path)
    assert path.stat().st_mode & 0o077 == 0
    with tarfile.open(path) as archive:
        files = {
            member.name.partition("/")[2]: file.read().decode()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }
    assert {"README.txt", "versions.json", "settings.json", "state.json", "metrics.prom"} <= files.keys()
    assert "ray_node_cpu_utilization" in files["metrics.prom"]
    gateway = [json.loads(line) for line in files["logs/gateway.jsonl"].splitlines()]
    assert any(line["event"] == "request" for line in gateway)
    assert "logs/voice-kokoro.jsonl" in files
    state: Path = playground.folder / "state"
    said = json.loads((state / "running.json").read_text())
    assert (said["url"], said["metrics"]) == (playground.url, f"{playground.metrics}/metrics")
    assert (Path(said["ray"]) / "r" / "session_latest" / "logs").is_dir()
    assert (state / "running.json").stat().st_mode & 0o077 == 0
    secrets = [key, playground.token.strip(), (state / "key-pepper").read_text().strip()]
    secrets.append((state / "text-hash.key").read_text().strip())
    whole = "".join(files.values())
    assert [one for one in (WORD, *secrets) if one in whole] == []
