"""Audio files of durable speeches, on any file system that fsspec knows."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, Any, Self

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from tts_app.files import private_file, private_folder
from tts_app.tenants import DEFAULT_TENANT, objects_of

FRAME = 64 << 10
"""Bytes of a file that have a digest of their own: each is checked before it is sent."""
_DIGEST = hashlib.sha256().digest_size


class DamagedError(Exception):
    """A stored file is not what was stored."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of a stored file."""

    size: int
    """Bytes."""
    sha256: str
    """Of all of it."""
    frames: bytes | None
    """SHA-256 of each frame, one after another; None if an earlier version stored the file."""


class AudioStore:
    """The tenants' folders of audio files, on a disk their owner's only. Blocking: call it in a thread.

    Those of the tenant `default` are at the address itself, others in `tenants/<tenant>`.
    """

    def __init__(self, url: str) -> None:
        self._fs, self._root = url_to_fs(url)
        parts = _parts(self._folder(DEFAULT_TENANT))
        if isinstance(self._fs, LocalFileSystem) and Path(parts).is_dir():  # an older version made it
            for folder in (parts, self._root):
                private_folder(Path(folder))

    def write(self, tenant: str, name: str) -> "AudioFile":
        """Start the file `name`: it appears, whole, only when the AudioFile is published.

        Others may write the same `name` at the same time: each writes its own file until one is published.
        """
        folder = self._folder(tenant)
        parts = _parts(folder)
        if isinstance(self._fs, LocalFileSystem):
            private_folder(Path(parts))
        else:
            self._fs.makedirs(parts, exist_ok=True)
        return AudioFile(self._fs, f"{parts}/{name}", f"{folder}/{name}")

    def exists(self, tenant: str, name: str) -> bool:
        """Return whether the file exists."""
        return bool(self._fs.exists(f"{self._folder(tenant)}/{name}"))

    def read(self, tenant: str, name: str, stored: Stored, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to, but without, `end`, all of them checked before.

        A file without digests of frames is read whole first, to be checked.

        Raises:
            FileNotFoundError: there is no such file.
            DamagedError: it is not what was stored. Later pieces may raise it too.
        """
        with self._fs.open(f"{self._folder(tenant)}/{name}", "rb") as file:
            if stored.frames is None:
                _check_whole(file, stored)
            for number in range(start // FRAME, -(-end // FRAME)):
                place = number * FRAME
                file.seek(place)
                frame = file.read(min(FRAME, stored.size - place))
                if stored.frames is not None:
                    _check_frame(frame, stored.frames[number * _DIGEST : (number + 1) * _DIGEST])
                yield frame[max(0, start - place) : end - place]

    def delete(self, tenant: str, name: str) -> None:
        """Remove the file, finished or not, if it exists."""
        self._remove(f"{self._folder(tenant)}/{name}")
        self.delete_unfinished(tenant, name)

    def delete_unfinished(self, tenant: str, name: str) -> None:
        """Remove unfinished files of this name: those that a crash left, and those of writers that lost."""
        try:
            parts = self._fs.ls(_parts(self._folder(tenant)), detail=False)
        except FileNotFoundError:
            return
        for path in parts:
            if path.rpartition("/")[2].startswith(f"{name}."):
                self._remove(path)

    def _folder(self, tenant: str) -> str:
        return objects_of(tenant, self._root)

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):  # its writer may remove it at the same time
            if self._fs.exists(path):
                self._fs.rm_file(path)


def _check_frame(frame: bytes, digest: bytes) -> None:
    if hashlib.sha256(frame).digest() != digest:
        raise DamagedError("a frame of the file has another digest than what was stored")


def _check_whole(file: IO[bytes], stored: Stored) -> None:
    whole = hashlib.sha256()
    while block := file.read(FRAME):
        whole.update(block)
    if whole.hexdigest() != stored.sha256:
        raise DamagedError("the file has another digest than what was stored")


def _parts(folder: str) -> str:
    """Return the small folder of unfinished files: to search all finished files would take long."""
    return f"{folder}/.unfinished"


class AudioFile:
    """A file being written, under another name until it is published. A context manager.

    On exit, an unpublished file is removed. It has a lock, because a cancelled task may exit while a thread
    is still writing.
    """

    def __init__(self, fs: Any, unfinished: str, final: str) -> None:
        """Write to a file of its own, whose name begins with `unfinished`, until it is published as `final`.

        Raises:
            OSError: it cannot be begun.
        """
        self._fs = fs
        self._unfinished = unfinished
        self._final = final
        self._lock = Lock()
        self._published = False
        self._begin()

    def _begin(self) -> None:
        """Begin an empty file."""
        self._temporary = f"{self._unfinished}.{secrets.token_hex(4)}"
        if self.is_local:
            private_file(Path(self._temporary))
        self._file = self._fs.open(self._temporary, "wb")
        self._hash = hashlib.sha256()
        self._frame = hashlib.sha256()
        self._frames = b""
        self.size = 0
        """Bytes written."""

    @property
    def is_local(self) -> bool:
        """Whether it is in a folder, where others can read it while it is written."""
        return isinstance(self._fs, LocalFileSystem)

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written."""
        return self._hash.hexdigest()

    @property
    def frames(self) -> bytes:
        """SHA-256 of each frame of what was written, one after another; the last frame may be short."""
        return self._frames + (self._frame.digest() if self.size % FRAME else b"")

    def push(self, data: bytes) -> None:
        """Append `data`."""
        with self._lock:
            self._append(data)
            if self.is_local:
                self._file.flush()

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        rest = memoryview(data)
        while rest:
            piece = rest[: FRAME - self.size % FRAME]
            self._frame.update(piece)
            self.size += len(piece)
            rest = rest[len(piece) :]
            if self.size % FRAME == 0:
                self._frames += self._frame.digest()
                self._frame = hashlib.sha256()

    def reader(self) -> IO[bytes] | None:
        """Open the file to be read while it is written; None: it is not in a folder, or was given up.

        It reads on when the file is published, or is removed.
        """
        if not self.is_local:
            return None
        with self._lock:
            try:
                return Path(self._final if self._published else self._temporary).open("rb")
            except FileNotFoundError:
                return None

    def correct_start(self, start_of: Callable[[IO[bytes]], bytes]) -> None:
        """Replace the first bytes by those that `start_of` returns, as many, for the whole file.

        What was written is copied for that: object stores change nothing in place.
        """
        with self._lock:
            self._file.close()
            written = self._temporary
            try:
                with self._fs.open(written, "rb") as file:
                    start = start_of(file)
                    self._begin()
                    self._append(start)
                    file.seek(len(start))
                    while block := file.read(FRAME):
                        self._append(block)
            finally:
                self._fs.rm_file(written)

    def finish(self) -> None:
        """Flush everything to the disk."""
        with self._lock:
            self._file.flush()
            if self.is_local:
                os.fsync(self._file.fileno())
            self._file.close()

    def publish(self) -> None:
        """Give the finished file its name, replacing any other file; a second call does nothing."""
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
                self._file.close()  # this flushes the buffer: on a full disk that fails again
            finally:
                if self._fs.exists(self._temporary):
                    self._fs.rm_file(self._temporary)
