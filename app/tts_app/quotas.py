"""How much callers may use: what the settings say, and whether something more fits. Pure.

A rate counts over a window that slides: what was used in the window before counts in proportion to the part
of it that is not yet a whole window ago.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from tts_app.tenants import is_tenant

_WINDOWS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_RATE = re.compile(r"([1-9][0-9]{0,14})/(second|minute|hour|day)")
_COUNT = re.compile(r"[0-9]{1,9}")
_SIZE = re.compile(r"([0-9]{1,9})(B|KiB|MiB|GiB|TiB)")
_KEY_ID = re.compile(r"[0-9a-f]{16}")
_NONE = "none"
_EXAMPLE = "requests=600/minute,characters=1000000/day,streams=32,batches=10,stored_bytes=10GiB"


class Measure(StrEnum):
    """What a rate limits."""

    REQUESTS = "requests"
    CHARACTERS = "characters"
    """Of texts that are spoken."""
    AUDIO_SECONDS = "audio_seconds"
    """Of what was spoken; of each request, rounded up to a whole second."""
    TOKENS = "tokens"
    """Of prompts and answers."""


class Stock(StrEnum):
    """What is limited at any one time."""

    STREAMS = "streams"
    """Answers that are being spoken or written."""
    BATCHES = "batches"
    """Batches that have not ended."""
    STORED_BYTES = "stored_bytes"
    """Audio of stored speeches and of batches."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `amount` of `measure` in `seconds`."""

    measure: Measure
    amount: int
    seconds: int

    def __str__(self) -> str:
        window = next(name for name, seconds in _WINDOWS.items() if seconds == self.seconds)
        return f"{self.amount} {self.measure.replace('_', ' ')} a {window}"


@dataclass(frozen=True, slots=True)
class Use:
    """What was used of a rate, as counted in the clock's windows of its length."""

    rate: Rate
    previous: int
    """In the window before."""
    current: int
    """In the window that `now` lies in."""
    now: float
    """Seconds since the epoch."""

    @property
    def left(self) -> float:
        """Seconds until the next window."""
        return self.rate.seconds - self.now % self.rate.seconds

    @property
    def remaining(self) -> int:
        """How much more fits now; at least 0."""
        counted = max(0, self.previous) * self.left / self.rate.seconds + max(0, self.current)
        return max(0, math.floor(self.rate.amount - counted))

    @property
    def reset(self) -> float:
        """Seconds until nothing of what was used counts any more."""
        if self.current > 0:
            return self.left + self.rate.seconds
        return self.left if self.previous > 0 else 0.0

    def wait(self, cost: int) -> float:
        """Return the seconds until `cost` more fits if nobody else uses any; infinity: it never does."""
        room = self.rate.amount - cost
        if room < 0:
            return math.inf
        if cost <= self.remaining:
            return 0.0
        if self.current <= room:  # enough of the window before gets too old within this one
            return self.left - (room - self.current) * self.rate.seconds / self.previous
        return self.left + self.rate.seconds - room * self.rate.seconds / self.current


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a tenant or of a key."""

    rates: tuple[Rate, ...] = ()
    stocks: Mapping[Stock, int] = field(default_factory=lambda: MappingProxyType({}))
    named: frozenset[str] = frozenset()
    """Measures and stocks that the text names, also those that it does not limit."""

    def over(self, general: "Limits") -> "Limits":
        """Return these limits, and those of `general` that are about something else."""
        rates = [rate for rate in general.rates if rate.measure not in self.named]
        stocks = {stock: most for stock, most in general.stocks.items() if stock not in self.named}
        return Limits((*self.rates, *rates), {**stocks, **self.stocks}, self.named | general.named)

    def __bool__(self) -> bool:
        return bool(self.rates or self.stocks)


@dataclass(frozen=True, slots=True)
class Quotas:
    """The limits of all tenants and keys."""

    general: Limits = Limits()
    """Of each tenant that has none of its own."""
    tenants: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))
    keys: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))
    """By the id of the key; they count beside those of its tenant."""

    def of_tenant(self, tenant: str) -> Limits:
        """Return the limits of a tenant."""
        return self.tenants.get(tenant, self.general)

    def of_key(self, key: str) -> Limits:
        """Return the limits of a key alone; `key` is empty for callers without one of their own."""
        return self.keys.get(key, Limits())

    def __bool__(self) -> bool:
        return bool(self.general) or any(self.tenants.values()) or any(self.keys.values())


def parse_limits(text: str, *, of_key: bool = False) -> Limits:
    """Return the limits that a text lists, as `requests=600/minute,streams=32`.

    A measure may be named several times, with different windows. `none` in place of a limit lifts the general
    one. `of_key`: they are a key's, which has no batches and nothing stored of its own.

    Raises:
        ValueError: a part of it is no limit; the message says how to write it.
    """
    rates: list[Rate] = []
    stocks: dict[Stock, int] = {}
    named: set[str] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, given = part.partition("=")
        if of_key and name in (Stock.BATCHES, Stock.STORED_BYTES):
            raise ValueError(f"{part!r}: batches and stored bytes are limited for tenants, not for keys")
        if given == _NONE and name in {*Measure, *Stock}:
            pass
        elif name in set(Measure) and (found := _RATE.fullmatch(given)):
            rates.append(Rate(Measure(name), int(found[1]), _WINDOWS[found[2]]))
        elif name == Stock.STORED_BYTES and (found := _SIZE.fullmatch(given)):
            stocks[Stock(name)] = int(found[1]) * _SIZES[found[2]]
        elif name in (Stock.STREAMS, Stock.BATCHES) and _COUNT.fullmatch(given):
            stocks[Stock(name)] = int(given)
        else:
            raise ValueError(f"{part!r} is no quota: {_how(name)}")
        named.add(name)
    if len(set(rates)) < len(rates) or len({(r.measure, r.seconds) for r in rates}) < len(rates):
        raise ValueError("a quota is given twice for the same window: give it once")
    return Limits(tuple(rates), stocks, frozenset(named))


def _how(name: str) -> str:
    """Return how a quota of this name is written."""
    if name in set(Measure):
        return f"write it as {name}=600/minute; windows: {', '.join(_WINDOWS)}"
    if name == Stock.STORED_BYTES:
        return f"write it as {name}=10GiB; units: {', '.join(_SIZES)}"
    if name in set(Stock):
        return f"write it as {name}=10"
    return f"names are {', '.join([*Measure, *Stock])}; for example {_EXAMPLE}"


def parse_quotas(general: str, file: str | None = None) -> Quotas:
    """Return the quotas of a setting and, if there is one, of the text of a file of exceptions.

    The file is JSON: `{"tenants": {"hotel": "requests=6000/minute"}, "keys": {"0123456789abcdef": "..."}}`.
    What a tenant's text does not name is as in `general`.

    Raises:
        ValueError: something is wrong; the message says what and where.
    """
    usual = parse_limits(general)
    if file is None:
        return Quotas(usual)
    try:
        known: Any = json.loads(file)
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(known, dict) or not known.keys() <= {"tenants", "keys"}:
        raise ValueError('it must be an object with "tenants" and "keys", both optional')
    tenants = {
        name: limits.over(usual)
        for name, limits in _named(known, "tenants", is_tenant, "no name of a tenant", of_key=False)
    }
    keys = dict(_named(known, "keys", _is_key_id, "no id of a key (`ttsp keys list`)", of_key=True))
    return Quotas(usual, tenants, keys)


def _is_key_id(name: str) -> bool:
    return _KEY_ID.fullmatch(name) is not None


def _named(
    known: Mapping[str, Any], part: str, is_one: Any, otherwise: str, *, of_key: bool
) -> Iterable[tuple[str, Limits]]:
    """Yield the limits by name of a part of the file. Raises ValueError."""
    entries = known.get(part, {})
    if not isinstance(entries, dict) or not all(isinstance(text, str) for text in entries.values()):
        raise ValueError(f'"{part}" must be an object of texts, as {{"...": "requests=600/minute"}}')
    for name, text in entries.items():
        if not is_one(name):
            raise ValueError(f"{part}: {name[:80]!r} is {otherwise}")
        try:
            yield name, parse_limits(text, of_key=of_key)
        except ValueError as error:
            raise ValueError(f"{part}.{name}: {error}") from None
