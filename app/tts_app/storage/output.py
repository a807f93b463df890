"""The output of a batch: a folder of audio, and beside it what a driver needs to go on where one stopped.

A folder is a local disk, a volume claim or a prefix of an object store. All that is not audio lies in
`.ttsp/`. Blocking: call it in a thread.
"""

import errno
import io
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, BinaryIO, Protocol

import fsspec
from filelock import FileLock, Timeout

from tts_app.sources.base import SourceError
from tts_app.sources.claims import local_path

PRIVATE = ".ttsp"
"""Folder of what is not audio."""
_LEDGER = f"{PRIVATE}/ledger"
_TMP = f"{PRIVATE}/unfinished"
_PROBE = f"{PRIVATE}/probe"
_LEASES = f"{PRIVATE}/leases"
LEASE_SECONDS = 60.0
"""After these an object store's lease that nobody renewed is free."""
_BLOCK = 1 << 20
_ROLL_UP = 64
"""Segments that a driver leaves on an object store before it makes one of them."""


class OutputError(Exception):
    """The output cannot be used; the message says why and what to do."""


class LockedError(Exception):
    """Another driver is at work; the message says which."""


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
        """Make the folder, and find out whether it can be written. Raises OutputError."""
        ...

    def probe(self) -> None:
        """Find out whether the output can be written. Raises OSError."""
        ...

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the bytes of each file of audio."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write a file: it is there whole, or not at all. Raises OSError."""
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

    def lock(self) -> Any:
        """Return a context manager that holds the output for one driver. Entering raises LockedError."""
        ...

    def remove_all(self) -> None:
        """Remove the audio and all that is beside it: for whoever holds the lock. Raises OSError."""
        ...


def open_output(url: str, lease_seconds: float = LEASE_SECONDS) -> Output:
    """Return the output at `url`: file://, pvc://, s3://, gs://, or a plain path.

    `lease_seconds` is how long an object store's lease lasts that is not renewed.

    Raises:
        OutputError: there is no such claim, or no client of that store.
    """
    if "://" not in url:
        return FolderOutput(Path(url).expanduser().absolute())
    try:
        folder = local_path(url)
    except SourceError as error:
        raise OutputError(str(error)) from error
    if folder is not None:
        return FolderOutput(folder)
    try:
        return ObjectOutput(url, lease_seconds)
    except ImportError as error:
        raise OutputError(
            f"{url}: the store's client is missing here ({error}). Install tts-playground[cloud]."
        ) from error
    except ValueError as error:
        raise OutputError(f"{url}: {error}. Use file://, pvc://, s3:// or gs://.") from error


class FolderOutput:
    """A folder of a file system: a disk, or a volume claim."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = folder.as_uri()

    def prepare(self) -> None:
        """Make the folder, and write a probe."""
        try:
            self._make()
            self.probe()
        except OSError as error:
            raise OutputError(f"{self._folder} cannot be written: {describe(error)}.") from error

    def _make(self) -> None:
        for part in (_LEDGER, _TMP):
            (self._folder / part).mkdir(parents=True, exist_ok=True)

    def probe(self) -> None:
        """Write a file and remove it: not where the lock's holder removes what others have not finished."""
        probe = self._folder / f"{_PROBE}-{secrets.token_hex(8)}"
        try:
            with probe.open("wb") as file:
                file.write(b"probe")
                file.flush()
                os.fsync(file.fileno())
        finally:
            with suppress(OSError):  # the first error is the one to tell
                probe.unlink()

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the bytes of each file of audio."""
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
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._folder / name)
        except OSError:
            with suppress(OSError):  # the first error is the one to tell
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
        for path in sorted((self._folder / _LEDGER).glob("*.jsonl")):
            with path.open("rb") as file:
                yield iter(file)

    def new_segment(self) -> "_FileSegment":
        """Start a segment that comes after all others."""
        numbers = [_number(path.name) for path in (self._folder / _LEDGER).glob("*.jsonl")]
        return _FileSegment(self._folder, f"{max(numbers, default=0) + 1:08d}.jsonl")

    def _tidy(self) -> None:
        """Remove what was half-written: only whoever holds the lock may."""
        for left in (self._folder / _TMP).iterdir():
            left.unlink(missing_ok=True)

    def remove_all(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder's lock file, made if need be: the system frees it, however its holder ends."""
        self._make()
        # Not bound to the thread that takes it: a driver has many.
        lock = FileLock(self._folder / PRIVATE / "driver.lock", timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            raise LockedError(f"another driver is at work in {self._folder}") from None
        try:
            self._tidy()  # after a driver that was killed
            yield
            # After workers that were. Its holder may have removed the folder; and what is left in one that is
            # away now, the next driver removes.
            with suppress(OSError):
                self._tidy()
        finally:
            lock.release()


class _FileSegment:
    """A segment that grows."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._path = folder / _LEDGER / name
        self._file: Any = None
        self._torn = False
        """Whether half a line may be at the end."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines, and sync them. After a fault the next ones go to a line of their own.

        A file's name is durable when its folder was synced. Of the audio this is done here, for all files of
        these lines at once and before them: a sync for each file would take longer than to write it.
        """
        if self._file is None:
            self._path.touch()
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


class ObjectOutput:
    """A prefix of an object store, by fsspec.

    A lease that is not renewed lasts `lease_seconds`; a driver makes one segment of every `roll_up`.
    """

    def __init__(self, url: str, lease_seconds: float = LEASE_SECONDS, roll_up: int = _ROLL_UP) -> None:
        self._lease_seconds = lease_seconds
        self._roll_up = roll_up
        self._fs: Any
        self._fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        self._root = root.rstrip("/")
        self.url = url.rstrip("/")
        self._driver = secrets.token_hex(4)
        """Tells what is ours from another driver's of the same number."""
        self._lease = ""
        """Name of the lease that is held."""
        self._renewed = 0.0
        """When it was, in seconds since the epoch."""

    def prepare(self) -> None:
        """Find out whether it can be written."""
        try:
            self.probe()
        except OSError as error:
            raise OutputError(
                f"{self.url} cannot be written: {describe(error)}. Check the address, the credentials "
                f"(AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS ...), AWS_ENDPOINT_URL."
            ) from error

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the bytes of each file of audio."""
        for entry in self._list(""):
            if entry["type"] == "file":
                yield entry["name"].rpartition("/")[2], int(entry["size"])

    def probe(self) -> None:
        """Put an object and remove it."""
        self.put(_PROBE, b"probe")
        self.remove(_PROBE)

    def put(self, name: str, data: bytes) -> None:
        """Write one object, in one put."""
        with _as_os_error():
            self._fs.pipe_file(f"{self._root}/{name}", data)

    def put_file(self, name: str, path: Path) -> None:
        """Write one object: several parts, which the store joins when all are there."""
        with _as_os_error():
            self._fs.put_file(str(path), f"{self._root}/{name}")

    def open(self, name: str) -> BinaryIO:
        """Open an object for reading."""
        with _as_os_error():
            return io.BufferedReader(_ObjectReader(self._fs.open(f"{self._root}/{name}", "rb")))

    def read(self, name: str) -> bytes:
        """Return what an object holds."""
        with _as_os_error():
            data: bytes = self._fs.cat_file(f"{self._root}/{name}")
        return data

    def segments(self) -> Iterator[Iterator[bytes]]:
        """Yield the lines of each segment of the ledger, oldest segment first."""
        for name in self._segment_names():
            with suppress(FileNotFoundError):  # its driver has just rolled it up into a later one
                yield iter(self.read(f"{_LEDGER}/{name}").splitlines(keepends=True))

    def new_segment(self) -> "_ObjectSegment":
        """Start a segment that comes after all others."""
        number = max(map(_number, self._segment_names()), default=0) + 1
        return _ObjectSegment(self, number, self._driver, self._roll_up)

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with _as_os_error(), suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{name}")

    def remove_all(self) -> None:
        """Remove every object of the prefix."""
        with _as_os_error():
            names = self._fs.find(self._root)
            if names:
                self._fs.rm(names)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold a lease, and renew it until the block ends."""
        began = time.time()
        self._lease = self._take_lease()
        self._renewed = began
        ended = Event()
        keeper = Thread(target=self._keep_lease, args=(ended,), daemon=True, name="lease")
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()
            with suppress(OSError):  # it ends by itself
                if self._is_ours():
                    self.remove(self._lease)
            self._lease = ""

    def check_lease(self) -> None:
        """Make sure that a lease which could not be renewed for long is still ours, before it is relied on.

        Raises:
            LockedError: another driver has taken over.
            OSError: the store does not answer.
        """
        if self._lease and self._is_old(time.time()):
            self._renew()

    def _take_lease(self) -> str:
        """Return the name of a lease that is ours.

        A driver makes, renews and removes no lease but its own. Of two that follow an expired one at the same
        moment only one can make the next number; whoever then still finds another's, for they did not
        see the same ones, withdraws.
        """
        before = self._leases()
        self._refuse_beside(before)
        lease = f"{_LEASES}/{max(map(_number, before), default=0) + 1:08d}.json"
        try:
            with _as_os_error():
                self._fs.pipe_file(f"{self._root}/{lease}", self._until(time.time()), mode="create")
        except FileExistsError:
            raise LockedError(f"another driver has just begun in {self.url}") from None
        try:
            others = [name for name in self._leases() if name != lease]
            self._refuse_beside(others)
        except (LockedError, OSError):
            with suppress(OSError):
                self.remove(lease)
            raise
        for name in others:
            self.remove(name)
        return lease

    def _refuse_beside(self, leases: Sequence[str]) -> None:
        """Raise LockedError where one of the leases is held."""
        for name in leases:
            try:
                left = float(json.loads(self.read(name))["until"]) - time.time()
            except FileNotFoundError:  # its driver has ended
                continue
            except (ValueError, TypeError, KeyError):  # not ours: nobody renews it
                continue
            if left > 0:
                raise LockedError(f"another driver is at work in {self.url} (its lease ends in {left:.0f} s)")

    def _keep_lease(self, ended: Event) -> None:
        with suppress(LockedError):  # it is lost, and `check_lease` tells that to whoever relies on it
            while not ended.wait(self._lease_seconds / 4):
                # A store that is away for a moment: the lease is longer than that.
                with suppress(OSError):
                    self._renew()

    def _renew(self) -> None:
        """Renew the lease, where nobody has taken over since.

        If the machine sleeps in the middle, what is put then has ended already.
        """
        now = time.time()
        if self._is_old(now):
            self._refuse_beside([name for name in self._leases() if name != self._lease])
            if not self._is_ours():
                raise LockedError(f"another driver has taken over {self.url}")
        self.put(self._lease, self._until(now))
        self._renewed = now

    def _is_old(self, now: float) -> bool:
        return now - self._renewed > self._lease_seconds / 2

    def _is_ours(self) -> bool:
        """Whether the lease is there, and is not another driver's that has the same number."""
        try:
            return bool(json.loads(self.read(self._lease))["driver"] == self._driver)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return False

    def _until(self, now: float) -> bytes:
        """Return what a lease holds that begins now."""
        return json.dumps({"until": now + self._lease_seconds, "driver": self._driver}).encode()

    def _leases(self) -> list[str]:
        found = (entry["name"].rpartition("/")[2] for entry in self._list(_LEASES))
        return sorted(f"{_LEASES}/{name}" for name in found if name.endswith(".json"))

    def _segment_names(self) -> list[str]:
        found = (entry["name"].rpartition("/")[2] for entry in self._list(_LEDGER))
        return sorted(name for name in found if name.endswith(".jsonl"))

    def _list(self, part: str) -> list[dict[str, Any]]:
        try:
            with _as_os_error():
                listed: list[dict[str, Any]] = self._fs.ls(f"{self._root}/{part}".rstrip("/"), detail=True)
        except FileNotFoundError:
            return []
        return listed


class _ObjectReader(io.RawIOBase):
    """Reads an object; what goes wrong is an OSError."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        with _as_os_error():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """End reading."""
        self._file.close()
        super().close()


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Make an OSError of what a store's client raises.

    Their clients have errors of their own for a store that cannot be reached, or whose credentials are
    missing or have run out; to a batch they are an output that is away.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # the clients' errors have no base class of ours
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}") from error


class _ObjectSegment:
    """A segment of one object a commit, of which many are made one.

    Their names hold the driver: one that has lost its lease and does not know it yet overwrites nothing.
    """

    def __init__(self, output: ObjectOutput, number: int, driver: str, most: int) -> None:
        self._output = output
        self._number = number
        self._driver = driver
        self._most = most
        """Objects that there may be before they are made one."""
        self._names: list[str] = []
        self._lines: list[bytes] = []

    def append(self, lines: Sequence[bytes]) -> None:
        """Put an object that holds the lines. Raises LockedError where another driver has taken over."""
        self._output.check_lease()
        name = f"{_LEDGER}/{self._number:08d}-{self._driver}.jsonl"
        self._output.put(name, b"".join(lines))
        self._number += 1
        self._names.append(name)
        self._lines += lines
        if len(self._names) >= self._most:
            self._roll_up()

    def close(self) -> None:
        """Leave one object."""
        if len(self._names) > 1:
            self._roll_up()

    def _roll_up(self) -> None:
        """Put all lines into the last object, then remove the others: at every moment all are there."""
        *others, last = self._names
        self._output.put(last, b"".join(self._lines))
        for name in others:
            self._output.remove(name)
        self._names, self._lines = [], []


def _number(path: str) -> int:
    """Return the number that a lease or a segment of the ledger is called by; 0 for another file."""
    number = path.rpartition("/")[2].partition(".")[0].partition("-")[0]
    return int(number) if number.isdecimal() else 0


def describe(error: BaseException) -> str:
    """Return what an error of a store says, in words that help."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full; make room, or choose another output"
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{error.strerror}; give write permission, or choose another output"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"
