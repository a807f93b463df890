"""The interface of every output of a batch, and where its parts are."""

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

PRIVATE = ".ttsp"
"""Folder of what is not audio."""
LEDGER = f"{PRIVATE}/ledger"
PROBE = f"{PRIVATE}/probe"
SECRET = f"{PRIVATE}/hashes.key"
SECRET_BYTES = 32


class OutputError(Exception):
    """The output cannot be used; the message says why and what to do."""


class LockedError(Exception):
    """Another driver is at work in the output; the message says where."""


class Segment(Protocol):
    """A part of the ledger that one driver writes."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Add whole lines; they are durable when this returns. Raises OSError, LockedError."""
        ...

    def close(self) -> None:
        """End the segment."""
        ...


class Output(Protocol):
    """Where a batch's audio goes."""

    url: str

    def prepare(self) -> None:
        """Make the folder, and check that it can be written. Raises OutputError."""
        ...

    def probe(self) -> None:
        """Check that the output can be written. Raises OSError."""
        ...

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the size in bytes of each audio file."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all. Raises OSError."""
        ...

    def put_file(self, name: str, path: Path) -> None:
        """Write a file that may be too large for memory, as `put` does. Raises OSError."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading. Raises OSError."""
        ...

    def read(self, name: str) -> bytes:
        """Return what a file holds. Raises OSError."""
        ...

    def segments(self) -> Iterator[Iterator[bytes]]:
        """Yield the lines of each segment of the ledger, oldest segment first."""
        ...

    def new_segment(self) -> Segment:
        """Start a segment that comes after all others."""
        ...

    def rewrite_segments(self, convert: Callable[[bytes], bytes]) -> None:
        """Replace all segments by one that has what `convert` makes of each line.

        Only for the holder of the lock. The new lines are durable before the old ones are removed.

        Raises:
            OSError: the ledger is as it was, or has lines twice.
            LockedError: another driver has taken over.
        """
        ...

    def secret(self, *, make: bool) -> bytes:
        """Return the secret of the output's keyed hashes, which only its owner may read.

        If there is none yet, make one; with `make` false, return one that is not kept.

        Raises:
            OSError: it cannot be read or written, or is none.
        """
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Return a context manager that holds the output for one driver. Entering raises LockedError."""
        ...

    def remove_all(self) -> None:
        """Remove the audio and everything beside it: only for the holder of the lock. Raises OSError."""
        ...


def number_of(path: str) -> int:
    """Return the number in the name of a lease or of a ledger segment; 0 for any other file."""
    number = path.rpartition("/")[2].partition(".")[0].partition("-")[0]
    return int(number) if number.isdecimal() else 0


def checked_secret(found: bytes) -> bytes:
    """Return the secret of keyed hashes that was found. Raises OSError: it is none."""
    if len(found) != SECRET_BYTES:
        reason = (
            f"{SECRET} has {len(found)} bytes instead of {SECRET_BYTES}. Restore it, or remove it: then the "
            "batch is rendered again"
        )
        raise OSError(errno.EINVAL, reason)
    return found


def describe(error: BaseException) -> str:
    """Return a helpful message for an error of a store."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full; make room, or choose another output"
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{error.strerror}; give write permission, or choose another output"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"
