"""Counts of what callers have used: in this process, or in a Redis or Valkey that all gateways share."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.errors import StorageError

from tts_app.quotas import Rate, Use
from tts_app.telemetry.logs import log

_PATIENCE = 1.0
"""Seconds that the store has to answer; then it counts as away."""
_LOOK_AGAIN = 5.0
"""Seconds between two looks whether a store that is away is back."""
_AWAY = (StorageError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Charge:
    """What was added to a count; it can be corrected later."""

    rate: Rate
    amount: int
    key: str
    store: Storage


class Counts:
    """Counts by owner and rate. For one event loop.

    While the store is away, this process counts for itself, from nothing on.
    """

    def __init__(
        self, url: str = "", *, clock: Callable[[], float] = time.time, look_again: float = _LOOK_AGAIN
    ) -> None:
        """`url`: of a Redis or Valkey; empty counts in memory. `look_again`: seconds."""
        self._clock = clock
        self._look_again = look_again
        self._local = MemoryStorage()
        self._shared = _open(url) if url else None
        self._watching: asyncio.Task[None] | None = None

    @property
    def is_away(self) -> bool:
        """Whether there is a shared store and it does not answer."""
        return self._watching is not None

    async def add(self, owner: str, rate: Rate, amount: int) -> tuple[Use, Charge]:
        """Add `amount` to what `owner` used of a rate; return what was used before, and the charge."""
        if self._shared is not None and not self.is_away:
            try:
                async with asyncio.timeout(_PATIENCE):
                    return await self._add(self._shared, owner, rate, amount)
            except _AWAY as error:
                self._lost(self._shared, error)
        return await self._add(self._local, owner, rate, amount)

    async def correct(self, charge: Charge, change: int) -> None:
        """Add `change` to a charge, or take it off if it is negative, in the window that it was made in.

        A correction that the store cannot take is lost: the charge stays as it was.
        """
        if charge.store is self._shared and self.is_away:
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await charge.store.incr(charge.key, 2 * charge.rate.seconds, change)
        except _AWAY as error:
            self._lost(charge.store, error)

    async def stop(self) -> None:
        """Close the connections to the store."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._shared is not None:
            bridge: Any = self._shared.bridge
            await bridge.get_connection().aclose()

    async def _add(self, store: Storage, owner: str, rate: Rate, amount: int) -> tuple[Use, Charge]:
        now = self._clock()
        window = int(now // rate.seconds)
        base = f"ttsp/{owner}/{rate.measure}/{rate.seconds}"
        key = f"{base}/{window}"
        after, previous = await asyncio.gather(
            store.incr(key, 2 * rate.seconds, amount), store.get(f"{base}/{window - 1}")
        )
        return Use(rate, previous, after - amount, now), Charge(rate, amount, key, store)

    def _lost(self, store: Storage, error: Exception) -> None:
        """Note that the store is away, and begin to look whether it is back."""
        if self._watching is None:
            cause = type(error.__cause__ or error).__name__
            log("quota store away", level=logging.WARNING, error=error, cause=cause)
            self._watching = asyncio.create_task(self._watch(store))

    async def _watch(self, store: Storage) -> None:
        while True:
            await asyncio.sleep(self._look_again)
            try:
                async with asyncio.timeout(_PATIENCE):
                    back = await store.check()
            except _AWAY:
                back = False
            if (task := asyncio.current_task()) is not None and task.cancelling():
                return  # the library's check swallows a cancellation
            if back:
                log("quota store back")
                self._watching = None
                return


def _open(url: str) -> RedisStorage:
    """Return the store. Valkey speaks Redis' protocol, so one client serves both. It connects when used."""
    scheme, _, place = url.partition("://")
    address = f"async+{scheme.replace('valkey', 'redis')}://{place}"
    return RedisStorage(address, wrap_exceptions=True, implementation="redispy", key_prefix="ttsp-quotas")
