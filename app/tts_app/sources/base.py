"""What the sources share: their error, how they report progress, where their cache is."""

import hashlib
import os
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit


class SourceError(Exception):
    """A model's files are not available; the message says why and what to do."""


class Progress(Protocol):
    """Receives the progress of a download."""

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """`name` has `done` of `total` bytes; `total` is None while it is unknown."""
        ...


def no_progress(name: str, done: int, total: int | None) -> None:
    """Ignore the progress."""


def cache_folder() -> Path:
    """Return the folder that models are kept in: `TTSP_CACHE`, else `~/.cache/tts-playground`."""
    return Path(os.environ.get("TTSP_CACHE") or "~/.cache/tts-playground").expanduser()


def baked_folder() -> Path | None:
    """Return the folder of models that came with the image, `TTSP_MODELS`: read first, never written."""
    named = os.environ.get("TTSP_MODELS")
    return Path(named) if named else None


def claims_folder() -> Path:
    """Return the folder in which a cluster's volume claims are mounted, by name: `TTSP_CLAIMS`."""
    return Path(os.environ.get("TTSP_CLAIMS") or "/claims")


def file_path(uri: str) -> Path:
    """Return the path of a `file://` address.

    Raises:
        SourceError: it is not absolute: what looks like its first folder would mean a host.
    """
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise SourceError(f"{uri}: a file:// address has an absolute path, with three slashes: file:///a/b.")
    return Path(unquote(parts.path))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
