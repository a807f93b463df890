"""Audio files of durable speeches, on any file system that fsspec knows."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock
from types import TracebackType
from typing import Any, Self

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

_BLOCK = 256 << 10


class AudioStore:
    """A folder of audio files. Blocking: call it in a thread."""

    def __init__(self, url: str) -> None:
        self._fs, self._root = url_to_fs(url)
        # A folder of their own, where few are: to look through all that was ever made takes long.
        self._parts = f"{self._root}/.unfinished"

    def write(self, name: str) -> "AudioFile":
        """Start the file `name`: it appears, whole, when the AudioFile is published, and not before.

        Others may write a file of the same name meanwhile: each has its own until one is published.
        """
        self._fs.makedirs(self._parts, exist_ok=True)
        part = f"{self._parts}/{name}.{secrets.token_hex(4)}"
        return AudioFile(self._fs, part, f"{self._root}/{name}")

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        return bool(self._fs.exists(f"{self._root}/{name}"))

    def read(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to before `end`.

        Raises:
            FileNotFoundError: there is no such file.
        """
        with self._fs.open(f"{self._root}/{name}", "rb") as file:
            file.seek(start)
            left = end - start
            while left > 0 and (block := file.read(min(_BLOCK, left))):
                left -= len(block)
                yield block

    def delete(self, name: str) -> None:
        """Remove the file, finished or not, if it is there."""
        self._remove(f"{self._root}/{name}")
        self.delete_unfinished(name)

    def delete_unfinished(self, name: str) -> None:
        """Remove what crashes left of the file, and what others are writing in vain."""
        try:
            parts = self._fs.ls(self._parts, detail=False)
        except FileNotFoundError:
            return
        for path in parts:
            if path.rpartition("/")[2].startswith(f"{name}."):
                self._remove(path)

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):  # its writer may remove it at the same time
            if self._fs.exists(path):
                self._fs.rm_file(path)


class AudioFile:
    """A file being written, under another name until it is published. A context manager.

    Left before that, it is gone. Locked, as a cancelled task leaves it while a thread may still be writing.
    """

    def __init__(self, fs: Any, temporary: str, final: str) -> None:
        self._fs = fs
        self._temporary = temporary
        self._final = final
        self._file = fs.open(temporary, "wb")
        self._lock = Lock()
        self._hash = hashlib.sha256()
        self._published = False
        self.size = 0
        """Bytes written."""

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written."""
        return self._hash.hexdigest()

    def push(self, data: bytes) -> None:
        """Append `data`."""
        with self._lock:
            self._file.write(data)
            self._hash.update(data)
            self.size += len(data)

    def finish(self) -> None:
        """Bring all of it to the disk."""
        with self._lock:
            self._file.flush()
            if isinstance(self._fs, LocalFileSystem):
                os.fsync(self._file.fileno())
            self._file.close()

    def publish(self) -> None:
        """Give the finished file its name, in place of another one's; a second time nothing is done."""
        with self._lock:
            if not self._published:
                self._fs.mv(self._temporary, self._final)
                self._published = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            try:
                self._file.close()  # it writes what it still holds: on a full disk that fails once more
            finally:
                if self._fs.exists(self._temporary):
                    self._fs.rm_file(self._temporary)
