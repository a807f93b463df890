"""What a playground says of itself in its state folder."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.process import free_port
from tts_app.serving import embedded, running
from tts_app.settings import Settings


@pytest.fixture
def own(tmp_path: Path) -> running.Running:
    """Return what this process would say."""
    secret = {"api_key": "k" * 16, "database_url": "postgresql://a:hush@b/c"}
    settings = Settings(state_dir=tmp_path / "state", audit=True, **secret)
    return running.running_of(settings, "http://127.0.0.1:1", "http://127.0.0.1:2/metrics", tmp_path / "ray")


def test_what_is_written_is_read_and_private_and_has_no_secret(own: running.Running, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert running.read(state) is None
    running.write(state, own)
    path = state / "running.json"
    assert running.read(state) == own
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in state.iterdir()] == ["running.json"]
    assert [secret for secret in ("k" * 16, "hush") if secret in path.read_text()] == []
    assert own.settings["audit"] is True
    running.remove(state)
    assert running.read(state) is None
    running.remove(state)


def test_alive_is_the_process_that_wrote_it(own: running.Running) -> None:
    assert own.is_alive
    assert not replace(own, started=own.started - 60).is_alive, "another process has the number by now"
    assert not replace(own, pid=2**22 + 1).is_alive


def test_remove_leaves_what_another_playground_wrote(own: running.Running, tmp_path: Path) -> None:
    running.write(tmp_path, replace(own, pid=os.getppid()))
    running.remove(tmp_path)
    assert running.read(tmp_path) is not None


class SimulatedRay:
    """Stands for the embedded Ray: starts nothing."""

    def __init__(self, settings: Settings, _progress: object) -> None:
        self.folder = settings.state / "ray"
        self.metrics = "http://127.0.0.1:2/metrics"

    def start(self, _stopping: object) -> bool:
        return True

    def stop(self, _before: object) -> None:
        """Nothing runs."""


def test_playground_says_where_it_is_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "EmbeddedRay", SimulatedRay)
    port = free_port("127.0.0.1")
    with embedded.Playground(Settings(state_dir=tmp_path, port=port)) as playground:
        assert playground.start()
        found = running.read(tmp_path)
        assert found is not None
        assert (found.url, found.metrics) == (f"http://127.0.0.1:{port}", "http://127.0.0.1:2/metrics")
        assert found.ray == str(tmp_path / "ray")
    assert running.read(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"pid": 1, "unknown": 2})])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "running.json").write_text(content)
    with pytest.raises(running.RunningError, match="remove it and start the playground again"):
        running.read(tmp_path)
