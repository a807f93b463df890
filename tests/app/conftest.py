"""The real playground, once for all tests here: embedded Ray, Serve and the embedded models.

With TTSP_TEST_URL it is one that runs already, and tests that need more than its URL are skipped.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import httpx
import psutil
import pytest
from killing import kill_all, kill_each

from cluster.binaries import OBSERVABILITY
from cluster.build import PrerequisiteError, check
from cluster.process import free_port
from tts_app.manifests import load_voice_models
from tts_app.serve_config import serve_config

START = 240.0
STOP = 60.0
SIMULATED = Path(__file__).parent / "simulated"


Starting = Callable[..., AbstractContextManager["Playground"]]


class RunningPlayground:
    """A playground that is up, and that these tests may not have started: its URL is known."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __getattr__(self, name: str) -> NoReturn:
        """Skip a test that wants what only a playground of the tests' own has."""
        if name.startswith("__"):
            raise AttributeError(name)
        pytest.skip(f"it needs `{name}` of a playground that the tests start: run it without TTSP_TEST_URL")

    @property
    def models(self) -> list[str]:
        """The models that it serves."""
        return sorted(self._ready()["models"])

    def load(self, name: str = "kokoro") -> tuple[int, int]:
        """A model's requests: running and waiting."""
        reported = self._ready()["models"][name]
        return reported["running"], reported["waiting"]

    def _ready(self) -> dict[str, Any]:
        deadline = time.monotonic() + 30
        while True:
            reported: dict[str, Any] = httpx.get(f"{self.url}/readyz", timeout=30).json()
            if "models" in reported:
                return reported
            assert time.monotonic() < deadline, reported  # a busy machine may be late to answer the probe
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


class Playground(RunningPlayground):
    """A playground of the tests' own: its folder is known, and it may be changed and killed."""

    def __init__(self, folder: Path, **environment: str) -> None:
        """`environment` has more variables."""
        port, dashboard, metrics = (free_port("127.0.0.1") for _ in range(3))
        super().__init__(f"http://127.0.0.1:{port}")
        self.folder = folder
        self.dashboard = f"http://127.0.0.1:{dashboard}"
        self.metrics = f"http://127.0.0.1:{metrics}"
        self.queue = 8
        """Requests that may wait for a model."""
        self.output = folder / "output.txt"
        self.process: subprocess.Popen[bytes]
        self._port = port
        self.environment = os.environ | {
            "TTSP_STATE_DIR": str(folder / "state"),
            "TTSP_AUDIO_OUTPUT": str(folder / "audio-output"),
            "TTSP_LOG_LEVEL": "DEBUG",
            "TTSP_DASHBOARD": "true",
            "TTSP_DASHBOARD_PORT": str(dashboard),
            "TTSP_METRICS_PORT": str(metrics),
            "TTSP_QUEUE": str(self.queue),
            "TTSP_BATCH_UTILISATION": "1",  # else batches wait while others keep this machine busy
            "PYTHONPATH": f"{SIMULATED}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            **environment,
        }

    def start(self) -> None:
        """Start its processes, and wait until it is ready."""
        command = [sys.executable, "-m", "tts_app.cli", "serve", "--port", str(self._port)]
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(
                command, stdout=file, stderr=file, env=self.environment, start_new_session=True
            )
        deadline = time.monotonic() + START
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"the playground ended with {self.process.returncode}:\n{self._reported()}")
            try:
                if httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            time.sleep(0.3)
        pytest.fail(f"the playground is not ready after {START:.0f} s:\n{self._reported()}")

    def restart_killed(self) -> None:
        """Kill all its processes at one moment, and start it again on the same ports and folder."""
        kill_all(self.process)
        self.start()

    def stop(self) -> None:
        """End it as a terminal does on Ctrl-C, and make sure that nothing of it is left."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        assert len(family) > 5, "Ray's processes are children of the playground"
        try:
            os.killpg(self.process.pid, signal.SIGINT)  # to Ray's processes too
            assert self.process.wait(STOP) == 0, self._reported()
            _gone, alive = psutil.wait_procs(family, timeout=30)
            assert alive == [], "processes are left"
        finally:
            kill_each(family)

    def kill(self) -> None:
        """End whatever is left of it."""
        kill_each(_processes_of_session(self.process.pid))
        self.process.wait(STOP)

    def _reported(self) -> str:
        return self.output.read_text()[-4000:]

    @property
    def token(self) -> str:
        """Ray's token."""
        return (self.folder / "state" / "ray-token").read_text()

    @property
    def ray_logs(self) -> Path:
        """The folder of Ray's own logs, as its processes are told it."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            for argument in process.cmdline():
                if argument.startswith("--session-dir="):
                    return Path(argument.partition("=")[2]) / "logs"
        raise AssertionError("no process of Ray has its folder")

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
        return serve_config(models, host="127.0.0.1", port=self._port, log_level="DEBUG", direct=True)

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

    def gateway_process(self) -> psutil.Process:
        """The process that listens."""
        for connection in psutil.net_connections("tcp"):
            if connection.status == "LISTEN" and connection.laddr.port == self._port:
                return psutil.Process(connection.pid)
        raise AssertionError(f"nothing listens on {self._port}")

    def segments_spoken(self) -> int:
        """How many calls the engine has had."""
        return sum(line["event"] == "segments spoken" for line in self.logs("voice-kokoro"))


@pytest.fixture(scope="session")
def collector_built() -> None:
    """Have the OpenTelemetry collector, or say how it is had: it is not built inside a test."""
    try:
        check(OBSERVABILITY)
    except PrerequisiteError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def starting(tmp_path_factory: pytest.TempPathFactory) -> Starting:
    """A context with a playground of its own, started with more environment variables."""

    @contextmanager
    def started(name: str, **environment: str) -> Iterator[Playground]:
        one = Playground(tmp_path_factory.mktemp(name), **environment)
        try:
            one.start()
            yield one
            one.stop()
        finally:
            one.kill()

    return started


@pytest.fixture(scope="session")
def playground(starting: Starting) -> Iterator[RunningPlayground]:
    if url := os.environ.get("TTSP_TEST_URL"):
        yield RunningPlayground(url.rstrip("/"))
        return
    with starting("playground") as started:
        yield started


@pytest.fixture
def client(playground: RunningPlayground) -> Iterator[httpx.Client]:
    """A client of the API; the speeches and batches that it makes are removed at the end."""
    made = []

    def note(answer: httpx.Response) -> None:
        if answer.request.method == "POST" and answer.status_code in (201, 202):
            made.append(answer.headers.get("location"))

    with httpx.Client(base_url=playground.url, timeout=120, event_hooks={"response": [note]}) as client:
        yield client
        for address in filter(None, made):
            _remove(client, address)


def _remove(client: httpx.Client, address: str) -> None:
    """Remove a speech or a batch, whether or not it has ended, or is there any more."""
    if address.startswith("/v1/batches/"):
        client.post(f"{address}/cancel")
    deadline = time.monotonic() + 120
    while (answer := client.delete(address)).status_code == 409:  # its last items are still being spoken
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)
    assert answer.status_code in (204, 404), answer.text


def _processes_of_session(session: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session:
                found.append(process)
        except ProcessLookupError:
            continue  # it ended meanwhile
    return found
