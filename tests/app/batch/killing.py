"""End processes by force, whether or not they end by themselves meanwhile."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress

import psutil

PATIENCE = 20
"""Seconds that the kernel has to end what was killed."""


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a process and every process that it has started, all at one moment, as a power cut would."""
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    kill_each(family)
    process.wait(PATIENCE)


def kill_each(processes: Sequence[psutil.Process]) -> None:
    """SIGKILL each that is still there: Ray's processes end by themselves when their parent does."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, PATIENCE)
