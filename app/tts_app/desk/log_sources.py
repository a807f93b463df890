"""Where log lines come from: the log folder of a playground on this machine, or the pods of a cluster."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tts_app.desk.kubectl import Kubectl

_POLL = 0.5
"""Seconds between two looks at files that are followed."""
_LOGS = re.compile(r"\.jsonl(\.\d+)?$")
_PREFIX = re.compile(r"^\[pod/([^/\]]+)/[^\]]+\] ")
_OF_ALL = ("--all-containers", "--prefix", "--ignore-errors", "--tail=-1")
SELECTOR = "app.kubernetes.io/name=tts-playground"
"""The label of every pod of ours: of services, jobs and the operator."""


class LogSourceError(Exception):
    """The logs cannot be read; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line, and the pod that it is from; empty on this machine."""

    text: str
    pod: str = ""


def folder_lines(folder: Path) -> Iterator[Line]:
    """Yield what the log files of a folder hold.

    Raises:
        LogSourceError: there is no such folder, or it cannot be read.
    """
    for path in _files(folder):
        yield from _lines(path)


def _lines(path: Path) -> Iterator[Line]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            # The last line may be half-written.
            yield from (Line(text.rstrip("\n")) for text in file if text.endswith("\n"))
    except FileNotFoundError:
        return  # it was rotated away meanwhile
    except OSError as error:
        raise LogSourceError(f"{path} cannot be read: {error.strerror}.") from error


def _files(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        raise LogSourceError(
            f"There is no log folder {folder}: a playground has one once it has run. "
            "--folder names another one; `ttsp cluster logs` reads the pods of a cluster."
        )
    found = [path for path in folder.iterdir() if _LOGS.search(path.name)]
    return sorted(found, key=lambda path: (path.name.partition(".jsonl")[0], -_age(path)))


def _age(path: Path) -> int:
    """Return how often a file was rotated."""
    number = path.name.rpartition(".")[2]
    return int(number) if number.isdigit() else 0


@dataclass(slots=True)
class FollowedFolder:
    """Yields what the files of a folder hold, then lines as they are written, across rotations.

    A context manager.
    """

    folder: Path
    _open: dict[str, BinaryIO] = field(default_factory=dict)
    _begun: dict[str, bytes] = field(default_factory=dict)
    """Of each file: a line whose end is not written yet."""

    def __enter__(self) -> "FollowedFolder":
        return self

    def __exit__(self, *_error: object) -> None:
        for file in self._open.values():
            file.close()

    def lines(self) -> Iterator[list[Line]]:
        """Yield what is there, then what came since the last look, for ever.

        Raises:
            LogSourceError: there is no such folder, or it cannot be read.
        """
        for path in _files(self.folder):
            if not _age(path):
                self._open_file(path)
        yield [line for path in _files(self.folder) if _age(path) for line in _lines(path)]
        while True:
            yield [line for path in _files(self.folder) if not _age(path) for line in self._new(path)]
            time.sleep(_POLL)

    def _new(self, path: Path) -> Iterator[Line]:
        file = self._open.get(path.name) or self._open_file(path)
        yield from self._rest(path.name, file)
        if _is_elsewhere(path, file):
            yield from self._rest(path.name, file)  # what came between the last read and the rotation
            file.close()
            yield from self._rest(path.name, self._open_file(path))

    def _open_file(self, path: Path) -> BinaryIO:
        file = path.open("rb")
        self._open[path.name] = file
        return file

    def _rest(self, name: str, file: BinaryIO) -> Iterator[Line]:
        *whole, begun = (self._begun.get(name, b"") + file.read()).split(b"\n")
        self._begun[name] = begun
        yield from (Line(line.decode(errors="replace")) for line in whole)


def _is_elsewhere(path: Path, file: BinaryIO) -> bool:
    try:
        return not os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False  # it is being rotated: the next look finds the new one


def pod_lines(kubectl: Kubectl, selector: str, since: str, follow: bool) -> Iterator[Line]:
    """Yield what pods have logged, pod by pod; where they are followed, as it comes.

    Raises:
        LogSourceError: there is no pod.
        KubectlError: kubectl is missing, or the logs may not be read.
    """
    options = [f"--since-time={since}"] if since else []
    options += ["--follow", "--max-log-requests=100"] if follow else []
    read = 0
    for text in kubectl.lines("logs", f"--selector={selector}", *_OF_ALL, *options):
        read += 1
        found = _PREFIX.match(text)
        yield Line(text[found.end() :], found[1]) if found else Line(text)
    if not read and not since:
        raise LogSourceError(f"No pod has logged anything whose labels are {selector!r}.")
