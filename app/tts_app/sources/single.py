"""Single files, such as clips: read whole, up to a size. They are no models, so nothing is cached."""

from typing import IO

from tts_app.sources.base import SourceError
from tts_app.sources.claims import local_path


def read_file(uri: str, most: int) -> bytes:
    """Return the content of a file of `file://`, `pvc://`, `s3://` or `gs://`.

    Raises:
        SourceError: it cannot be read, or has more than `most` bytes.
    """
    path = local_path(uri)
    try:
        with _stored(uri) if path is None else path.open("rb") as file:
            content = file.read(most + 1)
    except ImportError as error:
        raise SourceError(
            f"{uri}: the store's client is missing here ({error}). Install tts-playground[cloud]."
        ) from error
    except OSError as error:
        raise SourceError(f"{uri} cannot be read: {error.strerror or type(error).__name__}.") from error
    if len(content) > most:
        raise SourceError(f"{uri} has more than {most} bytes.")
    return content


def _stored(uri: str) -> IO[bytes]:
    """Open a file of an object store."""
    if not uri.startswith(("s3://", "gs://")):
        raise SourceError(f"{uri}: a single file is read from file://, pvc://, s3:// or gs:// only.")
    import fsspec  # noqa: PLC0415 - as in `fetch`: most processes never need it

    file: IO[bytes] = fsspec.open(uri, "rb").open()
    return file
