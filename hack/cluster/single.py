"""One cluster at a time on a machine, and how its keeper is found."""

import fcntl
import os
import time
from pathlib import Path
from typing import TextIO


class TakenError(Exception):
    """Another process has it."""


def take(path: Path) -> TextIO:
    """Take the lock for as long as the returned file is open; the file says who has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="utf-8")
    try:
        while not _lock(file, fcntl.LOCK_EX):
            pid = holder(path)
            if pid is not None:
                raise TakenError(f"A cluster is up already (process {pid}). `make cluster-down` ends it.")
            # Else somebody just looked who has it, as `holder` does.
    except TakenError:
        file.close()
        raise
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def holder(path: Path) -> int | None:
    """Return the process that has the lock, or None."""
    while path.exists():
        with path.open(encoding="utf-8") as file:
            if _lock(file, fcntl.LOCK_SH):  # shared: two who look are not in each other's way
                return None
            told = file.read()
        if told:
            return int(told)
        time.sleep(0.01)  # it has the lock, and is about to write who it is
    return None


def _lock(file: TextIO, how: int) -> bool:
    """Lock a file unless somebody has locked it; tell whether that was done."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
