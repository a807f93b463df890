"""What the first fetch of a pinned revision brought: a later fetch must bring the same.

A commit names its files for good, but a mirror or a hub may send others. A record has size, SHA-256 and time
of each file, by its path in the folder. Files whose size and time are as recorded are not read again.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from tts_app.files import whole_file
from tts_app.sources.base import SourceError, sha256_of


@dataclass(frozen=True, slots=True)
class Recorded:
    """A file as it was fetched first."""

    size: int
    sha256: str
    modified: int
    """Nanoseconds since 1970 at which the file was written here."""


def check_recorded(folder: Path, record: Path, name: str) -> None:
    """Compare the files of `folder` with the `record`; add those that are new to it.

    `name` is what the message calls the source. A cache that cannot be written keeps the record that it has.

    Raises:
        SourceError: a file is another one than was fetched first; the message names it.
    """
    known = _read(record)
    found: dict[str, Recorded] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        file = path.relative_to(folder).as_posix()
        now = found[file] = _recorded(path, known.get(file))
        first = known.get(file, now)
        if (now.size, now.sha256) != (first.size, first.sha256):
            raise SourceError(
                f"{name}: {file} has {now.size} bytes and SHA-256 {now.sha256}, and at the first fetch it "
                f"had {first.size} and {first.sha256}. If the new one is right, remove {record} and "
                f"{folder}, and fetch again."
            )
    if {**known, **found} != known:
        _write(record, {**known, **found})


def _recorded(path: Path, before: Recorded | None) -> Recorded:
    stat = path.stat()
    if before is not None and (before.size, before.modified) == (stat.st_size, stat.st_mtime_ns):
        return before
    return Recorded(stat.st_size, sha256_of(path), stat.st_mtime_ns)


def _read(record: Path) -> dict[str, Recorded]:
    try:
        return {file: Recorded(**known) for file, known in json.loads(record.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise SourceError(f"{record} is damaged: remove it, and the next fetch records anew.") from error


def _write(record: Path, files: dict[str, Recorded]) -> None:
    folder = record.parent
    if not os.access(folder if folder.exists() else folder.parent, os.W_OK):
        return  # a pod mounts the cache only to read it: whoever fetched into it has recorded
    folder.mkdir(exist_ok=True)
    with whole_file(record) as out:
        out.write(json.dumps({file: asdict(known) for file, known in files.items()}, indent=1).encode())
