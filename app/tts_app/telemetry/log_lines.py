"""Lines of JSON logs, read again: which of them are wanted, and how they are shown. Pure."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

_SHOWN_FIRST = ("time", "level", "component", "event")
_OF_PROCESS = ("pid", "pod", "logger")
"""Fields that say where a line is from: shown after all others."""
LEVELS = {
    name: logging.getLevelNamesMapping()[name] for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
}
"""Names of the levels, and how serious each is."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are asked for."""

    fields: Mapping[str, str] = field(default_factory=dict)
    """Fields that a line must have, and their values."""
    since: datetime | None = None
    """Only lines of that moment, and later ones."""
    level: str = ""
    """Only lines of this level of `LEVELS`, and more serious ones; empty: of any, or none."""

    def may_have(self, line: str) -> bool:
        """Return whether a line can be wanted: false is cheaper to find out than by reading it."""
        return all(value in line for value in self.fields.values())

    def has(self, entry: Mapping[str, Any]) -> bool:
        """Return whether an entry is wanted."""
        if self.since is not None and moment(entry) < self.since:
            return False
        if self.level and _severity(entry.get("level")) < LEVELS[self.level]:
            return False
        return all(str(entry.get(name, "")) == value for name, value in self.fields.items())


def read(line: str) -> dict[str, Any] | None:
    """Return the entry of a line; None where it is not one of our JSON logs."""
    if not line.startswith("{"):
        return None
    try:
        entry: dict[str, Any] = json.loads(line)
        moment(entry)
    except (ValueError, KeyError, TypeError):
        return None
    return entry if "event" in entry else None


def moment(entry: Mapping[str, Any]) -> datetime:
    """Return when an entry was logged. Raises KeyError, ValueError, TypeError: it does not say so."""
    logged = datetime.fromisoformat(entry["time"])
    return logged if logged.tzinfo else logged.replace(tzinfo=UTC)


def shown(entry: Mapping[str, Any], hidden: Mapping[str, str]) -> str:
    """Return an entry as a line for people, without the fields of `hidden`, which all of them have."""
    at = moment(entry).astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
    rest = [name for name in entry if name not in (*_SHOWN_FIRST, *_OF_PROCESS, *hidden)]
    names = [*rest, *(name for name in _OF_PROCESS if name in entry)]
    fields = " ".join(f"{name}={_value(entry[name])}" for name in names)
    head = f"{at} {entry.get('level', ''):7} {_plain(entry.get('component', '')):15} {_plain(entry['event'])}"
    return f"{head}  {fields}".rstrip()


def _severity(level: object) -> int:
    """Return how serious a level is; one that is not known is asked for by none."""
    return LEVELS.get(str(level).upper(), logging.NOTSET)


def _value(value: object) -> str:
    """Return a value as JSON; a word without the quotes."""
    if isinstance(value, str) and value and value.isascii() and value.isprintable() and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=True)


def _plain(value: object) -> str:
    """Return a text in one line, without characters that a terminal obeys."""
    return json.dumps(str(value).strip(), ensure_ascii=True)[1:-1]
