"""A playground of its own: started on a free port, measured from outside, stopped with all its processes."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import httpx
import psutil

START_SECONDS = 300.0
STOP_SECONDS = 60.0


class Server:
    """`ttsp serve`, with more arguments where some are given; ready when entered.

    `root` is the checkout whose `.venv` runs it; this one by default. `settings` are environment variables.
    `program` is what Python runs as `ttsp`.
    """

    def __init__(
        self,
        *arguments: str,
        root: Path | None = None,
        settings: Mapping[str, str] | None = None,
        program: Sequence[str] = ("-m", "tts_app.cli"),
    ) -> None:
        self._program = program
        self._arguments = arguments
        self._settings = settings or {}
        self._python = str(root / ".venv" / "bin" / "python") if root else sys.executable

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        state = Path(self._folder.name)
        port, metrics = _free_port(), _free_port()
        self.url = f"http://127.0.0.1:{port}"
        environment = os.environ | {
            "TTSP_STATE_DIR": str(state / "state"),
            "TTSP_AUDIO_OUTPUT": str(state / "audio"),
            "TTSP_METRICS_PORT": str(metrics),
            **self._settings,
        }
        command = [self._python, *self._program, "serve", "--port", str(port), *self._arguments]
        self._output = state / "output.txt"
        began = time.perf_counter()
        with self._output.open("wb") as file:
            self._process = subprocess.Popen(
                command, env=environment, stdout=file, stderr=file, start_new_session=True
            )
        try:
            self._wait_ready()
        except BaseException:
            self.__exit__()
            raise
        self.start_seconds = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        family = self._family()
        self._process.send_signal(signal.SIGINT)
        _gone, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
        for process in alive:
            process.kill()
        self._process.wait(STOP_SECONDS)
        self._folder.cleanup()

    def memory(self) -> int:
        """Return the bytes that only its processes hold, all together."""
        return sum(self._each(lambda process: process.memory_full_info().uss))

    def processor_seconds(self) -> float:
        """Return the processor time that its processes have taken, all together.

        Linux has a clock for each process, numbered as in clock_getcpuclockid(3).
        """
        return sum(self._each(lambda process: time.clock_gettime(~process.pid << 3 | 2)))

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Suspend its processes while the block lasts: idle, they too take time from what is measured."""
        family = self._family()
        for process in family:
            with suppress(psutil.NoSuchProcess):  # it ended meanwhile
                process.suspend()
        try:
            yield
        finally:
            for process in reversed(family):
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def _each(self, measure: object) -> list[float]:
        found = []
        for process in self._family():
            try:
                found.append(measure(process))  # type: ignore[operator]
            except (psutil.NoSuchProcess, psutil.ZombieProcess, OSError):
                continue  # it ended meanwhile
        return found

    def _family(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/readyz", timeout=10).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            time.sleep(0.3)
        raise RuntimeError(f"the playground did not become ready:\n{self._output.read_text()[-4000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
