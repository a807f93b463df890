"""What may leave the machine in a support bundle: no secret, and no text of a caller. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

HIDDEN = "<hidden>"
_SHORTEST = 8
"""Characters from which a known secret is looked for: shorter ones are parts of ordinary words."""
_SHAPES = re.compile(
    r"ttsp_[0-9a-f]+_[A-Za-z0-9_-]+"  # a key of ours
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]+"
    r"|(?<=[Bb]asic )[A-Za-z0-9+/=]{8,}"
    r"|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"  # a token (JWT)
    r"|hf_[A-Za-z0-9]{10,}|AKIA[A-Z0-9]{16}"
    r"|(?<=://)[^/@\s]+(?=@)"  # user and password in an address
    r"|(?i:(?<=password=)|(?<=token=)|(?<=secret=)|(?<=api_key=))[^\s&,;\"']+"
)
_OURS = {"time", "level", "component", "event"}
"""Fields of lines that the app and the operator write. Both never log a text (docs/security.md)."""
_RAYS = re.compile(
    r"\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d+\]?\s+(?:E|W|F|C|ERROR|WARNING|CRITICAL|FATAL)\b"
)
"""How a warning or an error of one of Ray's own processes begins: with its time and level."""
_OF_RAY = re.compile(r'\{"asctime":"[^"]*","levelname":"[EWFC]"')
"""The same of raylet and GCS, which log JSON."""
_NOISE = re.compile(r"DeprecationWarning: `ray\.[\w.]+` is a private attribute|\[GpuProfilingManager\]")
"""What Ray's processes warn of at every start: it says nothing about a playground."""


@dataclass(frozen=True, slots=True)
class Redactor:
    """Hides secrets: those that are known, and what has the shape of one."""

    secrets: frozenset[str] = frozenset()

    def text(self, text: str) -> str:
        """Return `text` without secrets."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST:
                text = text.replace(secret, HIDDEN)
        return _SHAPES.sub(HIDDEN, text)

    def value(self, value: Any) -> Any:
        """Return JSON without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.value(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        return value

    def our_lines(self, lines: Iterable[str]) -> tuple[list[str], int]:
        """Return the lines that the app or the operator wrote, and how many others were left out.

        Others may be what a library printed, with words of callers in it.
        """
        kept, left_out = [], 0
        for line in lines:
            entry = _object(line)
            if entry is not None and entry.keys() >= _OURS:
                kept.append(json.dumps(self.value(entry), ensure_ascii=False))
            elif line.strip():
                left_out += 1
        return kept, left_out

    def ray_lines(self, lines: Iterable[str]) -> tuple[list[str], int]:
        """Return warnings and errors of Ray's own processes, and how many other lines were left out.

        What each of them says when it starts is left out, too.
        """
        kept, left_out = [], 0
        for line in lines:
            if (_RAYS.match(line) or _OF_RAY.match(line)) and not _NOISE.search(line):
                kept.append(self.text(line.rstrip()))
            elif line.strip():
                left_out += 1
        return kept, left_out


def plain_settings(values: Mapping[str, Any], plain: Iterable[str]) -> dict[str, Any]:
    """Return settings as they may be shown: numbers, switches, texts of `plain`; of others, whether they are.

    Any text may hold a secret: an address its password, a file's name its user.
    """
    shown = set(plain)
    return {name: _shown(name in shown, value) for name, value in values.items()}


def _shown(is_plain: bool, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if is_plain and isinstance(value, str):
        return Redactor().text(value)
    return "set" if str(value) and value not in ((), []) else "not set"


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
