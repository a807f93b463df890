"""Child processes that never outlive this process, and waiting for them."""

import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from ssl import SSLContext

# The kernel kills a child when this process ends in any way: killed tests leave nothing behind.
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--") if sys.platform == "linux" else ()
# It kills the child when the *thread* that started it ends, so one permanent thread starts all children.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cluster-starter")
_LAST_LINES = 20
_PORTS = range(*map(int, os.environ.get("TTSP_TEST_PORTS", "20000-30000").split("-")))
"""Tests that run side by side each get a part: one does not know which ports another was given."""
_given: set[int] = set()


class StartError(Exception):
    """A process did not start; the message has the end of its log."""


@dataclass
class Process:
    """A program that runs in the background, with its own process group and its own log."""

    name: str
    command: Sequence[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    _popen: "subprocess.Popen[bytes] | None" = None

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        running = self._popen is not None and self._popen.poll() is None
        return self._popen.pid if self._popen and running else None

    def start(self) -> None:
        """Start it; its output is appended to the log."""
        if self.pid is not None:
            raise StartError(f"{self.name} runs already.")
        self._popen = _STARTER.submit(self._start).result()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*_WITH_US, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.environment,
                start_new_session=True,
            )

    def wait_ready(self, is_ready: Callable[[], bool], timeout: float) -> None:
        """Wait until it is ready; fail at once if it ends, else after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not is_ready():
            if self.pid is None:
                raise StartError(f"{self.name} ended. {self._end_of_log()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} is not ready after {timeout:g} s. {self._end_of_log()}")
            time.sleep(0.1)

    def wait_end(self, timeout: float) -> None:
        """Wait until it has ended by itself; fail after `timeout` seconds."""
        if self._popen is None:
            return
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise StartError(f"{self.name} still runs after {timeout:g} s. {self._end_of_log()}") from error

    def stop(self) -> None:
        """Kill it and its process group: the cluster's data is deleted anyway."""
        if self._popen is None:
            return
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._popen = None

    def _end_of_log(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join([f"The end of {self.log}:", *lines])


def free_port(address: str) -> int:
    """Return a free port that was not returned before, because its owner may not listen yet.

    It is below the system's range for outgoing connections: no other process gets it while its owner is down
    for a moment, and no client that keeps trying to reach it ends up connected to itself.
    """
    while True:
        port = secrets.choice(_PORTS)
        if port in _given:
            continue
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            _given.add(port)
            return port


def listens(address: str, port: int) -> bool:
    """Return whether a server accepts connections."""
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False  # not up yet
    return True


def answers(address: str, port: int, path: str, context: SSLContext | None = None) -> bool:
    """Return whether a GET is answered with 200."""
    if context is None:
        connection = HTTPConnection(address, port, timeout=5)
    else:
        connection = HTTPSConnection(address, port, timeout=5, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False  # not up yet
    finally:
        connection.close()
