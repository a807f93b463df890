"""Anchors: heads of the audit's chains, kept where whoever changes the database cannot change them too."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from tts_app.files import PRIVATE_FILE, private_folder
from tts_app.security.audit import Head
from tts_app.storage.output.objects import Objects

_OBJECT = re.compile(r"(\d+)-([0-9a-f]{64})\.json")


class AnchorError(Exception):
    """The anchors cannot be used; the message says where and why."""


class Anchors:
    """A folder with a file for each writer, to which lines are appended; in a store, an object for each head.

    Blocking: call it in a thread.
    """

    def __init__(self, url: str) -> None:
        """Raises AnchorError: no such store is known here."""
        try:
            fs, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise AnchorError(
                f"TTSP_AUDIT_ANCHOR, {url!r}, is neither a folder nor the address of a store: {error}."
            ) from error
        self._folder = Path(root) if isinstance(fs, LocalFileSystem) else None
        self._objects = Objects(url)

    def add(self, head: Head, time: int) -> None:
        """Keep a head. `time` is in microseconds since the epoch.

        Raises:
            OSError: it cannot be kept.
        """
        record = {"writer": head.writer, "seq": head.seq, "mac": head.mac, "time": time}
        line = (json.dumps(record) + "\n").encode("ascii")
        if self._folder is None:
            with suppress(FileExistsError):  # an earlier try had put it, and its answer was lost
                self._objects.create(f"{head.writer}/{head.seq:012d}-{head.mac}.json", line)
        else:
            private_folder(self._folder)
            _append(self._folder / f"{head.writer}.jsonl", line)

    def heads(self) -> Iterator[Head]:
        """Yield every head that was kept.

        Raises:
            AnchorError: they cannot be read.
        """
        try:
            yield from self._in_store() if self._folder is None else _in_folder(self._folder)
        except OSError as error:
            raise AnchorError(f"The anchors cannot be read: {error.strerror or error}.") from error

    def _in_store(self) -> Iterator[Head]:
        for entry in self._objects.list(""):
            writer = str(entry["name"]).rstrip("/").rpartition("/")[2]
            for name in self._objects.names(writer, ".json"):
                if found := _OBJECT.fullmatch(name):
                    yield Head(writer, int(found[1]), found[2])


def _append(path: Path, line: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "ab", closefd=False) as file:
            file.write(line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _in_folder(folder: Path) -> Iterator[Head]:
    if not folder.is_dir():
        raise AnchorError(f"There is no folder of anchors at {folder}.")
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
            if not line.endswith(b"\n"):
                continue  # a machine that lost its power wrote a part of it
            try:
                record = json.loads(line)
                yield Head(str(record["writer"]), int(record["seq"]), str(record["mac"]))
            except (ValueError, KeyError, TypeError) as error:
                raise AnchorError(f"{path}: line {number} is no head of a chain.") from error
