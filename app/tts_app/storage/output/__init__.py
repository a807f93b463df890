"""The output of a batch: a folder of audio, and what a driver needs to resume where another one stopped.

The folder is on a local disk or a volume claim, or is a prefix of an object store. Everything that is not
audio is in `.ttsp/`.
Blocking: call it in a thread.
"""

from pathlib import Path

from tts_app.sources.base import SourceError
from tts_app.sources.claims import local_path
from tts_app.storage.output.base import (
    PRIVATE,
    LockedError,
    Output,
    OutputError,
    Segment,
    describe,
)
from tts_app.storage.output.folder import FolderOutput
from tts_app.storage.output.lease import LEASE_SECONDS
from tts_app.storage.output.object_store import ObjectOutput


def open_output(url: str, lease_seconds: float = LEASE_SECONDS, private: bool = False) -> Output:
    """Return the output at `url`: file://, pvc://, s3://, gs://, or a plain path.

    `lease_seconds` is how long a lease in an object store lasts if it is not renewed. `private`: a folder is
    made one that only its owner can enter.

    Raises:
        OutputError: there is no such claim, or no client of that store.
    """
    if "://" not in url:
        return FolderOutput(Path(url).expanduser().absolute(), private)
    try:
        folder = local_path(url)
    except SourceError as error:
        raise OutputError(str(error)) from error
    if folder is not None:
        return FolderOutput(folder, private)
    try:
        return ObjectOutput(url, lease_seconds)
    except ImportError as error:
        raise OutputError(
            f"{url}: the store's client is missing here ({error}). Install tts-playground[cloud]."
        ) from error
    except ValueError as error:
        raise OutputError(f"{url}: {error}. Use file://, pvc://, s3:// or gs://.") from error


__all__ = [
    "LEASE_SECONDS",
    "PRIVATE",
    "FolderOutput",
    "LockedError",
    "ObjectOutput",
    "Output",
    "OutputError",
    "Segment",
    "describe",
    "open_output",
]
