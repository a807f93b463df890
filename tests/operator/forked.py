"""A process of the operator that is forked from one that has imported it: that is most of what a start costs.

It is a process of its own nevertheless, with its own log, environment and event loop: signals and kills are
real. What a fork leaves out is the start of Python itself; tests of the chart's releases start the command.
"""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tts_operator.main"])


class Fork:
    """The operator, from the moment it is made; to be used as a `subprocess.Popen`."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self._process = _CONTEXT.Process(target=_operate, args=(log, environment), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status, minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return what `returncode` does."""
        return self.returncode

    def terminate(self) -> None:
        """Send SIGTERM, unless it has ended."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self._process.kill()

    def wait(self, timeout: float) -> int:
        """Wait until it ends; return its exit status. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("tts-operator", timeout)
        return self.returncode


def _operate(log: Path, environment: dict[str, str]) -> None:
    """Be the operator's process, with what `Popen` would have given it."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["tts-operator"]
    from tts_operator.main import main

    sys.exit(main())
