"""`ttsp top` on simulated endpoints: what it asks and prints, without a terminal."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ray.serve._private.common import DeploymentStatus, DeploymentStatusTrigger, ReplicaState
from ray.serve.schema import (
    ApplicationStatus,
    ApplicationStatusOverview,
    DeploymentStatusOverview,
    ServeStatus,
)
from typer.testing import CliRunner

from tts_app.cli import app
from tts_app.serving import running
from tts_app.serving.readiness import reason
from tts_app.settings import Settings

METRICS = """# TYPE ray_ttsp_model_ready gauge
ray_ttsp_model_ready{kind="speech",model="kokoro"} 1
# TYPE ray_ttsp_speech_requests_total counter
ray_ttsp_speech_requests_total{model="kokoro",outcome="finished"} %d
# TYPE ray_ttsp_refusals_total counter
ray_ttsp_refusals_total{reason="overload"} %d
# TYPE ray_ttsp_storage_free_bytes gauge
ray_ttsp_storage_free_bytes{store="audio"} 2000000000
# TYPE ray_ttsp_storage_size_bytes gauge
ray_ttsp_storage_size_bytes{store="audio"} 100000000000
# TYPE ray_ttsp_batches gauge
ray_ttsp_batches{state="running"} 2
"""


class Simulated:
    """Answers as a playground's API and metrics do, and as a Prometheus; notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.answers: dict[str, tuple[int, Any]] = {"/readyz": (200, {"status": "ready"})}
        simulated = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                simulated.asked.append((self.path, self.headers.get("authorization")))
                status, found = simulated.answer(urlsplit(self.path).path)
                body = (found if isinstance(found, str) else json.dumps(found)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, path: str) -> tuple[int, Any]:
        if path == "/metrics" and path not in self.answers:
            times = sum(asked.startswith("/metrics") for asked, _ in self.asked)
            return 200, METRICS % (times * 10, times)
        return self.answers.get(path, (404, "no such path"))

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def simulated() -> Iterator[Simulated]:
    made = Simulated()
    yield made
    made.stop()


def top(simulated: Simulated, *options: str) -> Any:
    address = ["--url", simulated.url, "--metrics", f"{simulated.url}/metrics"]
    return CliRunner().invoke(app, ["top", "--once", "--interval", "1", *address, *options])


def test_page_has_models_batches_and_refusals(simulated: Simulated) -> None:
    shown = top(simulated)
    assert shown.exit_code == 0, shown.output
    (kokoro,) = [line.split() for line in shown.stdout.splitlines() if line.startswith("kokoro  speech")]
    assert kokoro[2] == "yes"
    assert 0 < float(kokoro[3]) <= 10, "ten requests in a second or more"
    assert "batches: 2 running" in shown.stdout
    assert "refused: overload" in shown.stdout
    assert "storage: audio 2% free (2.0 GB)" in shown.stdout


@pytest.mark.parametrize(
    ("state", "shown"),
    [(ApplicationStatus.RUNNING, "busy"), (ApplicationStatus.DEPLOY_FAILED, "no")],
)
def test_ready_agrees_with_what_the_api_says(
    simulated: Simulated, state: ApplicationStatus, shown: str
) -> None:
    replicas = DeploymentStatusOverview(
        DeploymentStatus.HEALTHY, DeploymentStatusTrigger.UNSPECIFIED, {ReplicaState.RUNNING: 1}, ""
    )
    served = ApplicationStatusOverview(state, "It broke.", 0.0, {"Voice": replicas})
    why = reason(ServeStatus(applications={"kokoro": served}), "kokoro")
    said = f"Model 'another' is not ready: it is still being loaded. Model 'kokoro' is not ready: {why}"
    simulated.answers["/readyz"] = (503, {"error": {"message": said}})
    page = top(simulated).stdout
    (kokoro,) = [line.split() for line in page.splitlines() if line.startswith("kokoro  speech")]
    assert kokoro[2] == shown


def test_terminal_gets_a_page_that_changes_until_ctrl_c(simulated: Simulated) -> None:
    ours, terminal = pty.openpty()
    address = ["--url", simulated.url, "--metrics", f"{simulated.url}/metrics"]
    command = [sys.executable, "-m", "tts_app.cli", "top", "--interval", "1", *address]
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            command, stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "xterm"}
        )
        os.close(terminal)
        shown = b""
        while shown.count(b"batches: 2 running") < 2:
            read = screen.read(4096)
            assert read, shown
            shown += read
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # Linux's end of a terminal that nobody has open
            while read := screen.read(4096):
                shown += read
        assert process.wait(60) == 0
    assert b"kokoro" in shown
    assert shown.rstrip().endswith(b"\x1b[?25h\x1b[?1049l"), "the terminal is as it was"


def test_key_is_sent_to_the_api_alone(simulated: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSP_API_KEY", "k" * 16)
    assert top(simulated, "--json").exit_code == 0
    assert {key for path, key in simulated.asked if path == "/readyz"} == {f"Bearer {'k' * 16}"}
    assert {key for path, key in simulated.asked if path == "/metrics"} == {None}


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        ((503, {"error": {"message": "Model 'kokoro' is not ready."}}), "Model 'kokoro' is not ready."),
        ((404, "nothing"), "is no playground: /readyz answers 404."),
    ],
)
def test_notes_say_what_the_api_complains_of(simulated: Simulated, answer: Any, note: str) -> None:
    simulated.answers["/readyz"] = answer
    (found,) = json.loads(top(simulated, "--json").stdout)["notes"]
    assert found.endswith(note)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((500, "broken"), "answers 500, not metrics"),
        ((200, "<html>"), "is not in Prometheus' format"),
    ],
)
def test_what_is_no_metrics_ends_it(simulated: Simulated, answer: Any, says: str) -> None:
    simulated.answers["/metrics"] = answer
    refused = top(simulated)
    assert refused.exit_code == 1
    assert says in " ".join(refused.stderr.split())


def test_where_nothing_listens_it_says_what_to_do(simulated: Simulated) -> None:
    simulated.stop()
    refused = top(simulated)
    assert refused.exit_code == 1
    assert "--url and --metrics name other addresses" in " ".join(refused.stderr.split())


def write_running(simulated: Simulated, state: Path, started: float | None = None) -> None:
    """Write what a playground at the simulated addresses says of itself."""
    found = running.running_of(Settings(state_dir=state), simulated.url, f"{simulated.url}/metrics", state)
    running.write(state, found if started is None else replace(found, started=started))


def test_state_folder_says_where_its_playground_is(
    simulated: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TTSP_PORT", raising=False)
    monkeypatch.delenv("TTSP_METRICS_PORT", raising=False)
    monkeypatch.setenv("TTSP_STATE_DIR", str(tmp_path))
    write_running(simulated, tmp_path)
    shown = CliRunner().invoke(app, ["top", "--once", "--interval", "1"])
    assert shown.exit_code == 0, shown.output
    assert "kokoro" in shown.stdout
    write_running(simulated, tmp_path, started=0.0)
    refused = CliRunner().invoke(app, ["top", "--once", "--interval", "1"])
    assert refused.exit_code == 1
    assert "has ended without a word" in " ".join(refused.stderr.split())


def prometheus(simulated: Simulated, *options: str) -> Any:
    command = ["top", "--once", "--json", "--interval", "1", "--prometheus", f"{simulated.url}/", *options]
    return CliRunner().invoke(app, command)


def test_prometheus_is_asked_instead(simulated: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["tts_app.cli.top"], "_PATIENCE", 1.0)  # it has nothing new to say
    labels = {"__name__": "ray_ttsp_model_ready", "kind": "speech", "model": "kokoro", "pod": "a"}
    series = {"metric": labels, "value": [1, "1"]}
    simulated.answers["/api/v1/query"] = (200, {"status": "success", "data": {"result": [series]}})
    found = prometheus(simulated, "--selector", 'namespace="speech"')
    assert found.exit_code == 0, found.output
    (kokoro,) = json.loads(found.stdout)["models"]
    assert (kokoro["model"], kokoro["ready"]) == ("kokoro", True)
    (query, *_) = parse_qs(urlsplit(simulated.asked[0][0]).query)["query"]
    assert query == '{__name__=~"ray_ttsp_.+|ray_node_.+", namespace="speech"}'


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((400, {"status": "error", "error": "bad matcher"}), "Prometheus refuses the query: bad matcher."),
        ((200, "<html>"), "is no Prometheus that answers"),
    ],
)
def test_prometheus_that_refuses_ends_it(simulated: Simulated, answer: Any, says: str) -> None:
    simulated.answers["/api/v1/query"] = answer
    refused = prometheus(simulated)
    assert refused.exit_code == 1
    assert says in " ".join(refused.stderr.split())
