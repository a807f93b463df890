"""Allows one cluster at a time on a machine, and finds its keeper."""

import fcntl
import os
import time
from pathlib import Path
from typing import TextIO


class TakenError(Exception):
    """Another process has the lock."""


def take(path: Path) -> TextIO:
    """Take the lock for as long as the returned file is open; the file names the process that has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="utf-8")
    try:
        while not _lock(file, fcntl.LOCK_EX):
            pid = holder(path)
            if pid is not None:
                raise TakenError(f"A cluster is up already (process {pid}). `make cluster-down` ends it.")
            # Else another process was just reading the holder, as `holder` does.
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
            if _lock(file, fcntl.LOCK_SH):  # shared: two readers do not block each other
                return None
            text = file.read()
        if text:
            return int(text)
        time.sleep(0.01)  # the process has the lock, and is about to write its id
    return None


def _lock(file: TextIO, how: int) -> bool:
    """Lock a file unless another process has locked it; return whether it succeeded."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
