"""The real playground, once for all tests here: embedded Ray, Serve and the embedded models."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from killing import kill_each

from cluster.process import free_port
from tts_app.manifests import load_voice_models
from tts_app.serving.config import serve_config

START = 240.0
STOP = 60.0
SIMULATED = Path(__file__).parent / "simulated"
API_PATH = "/v1/audio/speech"


@dataclass(frozen=True)
class Playground:
    """A playground that is up."""

    url: str
    folder: Path
    dashboard: str
    metrics: str

    @property
    def token(self) -> str:
        """Ray's token."""
        return (self.folder / "state" / "ray-token").read_text()

    def logs(self, component: str) -> list[dict[str, Any]]:
        """A component's log."""
        path = self.folder / "state" / "logs" / f"{component}.jsonl"
        whole, _, _begun = path.read_bytes().rpartition(b"\n")  # the last line may be half-written
        return [json.loads(line) for line in whole.splitlines()]

    def applications(self) -> dict[str, Any]:
        """What Serve says of its applications, those included that it is still removing."""
        answer = httpx.get(
            f"{self.dashboard}/api/serve/applications/",
            headers={"authorization": f"Bearer {self.token}"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        applications: dict[str, Any] = answer.json()["applications"]
        return applications

    def apply(self, config: dict[str, Any]) -> None:
        """Give Ray the Serve config as KubeRay does: over its REST API."""
        answer = httpx.put(
            f"{self.dashboard}/api/serve/applications/",
            json=config,
            headers={"authorization": f"Bearer {self.token}"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text

    def config(self, models: list[Any]) -> dict[str, Any]:
        """The Serve config of `models` where this playground listens."""
        port = int(self.url.rsplit(":", 1)[1])
        return serve_config(models, host="127.0.0.1", port=port, log_level="DEBUG", direct=True)

    @contextmanager
    def serving(self, model: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[None]:
        """Serve `model` beside the embedded voices meanwhile, by the Serve config that `change` returns."""
        (kokoro,) = load_voice_models(())
        self.apply(change(self.config([kokoro, model])))
        self.wait_for(sorted([kokoro.name, model.name]))
        yield
        self.apply(self.config([kokoro]))
        self.wait_for([kokoro.name])

    def wait_for(self, models: list[str]) -> None:
        """Wait until these models are served and answer, and the replicas of all others have ended."""
        deadline = time.monotonic() + 300
        while True:
            answer = httpx.get(f"{self.url}/readyz", timeout=30)
            applications = self.applications().keys()
            ready = answer.status_code == 200 and sorted(answer.json()["models"]) == models
            if ready and applications == {"gateway", *models}:
                return
            assert "does not start" not in answer.text, answer.text
            assert time.monotonic() < deadline, f"{answer.text} Serve has {sorted(applications)}."
            time.sleep(0.3)

    def segments_spoken(self) -> int:
        """How many calls the engine has had."""
        return sum(line["event"] == "segments spoken" for line in self.logs("voice-kokoro"))

    def load(self, name: str = "kokoro") -> tuple[int, int]:
        """A model's requests: running and waiting."""
        deadline = time.monotonic() + 30
        while True:
            told = httpx.get(f"{self.url}/readyz", timeout=30).json()
            if "models" in told:
                return told["models"][name]["running"], told["models"][name]["waiting"]
            assert time.monotonic() < deadline, told  # a busy machine may be late to answer the probe
            time.sleep(0.1)

    def wait_load(self, name: str, load: tuple[int, int]) -> None:
        """Wait until so many of a model's requests run and wait."""
        deadline = time.monotonic() + 30
        while (now := self.load(name)) != load:
            assert time.monotonic() < deadline, f"{now} run and wait, not {load}"
            time.sleep(0.1)

    def wait_idle(self, name: str = "kokoro") -> None:
        """Wait until every slot is given back."""
        self.wait_load(name, (0, 0))


def wait_ready(process: subprocess.Popen[bytes], url: str, output: Path) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the playground ended with {process.returncode}:\n{output.read_text()[-4000:]}")
        try:
            if httpx.get(f"{url}/readyz", timeout=10).status_code == 200:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.3)
    pytest.fail(f"the playground is not ready after {START:.0f} s:\n{output.read_text()[-4000:]}")


@pytest.fixture(scope="session")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    folder = tmp_path_factory.mktemp("playground")
    port, dashboard, metrics = (free_port("127.0.0.1") for _ in range(3))
    environment = os.environ | {
        "TTSP_STATE_DIR": str(folder / "state"),
        "TTSP_AUDIO_OUTPUT": str(folder / "audio-output"),
        "TTSP_LOG_LEVEL": "DEBUG",
        "TTSP_DASHBOARD": "true",
        "TTSP_DASHBOARD_PORT": str(dashboard),
        "TTSP_METRICS_PORT": str(metrics),
        "TTSP_QUEUE": "8",
        "TTSP_BATCH_UTILISATION": "1",  # else batches wait while others keep this machine busy
        "PYTHONPATH": f"{SIMULATED}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    output = folder / "output.txt"
    command = [sys.executable, "-m", "tts_app.cli", "serve", "--port", str(port)]
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment, start_new_session=True)
        family: list[psutil.Process] = []
        try:
            url = f"http://127.0.0.1:{port}"
            wait_ready(process, url, output)
            yield Playground(url, folder, f"http://127.0.0.1:{dashboard}", f"http://127.0.0.1:{metrics}")
            family = psutil.Process(process.pid).children(recursive=True)
            assert len(family) > 5, "Ray's processes are children of the playground"
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does on Ctrl-C: to Ray's processes too
            assert process.wait(STOP) == 0, output.read_text()[-4000:]
            _gone, alive = psutil.wait_procs(family, timeout=30)
            assert alive == [], "processes are left"
        finally:
            kill_each([*family, *_processes_of_session(process.pid)])
            process.wait(STOP)


@pytest.fixture
def serve() -> Callable[..., AbstractContextManager[tuple[str, subprocess.Popen[bytes]]]]:
    """Start a playground of a test's own in a folder; its processes are killed afterwards."""
    return _serving


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port("127.0.0.1")
    environment = os.environ | {
        "TTSP_STATE_DIR": str(folder / "state"),
        "TTSP_AUDIO_OUTPUT": str(folder / "audio-output"),
        "TTSP_METRICS_PORT": str(free_port("127.0.0.1")),
        "TTSP_BATCH_UTILISATION": "1",
    }
    command = [sys.executable, "-m", "tts_app.cli", "serve", "--port", str(port)]
    output = folder / "output.txt"
    with output.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment, start_new_session=True)
    try:
        wait_ready(process, f"http://127.0.0.1:{port}", output)
        yield f"http://127.0.0.1:{port}", process
    finally:
        kill_each(_processes_of_session(process.pid))
        process.wait(STOP)


@pytest.fixture
def client(playground: Playground) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=playground.url, timeout=120) as client:
        yield client


def _processes_of_session(session: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session:
                found.append(process)
        except ProcessLookupError:
            continue  # it ended meanwhile
    return found
