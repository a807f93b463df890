"""Objects of a store, through fsspec; every failure is an OSError."""

import builtins
import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import fsspec


class Objects:
    """The objects below a prefix of a store. Every method raises OSError if the store fails."""

    def __init__(self, url: str) -> None:
        self._fs: Any
        self._fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        self._root = root.rstrip("/")

    def create(self, name: str, data: bytes) -> None:
        """Write an object that does not exist yet. Raises FileExistsError."""
        with _as_os_error():
            self._fs.pipe_file(f"{self._root}/{name}", data, mode="create")

    def put(self, name: str, data: bytes) -> None:
        """Write one object, in one put."""
        with _as_os_error():
            self._fs.pipe_file(f"{self._root}/{name}", data)

    def put_file(self, name: str, path: Path) -> None:
        """Write one object, in several parts that the store joins once it has them all."""
        with _as_os_error():
            self._fs.put_file(str(path), f"{self._root}/{name}")

    def open(self, name: str) -> BinaryIO:
        """Open an object for reading."""
        with _as_os_error():
            return io.BufferedReader(_ObjectReader(self._fs.open(f"{self._root}/{name}", "rb")))

    def read(self, name: str) -> bytes:
        """Return what an object holds."""
        with _as_os_error():
            data: bytes = self._fs.cat_file(f"{self._root}/{name}")
        return data

    def remove(self, name: str) -> None:
        """Remove an object, if it exists."""
        with _as_os_error(), suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{name}")

    def remove_all(self) -> None:
        """Remove every object of the prefix."""
        with _as_os_error():
            names = self._fs.find(self._root)
            if names:
                self._fs.rm(names)

    def list(self, folder: str) -> builtins.list[dict[str, Any]]:
        """Return the entries of a folder, as fsspec describes them; none if there is no such folder."""
        try:
            with _as_os_error():
                listed: builtins.list[dict[str, Any]] = self._fs.ls(
                    f"{self._root}/{folder}".rstrip("/"), detail=True
                )
        except FileNotFoundError:
            return []
        return listed

    def names(self, folder: str, suffix: str) -> builtins.list[str]:
        """Return the names in a folder that end with `suffix`, sorted."""
        found = (entry["name"].rpartition("/")[2] for entry in self.list(folder))
        return sorted(name for name in found if name.endswith(suffix))


class _ObjectReader(io.RawIOBase):
    """Reads an object; every failure is an OSError."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        """Return whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        with _as_os_error():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """End reading."""
        self._file.close()
        super().close()


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Turn any error of a store's client into an OSError.

    The clients have errors of their own for a store that cannot be reached, or whose credentials are missing
    or have expired; for a batch all of them mean that the output is away.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # the clients' errors have no base class of ours
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}") from error
