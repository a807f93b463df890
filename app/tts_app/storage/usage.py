"""What callers used, by day: counts alone, of no single request."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import BigInteger, Date, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from tts_app.amounts import Amounts
from tts_app.storage.database import Base, Database


class UsageRow(Base):
    """What one caller used of one voice, or of one text model, on one day (UTC)."""

    __tablename__ = "usage"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    tenant: Mapped[str] = mapped_column(primary_key=True)
    caller: Mapped[str] = mapped_column(primary_key=True)
    """Id of the key, else the name of the principal; empty if a restart has lost it."""
    model: Mapped[str] = mapped_column(primary_key=True)
    voice: Mapped[str] = mapped_column(primary_key=True)
    """Empty for text models."""
    requests: Mapped[int] = mapped_column(BigInteger)
    """Items, for batches."""
    characters: Mapped[int] = mapped_column(BigInteger)
    audio_seconds: Mapped[float]
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)


class Used(NamedTuple):
    """Who used what, on which day: the key of a row."""

    day: date
    tenant: str
    caller: str
    model: str
    voice: str


@dataclass(slots=True)
class Total:
    """How much it was."""

    requests: int
    amounts: Amounts


class Usages:
    """The table of usage. Blocking: call it in a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, totals: Iterable[tuple[Used, Total]]) -> None:
        """Add to the rows, in one transaction; rows that are not there are made."""
        rows = [
            {**used._asdict(), "requests": total.requests, **_fields(total.amounts)}
            for used, total in sorted(totals)  # in one order: two gateways never wait for each other
        ]
        if not rows:
            return
        dialect = postgresql if self._database.engine.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(UsageRow)
        changed = {name: getattr(UsageRow, name) + insert.excluded[name] for name in _COUNTED}
        with self._database.session() as session:
            session.execute(insert.on_conflict_do_update(index_elements=Used._fields, set_=changed), rows)

    def list(
        self, tenant: str, first: date, last: date, *, by_caller: bool = False
    ) -> Sequence[tuple[Used, Total]]:
        """Return what a tenant used from `first` to `last`, both included, by day, model and voice.

        `by_caller`: and by caller; else `caller` is empty.
        """
        keys = [UsageRow.day, UsageRow.model, UsageRow.voice, *([UsageRow.caller] if by_caller else [])]
        sums = [func.sum(getattr(UsageRow, name)) for name in _COUNTED]
        query = select(*keys, *sums).where(UsageRow.tenant == tenant, UsageRow.day.between(first, last))
        query = query.group_by(*keys).order_by(*keys)
        with self._database.session() as session:
            found = session.execute(query).all()
        return [_read(tenant, row, by_caller=by_caller) for row in found]


_COUNTED = ("requests", "characters", "audio_seconds", "prompt_tokens", "completion_tokens")


def _fields(amounts: Amounts) -> dict[str, float]:
    return {name: getattr(amounts, name) for name in _COUNTED if name != "requests"}


def _read(tenant: str, row: Sequence[object], *, by_caller: bool) -> tuple[Used, Total]:
    day, model, voice, *rest = row
    caller = rest.pop(0) if by_caller else ""
    requests, characters, seconds, prompt, completion = rest
    used = Used(day, tenant, caller, model, voice)  # type: ignore[arg-type]
    amounts = Amounts(int(characters), float(seconds), int(prompt), int(completion))  # type: ignore[call-overload, arg-type]
    return used, Total(int(requests), amounts)  # type: ignore[call-overload]
