"""One cluster at a time on a machine, and how its keeper is found."""

import fcntl
import os
from pathlib import Path
from typing import TextIO


class TakenError(Exception):
    """Another process has it."""


def take(path: Path) -> TextIO:
    """Take the lock for as long as the returned file is open; the file says who has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise TakenError(
            f"A cluster is up already (process {holder(path)}). `make cluster-down` ends it."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def holder(path: Path) -> int | None:
    """Return the process that has the lock, or None."""
    if not path.exists():
        return None
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read())
    return None
