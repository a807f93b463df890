"""An output in a folder of a file system."""

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal

from filelock import FileLock, Timeout

from tts_app.files import PRIVATE_FILE, is_private, private_folder
from tts_app.storage.output.base import (
    LEDGER,
    PRIVATE,
    PROBE,
    SECRET,
    SECRET_BYTES,
    LockedError,
    OutputError,
    checked_secret,
    describe,
    number_of,
)

_TMP = f"{PRIVATE}/unfinished"
_BLOCK = 1 << 20
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What file systems without hard links answer: FAT, and those of SMB shares and object stores."""


class FolderOutput:
    """A folder of a file system: a disk, or a volume claim."""

    def __init__(self, folder: Path, private: bool = False) -> None:
        """`private`: the folder is made one that only its owner can enter.

        The files in such a folder are their owner's only, whoever opens the output; those in another one are
        as the umask has them.
        """
        self._folder = folder
        self._private = private
        self.url = folder.as_uri()

    def prepare(self) -> None:
        """Make the folder, and write a probe."""
        try:
            self._make()
            self.probe()
        except OSError as error:
            raise OutputError(f"{self._folder} cannot be written: {describe(error)}.") from error

    def _make(self) -> None:
        for part in (".", LEDGER, _TMP):
            if self._private:
                private_folder(self._folder / part)
            else:
                (self._folder / part).mkdir(parents=True, exist_ok=True)

    def probe(self) -> None:
        """Write a file and remove it; not in the folder where the lock's holder removes unfinished files."""
        probe = self._folder / f"{PROBE}-{secrets.token_hex(8)}"
        try:
            with probe.open("wb") as file:
                file.write(b"probe")
                file.flush()
                os.fsync(file.fileno())
        finally:
            with suppress(OSError):  # the first error is the one to report
                probe.unlink()

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the size in bytes of each audio file."""
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.is_file():
                    yield entry.name, entry.stat().st_size

    def put(self, name: str, data: bytes) -> None:
        """Write under another name, sync, rename."""
        with self._whole(name) as file:
            file.write(data)

    def put_file(self, name: str, path: Path) -> None:
        """Copy a file under another name, sync, rename."""
        with self._whole(name) as file, path.open("rb") as source:
            shutil.copyfileobj(source, file, _BLOCK)

    @contextmanager
    def _whole(self, name: str) -> Iterator[BinaryIO]:
        temporary = self._folder / _TMP / secrets.token_hex(8)
        try:
            with _open(temporary, "wb", self._folder) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._folder / name)
        except OSError:
            with suppress(OSError):  # the first error is the one to report
                temporary.unlink()
            raise

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        return (self._folder / name).open("rb")

    def read(self, name: str) -> bytes:
        """Return what a file holds."""
        return (self._folder / name).read_bytes()

    def segments(self) -> Iterator[Iterator[bytes]]:
        """Yield the lines of each segment of the ledger, oldest segment first."""
        for path in sorted((self._folder / LEDGER).glob("*.jsonl")):
            with path.open("rb") as file:
                yield iter(file)

    def new_segment(self) -> "_FileSegment":
        """Start a segment that comes after all others."""
        numbers = [number_of(path.name) for path in (self._folder / LEDGER).glob("*.jsonl")]
        return _FileSegment(self._folder, f"{max(numbers, default=0) + 1:08d}.jsonl")

    def rewrite_segments(self, convert: Callable[[bytes], bytes]) -> None:
        """Write one segment whole, and then remove the others."""
        before = sorted((self._folder / LEDGER).glob("*.jsonl"))
        last = max((number_of(path.name) for path in before), default=0)
        with self._whole(f"{LEDGER}/{last + 1:08d}.jsonl") as file:
            for path in before:
                with path.open("rb") as lines:
                    file.writelines(map(convert, lines))
        _sync_folder(self._folder / LEDGER)
        for path in before:
            path.unlink()

    def secret(self, *, make: bool) -> bytes:
        """Return the secret of the folder, in a file that only its owner can read."""
        path = self._folder / SECRET
        if make and not path.exists():
            _create_private(path, secrets.token_bytes(SECRET_BYTES))
        try:
            return checked_secret(path.read_bytes())
        except FileNotFoundError:
            return secrets.token_bytes(SECRET_BYTES)
        except PermissionError:
            reason = f"{SECRET} is another user's: run as that user, or let yours read the file"
            raise OSError(errno.EIO, reason) from None

    def _tidy(self) -> None:
        """Remove half-written files: only the holder of the lock may."""
        for left in (self._folder / _TMP).iterdir():
            left.unlink(missing_ok=True)

    def remove_all(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder's lock file, made if needed: the system releases it, however its holder ends."""
        self._make()
        # Not bound to the thread that takes it: a driver has many.
        name = self._folder / PRIVATE / "driver.lock"
        lock = FileLock(name, timeout=0, thread_local=False, mode=_access(self._folder) & 0o644)
        try:
            lock.acquire()
        except Timeout:
            raise LockedError(f"another driver is at work in {self._folder}") from None
        try:
            self._tidy()  # after a driver that was killed
            yield
            # After workers that were killed. The lock's holder may have removed the folder; if the folder is
            # away now, the next driver tidies it.
            with suppress(OSError):
                self._tidy()
        finally:
            lock.release()


class _FileSegment:
    """A segment that grows."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._path = folder / LEDGER / name
        self._file: Any = None
        self._torn = False
        """Whether half a line may be at the end."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines, and sync them. After a fault the next lines begin on a new line.

        A file's name is durable once its folder is synced. For audio files that is done here, before the
        lines are written and for all their files at once: a sync for each file would take longer than its
        write.
        """
        if self._file is None:
            _open(self._path, "ab", self._folder).close()
            for folder in (self._path.parent, self._path.parent.parent):
                _sync_folder(folder)
            self._file = self._path.open("ab", buffering=0)
        _sync_folder(self._folder)
        data = b"\n" * self._torn + b"".join(lines)
        self._torn = True
        written = self._file.write(data)
        if written != len(data):
            raise OSError(errno.ENOSPC, "the ledger's disk is full")
        self._torn = False
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """End the segment."""
        if self._file is not None:
            self._file.close()


def _open(path: Path, mode: Literal["wb", "ab"], folder: Path) -> BinaryIO:
    """Open a new file of the output in `folder`: its owner's only where the folder is."""
    access = _access(folder)
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, access))


def _create_private(path: Path, data: bytes) -> None:
    """Write a file of its owner only, whole and durable, unless another process has just made it."""
    beside = path.with_name(f"{path.name}-{secrets.token_hex(8)}")
    try:
        _write_private(beside, data)
        with suppress(FileExistsError):
            try:
                path.hardlink_to(beside)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                _write_private(path, data)
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _write_private(path: Path, data: bytes) -> None:
    """Write a new file of its owner only, and sync it. Raises FileExistsError, OSError."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, PRIVATE_FILE)) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _access(folder: Path) -> int:
    """Return the mode of a new file of the output in `folder`, before the umask."""
    return PRIVATE_FILE if is_private(folder) else 0o666


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot sync folders
            raise
    finally:
        os.close(number)
