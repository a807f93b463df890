"""A cluster that outlives the command that started it: a separate process, the keeper, runs it."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from cluster import build, single
from cluster.control_plane import ADMIN, ControlPlane
from cluster.node import Cluster, check_root, lock, prepare, remove_everything, run_folder, state_folder
from cluster.process import StartError

CLIENTS = ("kubectl", "helm")
"""Programs that people type: the folder `programs()` has them by these names."""
_START = 300.0
_STOP = 120.0


class _AskedToEndError(Exception):
    """SIGTERM or Ctrl-C arrived between two steps of a start."""


def up() -> None:
    """Start the cluster unless it is up, and print the steps; Ctrl-C ends what was started."""
    check_root()
    if kubeconfig() is not None:
        return
    begin = time.monotonic()
    starting = single.holder(lock())
    if starting is not None:
        _tell(f"process {starting} starts a cluster already: waiting for it")
        _await_up(lambda: single.holder(lock()) is None, Path(os.devnull))
    else:
        prepare()
        keeper = _start_keeper()
        try:
            _await_up(lambda: keeper.poll() is not None, log())
        except BaseException:
            _end(keeper)
            raise
    _tell(f"the cluster is up after {time.monotonic() - begin:.0f} s")


def down() -> None:
    """End the cluster, and remove what a killed one has left."""
    check_root()
    deadline = time.monotonic() + _STOP
    asked = None
    while (pid := single.holder(lock())) is not None:
        if pid != asked:  # a new keeper may first be found under the id of the one before it
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGTERM)
            asked = pid
        if time.monotonic() > deadline:
            raise StartError(f"process {pid}, which keeps the cluster, does not end. Its log: {log()}")
        time.sleep(0.2)
    with single.take(lock()):
        remove_everything()


def kubeconfig() -> Path | None:
    """Return the kubeconfig of the cluster that is up, or None."""
    keeper = single.holder(lock())
    try:
        is_up = keeper is not None and _up_file().read_text(encoding="utf-8") == str(keeper)
    except FileNotFoundError:
        is_up = False
    return run_folder() / f"{ADMIN}.kubeconfig" if is_up else None


def programs() -> Path:
    """Return the folder with the `CLIENTS` of the cluster that is up."""
    return run_folder() / "bin"


def exports() -> list[str]:
    """Return the shell commands that put kubectl and helm on the path, and let them reach the cluster."""
    path = shlex.quote(str(programs()))
    return [f"export KUBECONFIG={shlex.quote(str(kubeconfig()))}", f"export PATH={path}:$PATH"]


def keeper_command() -> list[str]:
    """Return the command line of the process that keeps a cluster."""
    return [sys.executable, str(Path(__file__).parent), "keep"]


def keep() -> None:
    """Run the cluster until SIGTERM."""
    until_asked_to_end(Cluster(), _say_up)


def until_asked_to_end(plane: ControlPlane, ready: Callable[[], None]) -> None:
    """Run until Ctrl-C or SIGTERM, and call `ready` when everything is up. A step is not interrupted: a start
    ends after its current step.
    """
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())

    def step(text: str) -> None:
        if asked.is_set():
            raise _AskedToEndError
        _tell(text)

    plane.on_step = step
    with suppress(_AskedToEndError), plane:
        ready()
        asked.wait()


def _start_keeper() -> "subprocess.Popen[bytes]":
    state_folder().mkdir(parents=True, exist_ok=True)
    with log().open("wb") as file:
        return subprocess.Popen(
            keeper_command(), stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )


def _end(keeper: "subprocess.Popen[bytes]") -> None:
    if keeper.poll() is not None:
        return
    _tell("ending what was started ...")
    keeper.terminate()
    try:
        keeper.wait(_STOP)
    except subprocess.TimeoutExpired:
        _tell(f"process {keeper.pid} does not end; its log: {log()}. `make cluster-down` tries again.")


def _await_up(has_ended: Callable[[], bool], source: Path) -> None:
    """Wait until the cluster is up, and print what is written to `source` meanwhile."""
    deadline = time.monotonic() + _START
    with source.open(encoding="utf-8", errors="replace") as said:
        while kubeconfig() is None:
            ended = has_ended()
            _pass_on(said)
            if ended:
                raise StartError(f"the cluster did not come up; what its keeper said is in {log()} too")
            if time.monotonic() > deadline:
                raise StartError(f"the cluster is not up after {_START:.0f} s; its keeper's log: {log()}")
            time.sleep(0.2)
        _pass_on(said)


def _pass_on(said: TextIO) -> None:
    sys.stderr.write(said.read())
    sys.stderr.flush()


def _say_up() -> None:
    programs().mkdir()
    for name in CLIENTS:
        (programs() / name).symlink_to(build.path_of(name))
    _up_file().write_text(str(os.getpid()), encoding="utf-8")


def _up_file() -> Path:
    """Return the file that has the process id of the keeper whose cluster is up."""
    return run_folder() / "up"


def log() -> Path:
    """Return the log of the keeper; each part of the cluster has its own log in `run_folder()`."""
    return state_folder() / "keeper.log"


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
