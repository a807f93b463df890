"""Holds callers to their quotas: reserves what a request may take, and settles what it took."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tts_app.api.errors import ApiError, error_response
from tts_app.api.quota_counts import Charge, Counts
from tts_app.api.scopes import caller_is_known, principal_of
from tts_app.quotas import Limits, Measure, Quotas, Stock, Use
from tts_app.security.principal import Principal

_SEEN = "tts_app.quotas"
RATES = {measure: measure.replace("_", "-") for measure in Measure}
"""What headers call each measure."""
_FIRST_GUESS = 2.0
"""Seconds that a stream is assumed to take until one has ended."""
_WEIGHT = 0.2
"""Weight of the newest stream in the moving average."""

Seen = dict[Measure, Use]
"""What a request has found of each rate, the one that has least left: for the headers of its answer."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was reserved for a request."""

    charges: tuple[Charge, ...] = ()


class QuotaGuard:
    """Reserves and settles for all callers of this gateway. For one event loop."""

    def __init__(self, quotas: Quotas, counts: Counts, clock: Callable[[], float] = time.monotonic) -> None:
        self._quotas = quotas
        self._counts = counts
        self._clock = clock
        self._streams: dict[str, int] = {}
        """How many streams each owner has: of this gateway, so that one that is lost leaves none behind."""
        self._stream_seconds = _FIRST_GUESS
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def has_quotas(self) -> bool:
        """Whether anybody has a quota."""
        return bool(self._quotas)

    @property
    def state(self) -> str:
        """How quotas are counted, where that is not as configured; empty if it is."""
        return "the quota store is away: each gateway counts for itself" if self._counts.is_away else ""

    async def stop(self) -> None:
        """Settle what is left to settle, and close the store."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._counts.stop()

    async def reserve(self, caller: Principal, wanted: Mapping[Measure, int], seen: Seen) -> Reservation:
        """Reserve amounts of the rates of a caller's tenant and key; note in `seen` what is left of them.

        Raises:
            ApiError: 429, one of them has not enough left: nothing is reserved, and Retry-After says when it
                has. 400, it never has enough.
        """
        if not self._quotas:
            return Reservation()
        reserving = self._begin(self._reserve(caller, wanted, seen))
        try:
            return await asyncio.shield(reserving)
        except asyncio.CancelledError:
            self._begin(self._give_back(reserving))
            raise

    def settle(self, reservation: Reservation, took: Mapping[Measure, int]) -> None:
        """Correct a reservation to what was really taken, in the background."""
        changes = [
            (charge, took.get(charge.rate.measure, 0) - charge.amount) for charge in reservation.charges
        ]
        if any(change for _, change in changes):
            self._begin(self._correct(changes))

    @contextmanager
    def stream(self, caller: Principal) -> Iterator[None]:
        """Count a stream while it lasts.

        Raises:
            ApiError: 429, the tenant or the key has as many as it may.
        """
        if not self._quotas:
            yield
            return
        owners = []
        for owner, name, limits in self._limits(caller):
            most = limits.stocks.get(Stock.STREAMS)
            if most is not None and self._streams.get(owner, 0) >= most:
                wait = self._stream_seconds / max(1, most)
                raise exceeded(f"{name} has as many streams as it may have at a time: {most}.", wait)
            owners.append(owner)
        started = self._clock()
        for owner in owners:
            self._streams[owner] = self._streams.get(owner, 0) + 1
        try:
            yield
        finally:
            self._stream_seconds += _WEIGHT * (self._clock() - started - self._stream_seconds)
            for owner in owners:
                self._streams[owner] -= 1
                if not self._streams[owner]:
                    del self._streams[owner]

    async def _reserve(self, caller: Principal, wanted: Mapping[Measure, int], seen: Seen) -> Reservation:
        asked = [
            (name, self._counts.add(owner, rate, wanted[rate.measure]))
            for owner, name, limits in self._limits(caller)
            for rate in limits.rates
            if wanted.get(rate.measure)
        ]
        found = await asyncio.gather(*(adding for _, adding in asked))
        refused: list[tuple[float, str, Use, int]] = []
        for (name, _), (use, charge) in zip(asked, found, strict=True):
            wait = use.wait(charge.amount)
            if wait > 0:
                refused.append((wait, name, use, charge.amount))
        for use, charge in found:
            _note(seen, use if refused else replace(use, current=use.current + charge.amount))
        charges = tuple(charge for _, charge in found)
        if refused:
            await self._correct([(charge, -charge.amount) for charge in charges])
            wait, name, use, amount = max(refused, key=lambda one: one[0])
            raise _used_up(name, use, amount, wait)
        return Reservation(charges)

    async def _correct(self, changes: list[tuple[Charge, int]]) -> None:
        await asyncio.gather(*(self._counts.correct(charge, change) for charge, change in changes if change))

    async def _give_back(self, reserving: "asyncio.Task[Reservation]") -> None:
        """Give back what a caller who has left had reserved, or is about to."""
        await asyncio.wait([reserving])
        if reserving.exception() is None:
            await self._correct([(charge, -charge.amount) for charge in reserving.result().charges])

    def _limits(self, caller: Principal) -> Iterator[tuple[str, str, Limits]]:
        """Yield whose limits apply, as counts and as errors name them, and the limits."""
        yield f"tenant/{caller.tenant}", "Your tenant", self._quotas.of_tenant(caller.tenant)
        if limits := self._quotas.of_key(caller.key):
            yield f"key/{caller.key}", "Your key", limits

    def _begin(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _note(seen: Seen, use: Use) -> None:
    before = seen.get(use.rate.measure)
    if before is None or use.remaining <= before.remaining:
        seen[use.rate.measure] = use


def _used_up(name: str, use: Use, amount: int, wait: float) -> ApiError:
    """Return the refusal of `amount` more of a rate."""
    if math.isinf(wait):
        what = use.rate.measure.replace("_", " ")
        message = f"This needs {amount} {what}, and {name.lower()} may use {use.rate}: ask for less."
        return ApiError(400, message, code="larger_than_quota")
    later = _duration(max(1, wait))
    message = f"{name} may use {use.rate}, and {use.remaining} are left: try again in {later}."
    return exceeded(message, wait)


def exceeded(message: str, wait: float) -> ApiError:
    """Return the refusal of what may fit after `wait` seconds."""
    headers = {"Retry-After": str(max(1, math.ceil(wait)))}
    return ApiError(429, message, code="rate_limit_exceeded", headers=headers)


_COUNTED = ("/v1/", "/audio/")
"""Beginnings of the paths that count: `/audio/speech` is another name of `/v1/audio/speech`."""


class RequestQuota:
    """Counts requests under /v1, and tells callers what is left. Pure ASGI, behind the door."""

    def __init__(self, app: ASGIApp, guard: QuotaGuard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not (scope["path"].startswith(_COUNTED) and caller_is_known(scope)):
            await self._app(scope, receive, send)
            return
        seen = seen_by(scope)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _headers(seen):
                    headers[name] = value
            await send(message)

        try:
            await self._guard.reserve(principal_of(scope), {Measure.REQUESTS: 1}, seen)
        except ApiError as error:
            await error_response(error)(scope, receive, told)
            return
        await self._app(scope, receive, told)


def seen_by(scope: Scope) -> Seen:
    """Return what the request of `scope` has found of its rates; more may be noted in it."""
    seen: Seen = scope.setdefault(_SEEN, {})
    return seen


def _headers(seen: Seen) -> Iterator[tuple[str, str]]:
    """Yield the headers that say what is left, by the names that OpenAI gives them."""
    for measure, use in seen.items():
        name = RATES[measure]
        yield f"x-ratelimit-limit-{name}", str(use.rate.amount)
        yield f"x-ratelimit-remaining-{name}", str(use.remaining)
        yield f"x-ratelimit-reset-{name}", _duration(use.reset)


def _duration(seconds: float) -> str:
    """Return a time as OpenAI writes it: `6m0s`."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
