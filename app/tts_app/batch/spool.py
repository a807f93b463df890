"""A temporary file of a batch. The folder for such files may be small, and is not the output."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any


class SpoolError(Exception):
    """The folder for temporary files cannot be written; the message says which it is, and what to do."""


@contextmanager
def spool() -> Iterator[IO[bytes]]:
    """Yield an empty file, whose `name` is its path; it is removed at the end.

    Raises:
        SpoolError: it cannot be made. Writing to it and leaving the block may raise it too.
    """
    try:
        made = tempfile.NamedTemporaryFile()  # noqa: SIM115 - it is closed below
    except OSError as error:
        raise _full(error) from error
    with made, io.BufferedRandom(_Raw(made.name, "r+")) as file:
        yield file


class _Raw(io.FileIO):
    """The file below the buffer: every call that flushes the buffer writes here."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise _full(error) from error


def _full(error: OSError) -> SpoolError:
    folder = tempfile.gettempdir()
    return SpoolError(
        f"{folder} cannot be written: {error.strerror}; make room, or name another folder in TMPDIR."
    )
