"""A support bundle as a file."""

import json
import stat
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tts_app.cli import app
from tts_app.desk.bundle import Entry, write
from tts_app.desk.collect import of_playground
from tts_app.serving.running import Running, running_of
from tts_app.settings import Settings

NOWHERE = "http://127.0.0.1:9"
HUSH = ("the-key-of-the-api", "the-token-of-ray-0123", "hush-of-database", "pepper-0123456789")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a playground that has run, with secrets in all its places."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    state = tmp_path / "state"
    (state / "logs").mkdir(parents=True)
    (state / "ray-token").write_text(f"{HUSH[1]}\n")
    (state / "key-pepper").write_text(HUSH[3])
    line = {"time": "t", "level": "INFO", "component": "gateway", "event": f"asked with {HUSH[1]} {HUSH[3]}"}
    (state / "logs" / "gateway.jsonl").write_text(f"{json.dumps(line)}\nTraceback of zanzibarquokka\n")
    for name in ("ttsp-own", "ttsp-other"):
        ray = tmp_path / name / "r" / "session_latest" / "logs"
        ray.mkdir(parents=True)
        warning = f"[2026-11-30 20:00:00,124 W 12 34] (raylet) a.cc:2: {name} {HUSH[0]}\nquokka\n"
        (ray / "raylet.out").write_text(warning)
        (ray / "worker-1.err").write_text("[2026-11-30 20:00:00,124 E 12 34] zanzibarquokka\n")
    url = f"postgresql://tts:{HUSH[2]}@host/name"
    return Settings(state_dir=state, api_key=HUSH[0], database_url=url)


def running_of_another_process(settings: Settings, ray: Path, **changed: Any) -> Running:
    """Return what a service says that has settings of its own; it has ended unless `changed` says more."""
    served = settings.model_copy(update={"audit": True})
    found = running_of(served, NOWHERE, f"{NOWHERE}/metrics", ray)
    return replace(found, **{"started": 0.0, **changed})


def read(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        files = {member.name.partition("/")[2]: archive.extractfile(member) for member in archive}
        return {name: file.read().decode() for name, file in files.items() if file is not None}


def test_bundle_of_a_playground_that_does_not_run_has_its_logs_and_no_secret(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "bundle.tar.gz"
    running = running_of_another_process(settings, tmp_path / "ttsp-own")
    held = write(path, of_playground(settings, running, NOWHERE, f"{NOWHERE}/metrics"))
    files = read(path)
    assert [entry.name for entry in held] == list(files)
    assert files.keys() == {
        "README.txt", "versions.json", "settings.json", "state.json", "metrics.prom", "logs/gateway.jsonl",
        "ray/raylet.out",
    }  # fmt: skip
    assert "logs/gateway.jsonl: 1 lines of the playground, 1 others left out" in files["README.txt"]
    assert json.loads(files["logs/gateway.jsonl"])["event"] == "asked with <hidden> <hidden>"
    assert files["state.json"] == "ConnectError"
    assert json.loads(files["versions.json"])["packages"]["ray"]
    assert "ttsp-other" not in files["ray/raylet.out"], "it is another playground's"
    assert json.loads(files["settings.json"])["audit"] is True, "the service's, not this command's"
    assert "settings.json: the settings of the playground, which has ended" in files["README.txt"]
    whole = "".join(files.values())
    assert [secret for secret in (*HUSH, "quokka") if secret in whole] == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_bundle_without_a_playground_names_whose_settings_it_has(settings: Settings) -> None:
    held = {entry.name: entry for entry in of_playground(settings, None, NOWHERE, NOWHERE)}
    assert "settings.json" not in held
    assert "of this command alone" in held["settings_of_this_command.json"].about
    assert [name for name in held if name.startswith("ray/")] == [], "nobody says which is its own"


def test_write_replaces_no_file(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSP_STATE_DIR", str(settings.state_dir))
    path = tmp_path / "bundle.tar.gz"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        write(path, [Entry("a", "b", "c")])
    assert path.read_text() == "precious"
    refused = CliRunner().invoke(app, ["support-bundle", "--output", str(path), "--url", NOWHERE])
    assert refused.exit_code == 1


def test_command_prints_what_the_bundle_holds(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTSP_STATE_DIR", str(settings.state_dir))
    path = tmp_path / "bundle.tar.gz"
    made = CliRunner().invoke(
        app, ["support-bundle", "-o", str(path), "--url", NOWHERE, "--metrics", f"{NOWHERE}/metrics"]
    )
    assert made.exit_code == 0, made.output
    assert made.stdout.strip() == str(path)
    assert "logs/gateway.jsonl: 1 lines of the playground" in made.stderr
