"""An embedded Ray for the playground: on loopback, with token auth, and stopped without a trace."""

import io
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import psutil

from tts_app.resources import VoiceModel
from tts_app.serving.config import serve_config
from tts_app.settings import Settings
from tts_app.telemetry.logs import secret

if TYPE_CHECKING:
    from ray.serve._private.client import ServeControllerClient

Progress = Callable[[str], None]
"""Told, in a few words, what is being waited for."""

_LOOPBACK = ("127.", "localhost", "::1")
_START_TIMEOUT = 300.0
_POLL = 0.2
_GRACE = 10.0
"""Seconds that Serve has to end its requests, and Ray's processes to end by themselves."""


class ServingError(Exception):
    """The playground cannot be served; the message says why and what would help."""


def serve(
    models: Sequence[VoiceModel],
    settings: Settings,
    progress: Progress = lambda _step: None,
    ready: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve `models` where `settings` says until SIGINT or SIGTERM; leave no process.

    `progress` is told each step, `ready` the address once every model answers. Call it in the main thread.

    Raises:
        ServingError: the port is taken, a key is missing, or a model does not start.
    """
    stopping = threading.Event()
    with _stop_signals(stopping) as listen, Playground(settings) as playground:
        progress("starting Ray")
        playground.start()
        listen()  # Ray has put its own handler in place of ours
        progress("loading " + ", ".join(model.name for model in models))
        playground.deploy(models)
        if playground.wait(stopping):
            ready(playground.url)
        stopping.wait()
        progress("stopping")


class Playground:
    """An embedded Ray with Serve. A context manager: leaving it stops every process."""

    def __init__(self, settings: Settings) -> None:
        host = settings.host
        if not host.startswith(_LOOPBACK) and settings.api_key is None:
            raise ServingError(
                f"{host} is reachable from other machines, so a key is needed: "
                "set TTSP_API_KEY, or listen on 127.0.0.1."
            )
        self._host = host
        self._port = settings.port
        self._settings = settings
        self._folder: Path | None = None
        self._client: ServeControllerClient | None = None

    @property
    def url(self) -> str:
        """Address of the API."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(self._host, self._host)  # noqa: S104
        return f"http://{host}:{self._port}"

    def start(self) -> None:
        """Start Ray, its processes on loopback only."""
        _check_free(self._host, self._port)
        settings = self._settings
        log_dir = settings.log_dir or settings.state / "logs"
        here = {"log_dir": log_dir.absolute(), "audio_output": self._audio_output()}
        settings.model_copy(update=here).export()
        os.environ.update(_ray_environment(settings))
        # A socket's name has at most 107 characters, and Ray's lie in this folder: it cannot be in state_dir.
        self._folder = Path(tempfile.mkdtemp(prefix="ttsp-"))
        import ray  # noqa: PLC0415 - it reads the environment above when it is imported

        logging.getLogger("ray").setLevel(logging.WARNING)
        ray.init(
            address="local",
            num_cpus=_LOGICAL_CPUS,
            num_gpus=None,
            object_store_memory=settings.object_store_bytes,
            include_dashboard=settings.dashboard,
            dashboard_host="127.0.0.1",
            dashboard_port=settings.dashboard_port,
            log_to_driver=False,
            configure_logging=False,
            _node_ip_address="127.0.0.1",
            _metrics_export_port=settings.metrics_port,
            _memory=_LOGICAL_MEMORY,
            _temp_dir=str(self._folder),
        )

    def deploy(self, models: Sequence[VoiceModel]) -> None:
        """Serve these models from now on; what is served already and stays goes on undisturbed."""
        from ray.serve import start  # noqa: PLC0415
        from ray.serve.context import _get_global_client  # noqa: PLC0415
        from ray.serve.schema import ServeDeploySchema  # noqa: PLC0415

        logging.getLogger("ray.serve").setLevel(logging.ERROR)  # its import sets another
        config = serve_config(models, host=self._host, port=self._port, log_level=self._settings.log_level)
        start(proxy_location=config["proxy_location"], http_options=config["http_options"])
        self._client = _get_global_client()
        if self._client is None:
            raise ServingError("Ray Serve has not started.")
        self._client.deploy_apps(ServeDeploySchema.model_validate(config))

    def wait(self, stopping: threading.Event | None = None, timeout: float = _START_TIMEOUT) -> bool:
        """Wait until every application runs. False: `stopping` was set meanwhile.

        Raises:
            ServingError: an application does not start; the message has its own words.
        """
        from ray import serve as ray_serve  # noqa: PLC0415

        stopping = stopping or threading.Event()
        deadline = time.monotonic() + timeout
        while not stopping.is_set():
            applications = ray_serve.status().applications
            failed = {n: a for n, a in applications.items() if a.status in ("DEPLOY_FAILED", "UNHEALTHY")}
            if failed:
                reasons = "; ".join(f"{name}: {app.message}" for name, app in failed.items())
                raise ServingError(f"A model does not start. {reasons}")
            if applications and all(app.status == "RUNNING" for app in applications.values()):
                return True
            if time.monotonic() > deadline:
                waiting = ", ".join(n for n, a in applications.items() if a.status != "RUNNING")
                raise ServingError(f"Not started after {timeout:.0f} s: {waiting}")
            stopping.wait(_POLL)
        return False

    def stop(self) -> None:
        """Stop Serve and Ray. Idempotent."""
        import ray  # noqa: PLC0415

        if ray.is_initialized():
            # Taken now: once its parent is gone, nothing tells a process of ours from any other.
            children = psutil.Process().children(recursive=True)
            # Ray prints there that its controller, which it has just ended, has ended.
            with redirect_stdout(io.StringIO()):
                if self._client is not None:
                    self._client.shutdown(timeout_s=_GRACE)
                ray.shutdown()
            _end(children)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> "Playground":
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def _audio_output(self) -> str:
        """Return the audio store, a folder made absolute: the replicas run elsewhere."""
        output = self._settings.audio_output
        return output if "://" in output else str(Path(output).expanduser().absolute())


_LOGICAL_CPUS = 1024
"""Ray's CPUs are bookkeeping. A model that asks for four must run, slower, on a machine with one."""
_LOGICAL_MEMORY = 1 << 40


def _ray_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that Ray's processes read when they start."""
    token = settings.state / "ray-token"
    secret(token)
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token.absolute()),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray resolves loopback to the machine's own address unless clusters are off: keep it all on loopback.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # No workers in reserve, one a logical CPU: the few that there are start when they are needed.
        "RAY_prestart_worker_first_driver": "0",
        "RAY_enable_worker_prestart": "0",
        "RAY_num_workers_soft_limit": "2",
        # A segment of ten seconds travels in the reply itself, not through the object store.
        "RAY_max_direct_call_object_size": str(1 << 20),
        # Ray makes its workers polite to others on the machine (15); speech is what this machine is for.
        "RAY_worker_niceness": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        # Serve looks round, and replicas send metrics, ten times a second: idle, that takes 12% of a core.
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
        "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "2000",
    }


def _end(processes: Sequence[psutil.Process]) -> None:
    """Wait for `processes` to end, and end those that do not."""
    _gone, alive = psutil.wait_procs(processes, timeout=_GRACE)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=_GRACE)


def _check_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServingError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port."
            ) from None


@contextmanager
def _stop_signals(stopping: threading.Event) -> Iterator[Callable[[], None]]:
    """Set `stopping` on SIGINT and SIGTERM; a second one does not hurry it, so that nothing is left behind.

    Yields what to call to take the signals back where something else has taken them.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    def listen() -> None:
        for number in old:
            signal.signal(number, stop)

    old: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    listen()
    try:
        yield listen
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
