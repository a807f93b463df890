"""The connections of a listener: how many there may be, and how long each may take.

A connection is idle until its request has arrived completely. If a new one needs room, the one that has been
idle longest is closed. A connection whose request is being answered is never closed for that.
"""

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

Connection = TypeVar("Connection", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections may cost. Each is a setting (`tts_app.settings`), where it is explained."""

    connections: int = 16_384
    per_address: int = 4096
    header_bytes: int = 32_768
    header_lines: int = 100
    header_seconds: float = 15
    body_seconds: float = 60
    idle_seconds: float = 75
    send_seconds: float = 120


class Phase(Enum):
    """What a connection is doing."""

    WAITING = "waiting"
    """No request has begun."""
    HEADERS = "headers"
    """A request has begun, its headers are not complete."""
    BODY = "body"
    """The headers are complete, the body is not."""
    ANSWERING = "answering"
    """The request is complete, its answer is not."""
    STALLED = "stalled"
    """An answer, or the end of the last one, cannot be sent on: the caller does not read."""


class Full(Enum):
    """Why there is no room: no connection, of all callers or of this one, is idle."""

    ALL = "all"
    ADDRESS = "address"


@dataclass(slots=True)
class _Entry:
    address: str
    phase: Phase
    since: float


@dataclass(slots=True)
class _Caller(Generic[Connection]):
    connections: int = 0
    idle: dict[Connection, None] = field(default_factory=dict)


class Connections(Generic[Connection]):
    """Counts connections and chooses which one to close. For one event loop; each step is O(1)."""

    def __init__(
        self,
        limits: Limits,
        close: Callable[[Connection], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`close` ends a connection that has to make room."""
        self._limits = limits
        self._close = close
        self._clock = clock
        self._entries: dict[Connection, _Entry] = {}
        # Insertion order is the order in which they became idle.
        self._idle: dict[Connection, None] = {}
        self._callers: dict[str, _Caller[Connection]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def join(self, connection: Connection, address: str, *, bounded: bool = True) -> Full | None:
        """Take a connection in, closing the one that has been idle longest if there is no room.

        Return why it cannot be taken in, else None. `bounded`: whether the limit of an address holds for it.
        """
        caller = self._callers.get(address)
        if bounded and caller is not None and caller.connections >= self._limits.per_address:
            if not caller.idle:
                return Full.ADDRESS
            self._make_room(next(iter(caller.idle)))
        if len(self._entries) >= self._limits.connections:
            if not self._idle:
                return Full.ALL
            self._make_room(next(iter(self._idle)))
        self._entries[connection] = _Entry(address, Phase.WAITING, self._clock())
        caller = self._callers.setdefault(address, _Caller())
        caller.connections += 1
        self._now_idle(connection, caller)
        return None

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has ended; one that is not there is ignored."""
        entry = self._entries.pop(connection, None)
        if entry is None:
            return
        caller = self._callers[entry.address]
        caller.connections -= 1
        self._idle.pop(connection, None)
        caller.idle.pop(connection, None)
        if not caller.connections:
            del self._callers[entry.address]

    def enter(self, connection: Connection, phase: Phase) -> None:
        """Record that a connection is in `phase` from now on; one that is not there is ignored."""
        entry = self._entries.get(connection)
        if entry is None or entry.phase is phase:
            return
        entry.phase, entry.since = phase, self._clock()
        caller = self._callers[entry.address]
        if phase in (Phase.ANSWERING, Phase.STALLED):
            self._idle.pop(connection, None)
            caller.idle.pop(connection, None)
        elif connection not in self._idle:
            self._now_idle(connection, caller)

    def renew(self, connection: Connection) -> None:
        """Let a connection's time in its phase begin again; one that is not there is ignored."""
        if (entry := self._entries.get(connection)) is not None:
            entry.since = self._clock()

    def phase(self, connection: Connection) -> Phase | None:
        """Return what a connection is doing; None if it is not there."""
        entry = self._entries.get(connection)
        return None if entry is None else entry.phase

    def overdue(self) -> Iterator[tuple[Connection, Phase]]:
        """Yield each connection that has taken too long, and in which phase."""
        limits = self._limits
        most = {
            Phase.WAITING: limits.idle_seconds,
            Phase.HEADERS: limits.header_seconds,
            Phase.BODY: limits.body_seconds,
            Phase.STALLED: limits.send_seconds,
        }
        now = self._clock()
        for connection, entry in list(self._entries.items()):
            if entry.phase in most and now - entry.since > most[entry.phase]:
                yield connection, entry.phase

    def _now_idle(self, connection: Connection, caller: _Caller[Connection]) -> None:
        self._idle[connection] = None
        caller.idle[connection] = None

    def _make_room(self, connection: Connection) -> None:
        self.leave(connection)
        self._close(connection)
