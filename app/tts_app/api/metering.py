"""What all meters share: quotas, usage, and what is held for speeches and batches made in the background."""

import asyncio
import math
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext

from tts_app.amounts import Amounts
from tts_app.api.errors import ApiError
from tts_app.api.quota_counts import Counts
from tts_app.api.quotas import QuotaGuard, Reservation, exceeded
from tts_app.api.usage_recorder import UsageRecorder
from tts_app.batch.outcome import Spoken
from tts_app.quotas import Measure, Quotas, Stock
from tts_app.security.principal import Principal
from tts_app.settings import Settings
from tts_app.storage.batches import Batch, Batches
from tts_app.storage.database import Database
from tts_app.storage.speeches import Speech, Speeches
from tts_app.storage.usage import Usages

_BATCH_RETRY = 30
"""Seconds of Retry-After when a tenant has as many batches as it may: nobody knows when one ends."""
_LOST = ""
"""The caller of what was accepted before a restart."""


def measured(amounts: Amounts) -> Mapping[Measure, int]:
    """Return amounts as rates count them."""
    return {
        Measure.CHARACTERS: amounts.characters,
        Measure.AUDIO_SECONDS: math.ceil(amounts.audio_seconds),
        Measure.TOKENS: amounts.prompt_tokens + amounts.completion_tokens,
    }


class Metering:
    """Quotas and usage of a gateway. For one event loop."""

    def __init__(
        self, quotas: Quotas, guard: QuotaGuard, usage: UsageRecorder, speeches: Speeches, batches: Batches
    ) -> None:
        self._quotas = quotas
        self.guard = guard
        self._usage = usage
        self._speeches = speeches
        self._batches = batches
        self._held: defaultdict[str, deque[tuple[Principal, Reservation]]] = defaultdict(deque)
        """By the id of the speech or batch, of each of its runs, oldest first."""
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self) -> None:
        """Store usage from now on."""
        await self._usage.start()

    async def stop(self) -> None:
        """Settle what is left to settle, and store the rest of the usage."""
        await self.guard.stop()
        await self._usage.stop()

    def record(self, caller: Principal, model: str, voice: str, took: Amounts, requests: int = 1) -> None:
        """Record what a request took."""
        self._usage.record(caller.tenant, caller.key or caller.subject, model, voice, took, requests)

    @contextmanager
    def holding(self, thing: str, caller: Principal, reservation: Reservation) -> Iterator[None]:
        """Hold a reservation until the speech or batch has ended; if the block fails, give it back."""
        held = caller, reservation
        self._held[thing].append(held)
        try:
            yield
        except BaseException:
            self._held[thing].remove(held)
            if not self._held[thing]:
                del self._held[thing]
            self.guard.settle(reservation, measured(Amounts()))
            raise

    def speech_ended(self, speech: Speech, seconds: float, whole: bool) -> None:
        """Settle and record a speech that was made, or of which `seconds` were."""
        took = Amounts(speech.characters if whole else 0, seconds)
        caller = self._settle(speech.id, took)
        self._usage.record(speech.tenant, caller, speech.model, speech.voice, took)

    def batch_ran(self, batch: Batch, spoken: Mapping[tuple[str, str], Spoken]) -> None:
        """Settle and record a run of a batch: the items and amounts by model and voice."""
        total = Amounts()
        for by_voice in spoken.values():
            total.add(by_voice.amounts)
        caller = self._settle(batch.id, total)
        for (model, voice), by_voice in spoken.items():
            self._usage.record(batch.tenant, caller, model, voice, by_voice.amounts, by_voice.items)

    def _settle(self, thing: str, took: Amounts) -> str:
        """Settle what is held for the oldest run of a speech or batch; return whose it is."""
        if thing not in self._held:
            return _LOST
        caller, reservation = self._held[thing].popleft()
        if not self._held[thing]:
            del self._held[thing]
        self.guard.settle(reservation, measured(took))
        return caller.key or caller.subject

    def batch_lock(self, caller: Principal) -> AbstractAsyncContextManager[object]:
        """Let a tenant whose batches are limited add them one at a time, so that each is counted."""
        if Stock.BATCHES not in self._quotas.of_tenant(caller.tenant).stocks:
            return nullcontext()
        return self._locks[caller.tenant]

    async def checked(self, caller: Principal, *stocks: Stock) -> None:
        """Do as `check`, in a thread if there is anything to check."""
        if not self._quotas.of_tenant(caller.tenant).stocks.keys().isdisjoint(stocks):
            await asyncio.to_thread(self.check, caller, *stocks)

    def check(self, caller: Principal, *stocks: Stock) -> None:
        """Refuse a tenant that has as many batches, or stores as much, as it may. Blocking.

        Raises:
            ApiError: 429; without Retry-After if it stores too much, as time alone frees nothing.
        """
        limits = self._quotas.of_tenant(caller.tenant).stocks
        if Stock.BATCHES in stocks and Stock.BATCHES in limits:
            most = limits[Stock.BATCHES]
            if self._batches.count_open(caller.tenant) >= most:
                message = f"Your tenant has as many batches as it may have at a time: {most}."
                raise exceeded(message, _BATCH_RETRY)
        if Stock.STORED_BYTES in stocks and Stock.STORED_BYTES in limits:
            most = limits[Stock.STORED_BYTES]
            stored = self._speeches.stored_bytes(caller.tenant) + self._batches.stored_bytes(caller.tenant)
            if stored >= most:
                raise ApiError(
                    429,
                    f"Your tenant stores {stored} bytes of audio, and {most} are allowed: "
                    "delete speeches or batches.",
                    code="insufficient_quota",
                    headers={"x-should-retry": "false"},
                )


def metering_of(settings: Settings, database: Database) -> Metering:
    """Return the quotas and the usage that the settings ask for.

    Raises:
        ValueError: the file of quotas cannot be read, or is wrong.
    """
    quotas = settings.all_quotas()
    store = settings.quota_store.get_secret_value() if settings.quota_store else ""
    guard = QuotaGuard(quotas, Counts(store))
    recorder = UsageRecorder(Usages(database))
    return Metering(quotas, guard, recorder, Speeches(database), Batches(database))
