"""Where log lines go: files that several processes write and rotate, or standard error."""

import fcntl
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

from tts_app.files import private_file

FILE_BYTES = 10 << 20
"""Bytes at which a file is rotated."""
FILES = 3
"""Older files that are kept of each component: NAME.jsonl.1 is the newest."""


class _Last(logging.Handler):
    """Says on the process's own standard error that a line is lost.

    In a replica `sys.stderr`, where logging says so, may lead to Serve's logger, and so back to the handler
    that has just failed.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's names
        """Say that the line is lost, and why: on a full disk, for example."""
        with suppress(OSError, ValueError):  # it is closed: nobody can be told
            print(f"a log line is lost: {type(sys.exc_info()[1]).__name__}", file=sys.__stderr__, flush=True)


class StandardError(_Last, logging.StreamHandler[TextIO | Any]):
    """The process's own standard error, wherever `sys.stderr` leads."""

    def __init__(self) -> None:
        super().__init__(sys.__stderr__)


class SharedFile(_Last, RotatingFileHandler):
    """A file that only its owner can read. When one process rotates it, the others go on in the new one."""

    def __init__(self, path: Path, file_bytes: int = FILE_BYTES, files: int = FILES) -> None:
        self._lock_path = path.with_name(f".{path.name}.lock")
        super().__init__(path, maxBytes=file_bytes, backupCount=files, encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record into the file that is at the path now."""
        try:
            if self._is_elsewhere():
                self._reopen()
        except OSError:
            self.handleError(record)
        else:
            super().emit(record)

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Rotate, unless another process has just done so."""
        with self._locked():
            if self._is_elsewhere():
                self._reopen()
            else:
                super().doRollover()

    def _open(self) -> TextIOWrapper:
        private_file(Path(self.baseFilename))
        return super()._open()

    def _is_elsewhere(self) -> bool:
        """Return whether the open file is no longer the one at the path: rotated, removed, or closed."""
        if self.stream is None:
            return True
        try:
            return not os.path.samestat(Path(self.baseFilename).stat(), os.fstat(self.stream.fileno()))
        except FileNotFoundError:
            return True

    def _reopen(self) -> None:
        if self.stream is not None:
            self.stream.close()
        self.stream = self._open()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        private_file(self._lock_path)
        with self._lock_path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
