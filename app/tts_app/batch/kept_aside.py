"""Fields of posts that are not spoken: they are kept, by post, for whoever needs them beside the audio."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

KeepAside = Callable[[int, Mapping[str, Any]], None]
"""Keeps the fields, by name, of the post with this id."""
_MOST_NAMES = 1000


def forget(_post: int, _fields: Mapping[str, Any]) -> None:
    """Keep nothing."""


class KeptAside:
    """The fields that were kept aside. A file without a name holds them: there may be many posts."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._names: dict[str, None] = {}

    @property
    def names(self) -> list[str]:
        """The names of the fields, at most a thousand, as they first came."""
        return list(self._names)

    def add(self, post: int, fields: Mapping[str, Any]) -> None:
        """Keep the fields of a post. Raises OSError."""
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        line = json.dumps({"post": post, "fields": fields}, ensure_ascii=False)
        # Half a surrogate pair becomes a JSON escape.
        self._file.write(line.encode(errors="backslashreplace") + b"\n")
        for name in fields:
            if len(self._names) < _MOST_NAMES:
                self._names[name] = None

    def lines(self) -> Iterator[bytes]:
        """Yield a line of JSON for each post that has such fields."""
        if self._file is not None:
            self._file.seek(0)
            yield from self._file

    def flush(self) -> None:
        """Write what is still in memory. Raises OSError."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Forget the fields."""
        if self._file is not None:
            self._file.close()
