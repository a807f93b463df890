"""An embedded Ray: on loopback, with token auth, and stopped without a trace."""

import io
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path

import psutil

from tts_app.settings import Settings
from tts_app.telemetry.logs import secret

GRACE = 10.0
"""Seconds that Serve has to end its requests, and Ray's processes to end by themselves."""


class EmbeddedRay:
    """A Ray of one node. A context manager: leaving it stops every process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder: Path | None = None

    def start(self) -> None:
        """Start Ray, its processes on loopback only."""
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

    def stop(self, before: Callable[[], None] | None = None) -> None:
        """Call `before`, then stop Ray. Idempotent."""
        import ray  # noqa: PLC0415

        if ray.is_initialized():
            # Taken now: once its parent is gone, nothing tells a process of ours from any other.
            children = psutil.Process().children(recursive=True)
            # Ray prints there that its controller, which it has just ended, has ended.
            with redirect_stdout(io.StringIO()):
                if before is not None:
                    before()
                ray.shutdown()
            _end(children)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> "EmbeddedRay":
        self.start()
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
    _gone, alive = psutil.wait_procs(processes, timeout=GRACE)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=GRACE)
