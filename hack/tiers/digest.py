"""A hash of files: what a test covered when it last passed."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path


def digest(root: Path, paths: Iterable[str]) -> str:
    """Return a hash of the names and bytes of files, and of all files of folders but byte code.

    Raises:
        ValueError: there is no file at one of the paths, which is then written wrong.
    """
    found = hashlib.sha256()
    for path in sorted(paths):
        files = list(_files(root / path))
        if not files:
            raise ValueError(f"{root / path} has no files: name one that has, or leave it out")
        for file in sorted(files):
            content = file.read_bytes()
            found.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for below in path.rglob("*"):
        if below.is_file() and "__pycache__" not in below.parts:
            yield below
