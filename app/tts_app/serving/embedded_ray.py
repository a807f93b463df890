"""An embedded Ray: on loopback, with token auth, and stopped without a trace."""

import io
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tts_app.serve_config import TRACED
from tts_app.settings import Settings
from tts_app.telemetry.logs import secret
from tts_app.telemetry.traces import tracing_of

if TYPE_CHECKING:
    from ray._private.node import Node

Progress = Callable[[str], None]
"""Called with a few words on what is being waited for."""

GRACE = 10.0
"""Seconds in which Serve may end its requests, and Ray's processes may end by themselves."""
TRIES = 3
"""Attempts to start Ray: it gives its own processes 30 s, which may not be enough on a busy machine."""


class ServingError(Exception):
    """The playground cannot be served; the message says why and what would help."""


class EmbeddedRay:
    """A Ray of one node. A context manager: leaving it stops every process."""

    def __init__(self, settings: Settings, progress: Progress = lambda _step: None) -> None:
        self._settings = settings
        self._progress = progress
        self._folder: Path | None = None
        self._gateway_file: Path | None = None
        self._node: Node | None = None

    @property
    def folder(self) -> Path:
        """The folder of this Ray alone, while it runs. Raises RuntimeError: it does not."""
        if self._folder is None:
            raise RuntimeError("Ray does not run.")
        return self._folder

    @property
    def metrics(self) -> str:
        """Address of the metrics, while it runs. Raises RuntimeError: it does not."""
        if self._node is None:
            raise RuntimeError("Ray does not run.")
        return f"http://{_LOOPBACK}:{self._node.metrics_export_port}/metrics"

    def start(self, stopping: threading.Event | None = None) -> bool:
        """Start Ray, its processes on loopback only. False: `stopping` was set meanwhile.

        Raises:
            ServingError: Ray does not start in any of `TRIES` attempts; none of its processes is left.
        """
        stopping = stopping or threading.Event()
        settings = self._settings
        try:
            tracing = tracing_of(os.environ)
        except ValueError as error:
            raise ServingError(f"{error}.") from None
        log_dir = settings.log_dir or settings.state / "logs"
        here = {"log_dir": log_dir.absolute(), "audio_output": self._audio_output()}
        self._gateway_file = settings.model_copy(update=here).export()
        os.environ.update(_ray_environment(settings) | (TRACED if tracing else {}))
        for number in range(1, TRIES + 1):
            try:
                self._start_once()
                return not stopping.is_set()
            except Exception as error:  # noqa: BLE001 - Ray raises bare Exceptions where a process is late
                reason = _first_sentence(error)
            if stopping.is_set():
                return False
            if number < TRIES:
                self._progress(f"Ray has not started ({reason}); starting it again, {number + 1} of {TRIES}")
        self._remove_gateway_file()
        raise ServingError(
            f"Ray does not start, tried {TRIES} times: {reason}. Where other programs keep this machine "
            "busy, or its memory is full, end some and start again."
        )

    def _start_once(self) -> None:
        """Start Ray's processes and connect to them; if that fails, leave nothing behind."""
        # A socket's path has at most 107 characters, and Ray's are in this folder: it cannot be in state_dir.
        # Ray opens its own folder to everybody (mode 0777). This one, around it, is closed.
        self._folder = Path(tempfile.mkdtemp(prefix="ttsp-"))
        others = set(psutil.Process().children())
        try:
            import ray  # noqa: PLC0415 - it reads the environment when it is imported

            logging.getLogger("ray").setLevel(logging.WARNING)
            self._node = _start_node(self._settings, self._folder / "r")
            ray.init(
                address=self._node.gcs_address,
                log_to_driver=False,
                configure_logging=False,
                _node_ip_address=_LOOPBACK,
            )
        except BaseException:
            self._clean_up(others)
            raise

    def _clean_up(self, others: set[psutil.Process]) -> None:
        """End the processes of a failed start. `others` are the children that this process had before.

        A node that fails in its constructor is never returned, so its processes are found as new children.
        """
        import ray  # noqa: PLC0415

        ray.shutdown()
        _kill([p for child in psutil.Process().children() if child not in others for p in _family(child)])
        self._node = None
        self._remove_folder()

    def stop(self, before: Callable[[], None] | None = None) -> None:
        """Call `before`, then stop Ray. Idempotent."""
        node, self._node = self._node, None
        if node is not None:
            import ray  # noqa: PLC0415

            # List them now: once its parent has ended, one of our processes looks like any other.
            children = psutil.Process().children(recursive=True)
            # Ray prints to stdout that its controller has ended, which it has just ended itself.
            with redirect_stdout(io.StringIO()):
                if before is not None:
                    before()
                ray.shutdown()
            node.kill_all_processes(check_alive=False, allow_graceful=True)
            _end(children)
        self._remove_folder()
        self._remove_gateway_file()

    def __enter__(self) -> "EmbeddedRay":
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _remove_gateway_file(self) -> None:
        if self._gateway_file is not None:
            self._gateway_file.unlink(missing_ok=True)
            self._gateway_file = None

    def _audio_output(self) -> str:
        """Return the audio store, a folder as an absolute path: replicas run in other working directories."""
        output = self._settings.audio_output
        return output if "://" in output else str(Path(output).expanduser().absolute())


_LONGEST = 300
"""Characters of Ray's message that are passed on."""
_LOOPBACK = "127.0.0.1"
_LOGICAL_CPUS = 1024
"""Ray's CPUs are only bookkeeping. A model that asks for four must run, slower, on a machine with one."""
_LOGICAL_MEMORY = 1 << 40


def _start_node(settings: Settings, folder: Path) -> "Node":
    """Start Ray's processes, fewer than `ray.init` does: those that only a cluster needs are left out.

    Raises:
        Exception: one of them did not start in the time that Ray gives it.
    """
    from ray._private import ray_constants  # noqa: PLC0415
    from ray._private.node import Node  # noqa: PLC0415
    from ray._private.parameter import RayParams  # noqa: PLC0415

    class LocalNode(Node):
        """A head node without an API server, unless the dashboard is asked for."""

        def start_api_server(self, *, include_dashboard: bool | None, raise_on_failure: bool) -> None:
            """Start the dashboard if it is asked for.

            Without a dashboard, Ray would still start the server, for reports on usage. Instead, an address
            where nothing listens is stored: Ray's agent looks for it every second until it finds it.
            """
            if include_dashboard:
                super().start_api_server(include_dashboard=True, raise_on_failure=raise_on_failure)
                return
            self._webui_url = ""
            self.get_gcs_client().internal_kv_put(  # type: ignore[no-untyped-call]
                ray_constants.DASHBOARD_ADDRESS.encode(),
                f"{_LOOPBACK}:0".encode(),
                True,
                namespace=ray_constants.KV_NAMESPACE_DASHBOARD,
            )

    params = RayParams(
        node_ip_address=_LOOPBACK,
        num_cpus=_LOGICAL_CPUS,
        memory=_LOGICAL_MEMORY,
        object_store_memory=settings.object_store_bytes,
        include_dashboard=settings.runs_dashboard,
        dashboard_host=_LOOPBACK,
        dashboard_port=settings.dashboard_port,  # type: ignore[arg-type] # declared as a bool
        metrics_export_port=settings.metrics_port,
        temp_dir=str(folder),
        # The monitor scales a cluster's nodes, and fills a page of the dashboard.
        no_monitor=not settings.runs_dashboard,
        # It sends the workers' output to drivers that ask for it (`log_to_driver`); ours do not.
        include_log_monitor=False,  # type: ignore[arg-type] # declared as a str
    )
    return LocalNode(params, head=True, shutdown_at_exit=False, spawn_reaper=True, ray_init_cluster=True)


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
        # No idle workers in reserve, one for each logical CPU: the few that are needed start on demand.
        "RAY_prestart_worker_first_driver": "0",
        "RAY_enable_worker_prestart": "0",
        "RAY_num_workers_soft_limit": "2",
        # The audio of a ten-second segment is sent in the reply itself, not through the object store.
        "RAY_max_direct_call_object_size": str(1 << 20),
        # Ray runs its workers at niceness 15, behind other programs; speech is what this machine is for.
        "RAY_worker_niceness": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_BACKEND_LOG_JSON": "1",  # raylet and GCS
        # By default Serve's control loop runs, and replicas send metrics, ten times a second: 12% of a core
        # while idle.
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
        "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "2000",
    }


def _first_sentence(error: Exception) -> str:
    """Return what is wrong: Ray's messages continue with tracebacks, and with logs that are gone by then."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words.partition(". ")[0].removesuffix(".")[:_LONGEST]


def _end(processes: Sequence[psutil.Process]) -> None:
    """Wait for `processes` to end, and kill those that do not."""
    _gone, alive = psutil.wait_procs(processes, timeout=GRACE)
    _kill(alive)


def _kill(processes: Sequence[psutil.Process]) -> None:
    """Kill `processes`."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=GRACE)


def _family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all its descendants; nothing if it has ended."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
