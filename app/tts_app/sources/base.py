"""What the sources share: the error they raise, how they tell progress, where their cache is."""

import hashlib
import os
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit


class SourceError(Exception):
    """A model's files cannot be had; the message says why and what to do."""


class Progress(Protocol):
    """Is told how far a download is."""

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """`name` has `done` of `total` bytes; `total` is None while it is unknown."""
        ...


def no_progress(name: str, done: int, total: int | None) -> None:
    """Tell nobody."""


def cache_folder() -> Path:
    """Return the folder that models are kept in: `TTSP_CACHE`, else `~/.cache/tts-playground`."""
    return Path(os.environ.get("TTSP_CACHE") or "~/.cache/tts-playground").expanduser()


def baked_folder() -> Path | None:
    """Return the folder of models that came with the image, `TTSP_MODELS`: looked at first, never written."""
    named = os.environ.get("TTSP_MODELS")
    return Path(named) if named else None


def claims_folder() -> Path:
    """Return the folder that a cluster's volume claims are mounted in, by name: `TTSP_CLAIMS`."""
    return Path(os.environ.get("TTSP_CLAIMS") or "/claims")


def file_path(uri: str) -> Path:
    """Return the path that a `file://` address names.

    Raises:
        SourceError: it is not absolute; what looks like its first folder would be taken for a host's name.
    """
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise SourceError(f"{uri}: a file:// address has an absolute path, with three slashes: file:///a/b.")
    return Path(unquote(parts.path))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
