"""A cluster that stays when the command that started it has ended: a process of its own keeps it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cluster import single
from cluster.control_plane import ControlPlane
from cluster.node import Cluster, check_root, lock, prepare, remove_everything, run_folder, state_folder
from cluster.process import StartError

_START = 300.0
_STOP = 120.0


def up() -> None:
    """Start the cluster unless it is up."""
    check_root()
    if single.holder(lock()) is not None:
        return
    prepare()
    command = [sys.executable, str(Path(__file__).parent), "keep"]
    with _log().open("wb") as log:
        keeper = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + _START
    while not _is_up().exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            keeper.terminate()
            raise StartError(f"the cluster did not come up: {_log().read_text(errors='replace')[-3000:]}")
        time.sleep(0.2)


def down() -> None:
    """End the cluster, and remove what one that was killed has left."""
    check_root()
    deadline = time.monotonic() + _STOP
    asked = None
    while (pid := single.holder(lock())) is not None:
        if pid != asked:  # a keeper that has just begun may first be found under the one before it
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGTERM)
            asked = pid
        if time.monotonic() > deadline:
            raise StartError(f"process {pid}, which keeps the cluster, does not end. Its log: {_log()}")
        time.sleep(0.2)
    with single.take(lock()):
        remove_everything()


def kubeconfig() -> Path | None:
    """Return the kubeconfig of the cluster that is up, or None."""
    return run_folder() / "admin.kubeconfig" if _is_up().exists() else None


def keep() -> None:
    """Be the cluster until SIGTERM."""
    until_asked_to_end(Cluster(), _is_up().touch)


def until_asked_to_end(plane: ControlPlane, ready: Callable[[], None]) -> None:
    """Run until Ctrl-C or SIGTERM, which interrupt nothing halfway; call `ready` when all is up."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    with plane:
        ready()
        asked.wait()


def _is_up() -> Path:
    return run_folder() / "up"


def _log() -> Path:
    return state_folder() / "keeper.log"
