"""The lease by which one driver at a time holds an output in an object store."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread

from tts_app.storage.output.base import PRIVATE, LockedError, number_of
from tts_app.storage.output.objects import Objects

LEASE_SECONDS = 60.0
_LEASES = f"{PRIVATE}/leases"


class Lease:
    """Holds an output for one driver. A lease that is not renewed for `seconds` expires.

    A driver makes and renews only its own lease, and removes others only once they have expired.
    """

    def __init__(self, objects: Objects, url: str, driver: str, seconds: float) -> None:
        self._objects = objects
        self._url = url
        self._driver = driver
        self._seconds = seconds
        self._name = ""
        """Name of the lease that is held."""
        self.renewed = 0.0
        """When it was renewed last, in seconds since the epoch."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold a lease, and renew it until the block ends."""
        began = time.time()
        self._name = self._take()
        self.renewed = began
        ended = Event()
        keeper = Thread(target=self.keep, args=(ended,), daemon=True, name="lease")
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()
            with suppress(OSError):  # the lease expires by itself
                if self._is_ours():
                    self._objects.remove(self._name)
            self._name = ""

    def check(self) -> None:
        """Check that a lease that could not be renewed for long is still ours, before relying on it.

        Raises:
            LockedError: another driver has taken over.
            OSError: the store does not answer.
        """
        if self._name and self._is_old(time.time()):
            self._renew()

    def confirm(self) -> None:
        """Check that the lease is still ours, however young it is, before something is removed.

        Raises:
            LockedError: another driver has taken over.
            OSError: the store does not answer.
        """
        if self._name:
            self._renew()

    def _take(self) -> str:
        """Return the name of a lease that is ours.

        If two drivers follow an expired lease at the same moment, only one can create the next number. If
        they saw different leases, each may create one; a driver that then finds another's lease withdraws.
        """
        before = self._leases()
        self.refuse_beside(before)
        lease = f"{_LEASES}/{max(map(number_of, before), default=0) + 1:08d}.json"
        try:
            self._objects.create(lease, self._until(time.time()))
        except FileExistsError:
            raise LockedError(f"another driver has just begun in {self._url}") from None
        try:
            others = [name for name in self._leases() if name != lease]
            self.refuse_beside(others)
        except (LockedError, OSError):
            with suppress(OSError):
                self._objects.remove(lease)
            raise
        for name in others:
            self._objects.remove(name)
        return lease

    def refuse_beside(self, leases: Sequence[str]) -> None:
        """Raise LockedError if one of the leases is held."""
        for name in leases:
            try:
                left = float(json.loads(self._objects.read(name))["until"]) - time.time()
            except FileNotFoundError:  # its driver has ended
                continue
            except (ValueError, TypeError, KeyError):  # no driver wrote this: none renews it
                continue
            if left > 0:
                raise LockedError(
                    f"another driver is at work in {self._url} (its lease ends in {left:.0f} s)"
                )

    def keep(self, ended: Event) -> None:
        """Renew the lease until `ended` is set, or the lease is lost."""
        with suppress(LockedError):  # it is lost, and `check` reports that before the lease is relied on
            while not ended.wait(self._seconds / 4):
                # A store that is away for a moment: the lease is longer than that.
                with suppress(OSError):
                    self._renew()

    def _renew(self) -> None:
        """Renew the lease, if no other driver has taken over since.

        If the machine sleeps in the middle, the lease that is written afterwards has already expired.
        """
        now = time.time()
        if self._is_old(now):
            self.refuse_beside([name for name in self._leases() if name != self._name])
            if not self._is_ours():
                raise LockedError(f"another driver has taken over {self._url}")
        self._objects.put(self._name, self._until(now))
        self.renewed = now

    def _is_old(self, now: float) -> bool:
        return now - self.renewed > self._seconds / 2

    def _is_ours(self) -> bool:
        """Return whether the lease exists, and is not another driver's with the same number."""
        try:
            return bool(json.loads(self._objects.read(self._name))["driver"] == self._driver)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return False

    def _until(self, now: float) -> bytes:
        """Return the content of a lease that begins at `now`."""
        return json.dumps({"until": now + self._seconds, "driver": self._driver}).encode()

    def _leases(self) -> list[str]:
        return [f"{_LEASES}/{name}" for name in self._objects.names(_LEASES, ".json")]
