"""Audio files of durable speeches, on any file system that fsspec knows."""

import hashlib
import os
from collections.abc import Iterator
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

    def write(self, name: str) -> "AudioFile":
        """Start the file `name`: it appears, whole, when the AudioFile is committed, and not before."""
        self._fs.makedirs(self._root, exist_ok=True)
        return AudioFile(self._fs, f"{self._root}/.{name}.part", f"{self._root}/{name}")

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
        for path in (f"{self._root}/{name}", f"{self._root}/.{name}.part"):
            if self._fs.exists(path):
                self._fs.rm_file(path)


class AudioFile:
    """A file being written, under another name until it is whole. A context manager: left early, it is gone.

    Locked, because a cancelled task leaves it while a thread may still be writing.
    """

    def __init__(self, fs: Any, temporary: str, final: str) -> None:
        self._fs = fs
        self._temporary = temporary
        self._final = final
        self._file = fs.open(temporary, "wb")
        self._lock = Lock()
        self._hash = hashlib.sha256()
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

    def commit(self) -> None:
        """Finish the file and give it its name."""
        with self._lock:
            self._file.flush()
            if isinstance(self._fs, LocalFileSystem):
                os.fsync(self._file.fileno())
            self._file.close()
            self._fs.mv(self._temporary, self._final)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._file.close()
            if self._fs.exists(self._temporary):
                self._fs.rm_file(self._temporary)
