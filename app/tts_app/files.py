"""Files that appear whole or not at all; files and folders that only their owner can read."""

import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_log = logging.getLogger(__name__)
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def private_folder(path: Path) -> None:
    """Make a folder that only its owner can enter, and the missing ones above it; tighten one that is there.

    One that belongs to somebody else stays as it is: on a cluster a volume's root is Kubernetes' own.

    Raises:
        OSError: it cannot be made.
    """
    for missing in reversed([part for part in (path, *path.parents) if not part.exists()]):
        missing.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    tighten(path, PRIVATE_FOLDER)


def private_file(path: Path) -> None:
    """Make a file that only its owner can read; tighten one that is there.

    Raises:
        OSError: it cannot be made.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, PRIVATE_FILE))
    tighten(path, PRIVATE_FILE)


def tighten(path: Path, mode: int) -> None:
    """Give a file or folder of this user `mode`, if others have rights to it; log it where that fails."""
    found = path.stat()
    if found.st_uid != os.geteuid() or not stat.S_IMODE(found.st_mode) & 0o077:
        return
    try:
        path.chmod(mode)
    except PermissionError as error:  # some file systems, such as FAT, have one mode for all files
        _log.warning("%s stays open to other users: %s", path, error.strerror)


def is_private(folder: Path) -> bool:
    """Return whether only the owner of a folder can enter it."""
    return not stat.S_IMODE(folder.stat().st_mode) & 0o077


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears at `path` when the block ends well, and not at all when it raises."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        # mkstemp makes files that only their owner reads; the finished one is as any other new file.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
