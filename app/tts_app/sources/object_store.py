"""`s3://` and `gs://` sources: the files below a prefix of an object store, by fsspec."""

import hashlib
import os
from pathlib import Path
from typing import Any

import fsspec
from filelock import FileLock

from tts_app.sources.base import Progress, SourceError, cache_folder

_BLOCK = 1 << 20
_COMPLETE = ".complete"


def fetch_objects(uri: str, revision: str | None, progress: Progress) -> Path:
    """Return a folder with the files below the prefix `uri`, fetched once into the cache.

    The address and `revision` identify a copy: after a change of the files below a prefix, use another
    revision. The store's own client reads its settings from the environment: AWS_ACCESS_KEY_ID,
    AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS and the like. A broken fetch keeps the files that it has
    finished, and the next one resumes after them.

    Raises:
        SourceError: the store's client is not installed, or the store refuses, cannot be reached or has no
            such files.
    """
    name = hashlib.sha256(f"{uri}@{revision or ''}".encode()).hexdigest()[:24]
    folder = cache_folder() / "objects" / name
    if (folder / _COMPLETE).is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / _COMPLETE).is_file():
            try:
                _copy(uri, folder, progress)
            except ImportError as error:
                raise SourceError(
                    f"{uri}: the store's client is missing here ({error}). Install tts-playground[cloud]."
                ) from error
            except (OSError, ValueError) as error:
                raise SourceError(
                    f"{uri} cannot be read: {type(error).__name__}: {error}. Check the address, the "
                    f"credentials (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS ...), AWS_ENDPOINT_URL."
                ) from error
            (folder / _COMPLETE).touch()
    return folder


def _copy(uri: str, folder: Path, progress: Progress) -> None:
    store, root = fsspec.core.url_to_fs(uri)
    found: dict[str, dict[str, Any]] = store.find(root, detail=True)
    if not found:
        raise FileNotFoundError(f"there is no file below {uri}")
    sizes = {path: int(info["size"]) for path, info in found.items()}
    total, done = sum(sizes.values()), 0
    for path, size in sorted(sizes.items()):
        target = folder / _inside(path, root)
        if not (target.is_file() and target.stat().st_size == size):
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f"{target.name}.partial")
            with store.open(path, "rb") as source, partial.open("wb") as file:
                for block in iter(lambda: source.read(_BLOCK), b""):
                    file.write(block)
                    progress(uri, done + file.tell(), total)
                os.fsync(file.fileno())
            partial.replace(target)
        done += size
        progress(uri, done, total)


def _inside(path: str, root: str) -> str:
    """Return a file's path below the prefix; refuse a name that leads out of it."""
    name = path.removeprefix(root).lstrip("/") or path.rpartition("/")[2]
    if ".." in name.split("/"):
        raise ValueError(f"a file is called {path!r}")
    return name
