"""An output in an object store: S3, Google Cloud Storage and stores with the same APIs."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO

from tts_app.storage.output.base import (
    LEDGER,
    PROBE,
    SECRET,
    SECRET_BYTES,
    OutputError,
    checked_secret,
    describe,
    number_of,
)
from tts_app.storage.output.lease import LEASE_SECONDS, Lease
from tts_app.storage.output.objects import Objects

_ROLL_UP = 64
"""Segments after which a driver merges them into one."""


class ObjectOutput:
    """A prefix of an object store.

    A lease lasts `lease_seconds` if it is not renewed; a driver merges every `roll_up` segments into one.
    """

    def __init__(self, url: str, lease_seconds: float = LEASE_SECONDS, roll_up: int = _ROLL_UP) -> None:
        self._roll_up = roll_up
        self.objects = Objects(url)
        self.url = url.rstrip("/")
        self._driver = secrets.token_hex(4)
        """Distinguishes our leases and segments from another driver's with the same number."""
        self.lease = Lease(self.objects, self.url, self._driver, lease_seconds)

    def prepare(self) -> None:
        """Check that it can be written."""
        try:
            self.probe()
        except OSError as error:
            raise OutputError(
                f"{self.url} cannot be written: {describe(error)}. Check the address, the credentials "
                f"(AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS ...), AWS_ENDPOINT_URL."
            ) from error

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the size in bytes of each audio file."""
        for entry in self.objects.list(""):
            if entry["type"] == "file":
                yield entry["name"].rpartition("/")[2], int(entry["size"])

    def probe(self) -> None:
        """Put an object and remove it."""
        self.objects.put(PROBE, b"probe")
        self.objects.remove(PROBE)

    def put(self, name: str, data: bytes) -> None:
        """Write one object, in one put."""
        self.objects.put(name, data)

    def put_file(self, name: str, path: Path) -> None:
        """Write one object, in several parts that the store joins once it has them all."""
        self.objects.put_file(name, path)

    def open(self, name: str) -> BinaryIO:
        """Open an object for reading."""
        return self.objects.open(name)

    def read(self, name: str) -> bytes:
        """Return what an object holds."""
        return self.objects.read(name)

    def segments(self) -> Iterator[Iterator[bytes]]:
        """Yield the lines of each segment of the ledger, oldest segment first."""
        for name in self.objects.names(LEDGER, ".jsonl"):
            with suppress(FileNotFoundError):  # its driver has just merged it into a later one
                yield iter(self._lines(name))

    def new_segment(self) -> "_ObjectSegment":
        """Start a segment that comes after all others."""
        number = max(map(number_of, self.objects.names(LEDGER, ".jsonl")), default=0) + 1
        return _ObjectSegment(self.objects, self.lease, number, self._driver, self._roll_up)

    def rewrite_segments(self, convert: Callable[[bytes], bytes]) -> None:
        """Put one segment, and then remove those that it has: no other one, which may have come meanwhile.

        A segment that is gone meanwhile is an OSError: its driver has merged it into a later one.
        """
        before = self.objects.names(LEDGER, ".jsonl")
        lines = [convert(line) for name in before for line in self._lines(name)]
        number = max(map(number_of, before), default=0) + 1
        self.objects.put(f"{LEDGER}/{number:08d}-{self._driver}.jsonl", b"".join(lines))
        self.lease.confirm()
        for name in before:
            self.objects.remove(f"{LEDGER}/{name}")

    def _lines(self, name: str) -> list[bytes]:
        return self.read(f"{LEDGER}/{name}").splitlines(keepends=True)

    def secret(self, *, make: bool) -> bytes:
        """Return the secret of the prefix, in an object of it: whoever may read the prefix can read it.

        It is read first: a store that knows no conditional writes would replace it by a new one.
        """
        with suppress(FileNotFoundError):
            return checked_secret(self.objects.read(SECRET))
        made = secrets.token_bytes(SECRET_BYTES)
        if not make:
            return made
        with suppress(FileExistsError):  # another driver was quicker
            self.objects.create(SECRET, made)
        return checked_secret(self.objects.read(SECRET))

    def remove_all(self) -> None:
        """Remove every object of the prefix."""
        self.objects.remove_all()

    def lock(self) -> AbstractContextManager[None]:
        """Hold a lease, and renew it until the block ends."""
        return self.lease.held()


class _ObjectSegment:
    """A segment: one object for each commit, merged into one object when they are many.

    Their names contain the driver, so one that has lost its lease, and does not know it yet, overwrites
    nothing.
    """

    def __init__(self, objects: Objects, lease: Lease, number: int, driver: str, most: int) -> None:
        self._objects = objects
        self._lease = lease
        self._number = number
        self._driver = driver
        self._most = most
        """Objects after which they are merged into one."""
        self._names: list[str] = []
        self._lines: list[bytes] = []

    def append(self, lines: Sequence[bytes]) -> None:
        """Put an object that holds the lines. Raises LockedError if another driver has taken over."""
        self._lease.check()
        name = f"{LEDGER}/{self._number:08d}-{self._driver}.jsonl"
        self._objects.put(name, b"".join(lines))
        self._number += 1
        self._names.append(name)
        self._lines += lines
        if len(self._names) >= self._most:
            self._roll_up()

    def close(self) -> None:
        """Merge all objects into one."""
        if len(self._names) > 1:
            self._roll_up()

    def _roll_up(self) -> None:
        """Put all lines into the last object, then remove the others: no line is ever missing."""
        *others, last = self._names
        self._objects.put(last, b"".join(self._lines))
        for name in others:
            self._objects.remove(name)
        self._names, self._lines = [], []
