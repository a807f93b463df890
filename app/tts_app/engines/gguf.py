"""Reads the metadata of a GGUF file from its head in milliseconds; the package `gguf` takes seconds."""

import struct
from pathlib import Path
from typing import Any, BinaryIO

from tts_app.engines.base import EngineError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LONGEST = 1 << 26
"""Bytes of a string, or items of an array; a file that claims more counts as damaged."""


def find_gguf(files: Path) -> Path:
    """Return the GGUF file that `files` is or holds; for a model in several files, the first one.

    Raises:
        EngineError: there is no such file, there are several models, or a part is missing.
    """
    if files.is_file():
        return files
    if not files.exists():
        raise EngineError(f"{files} does not exist.")
    found = sorted(path for path in files.rglob("*.gguf") if not path.name.startswith("mmproj"))
    firsts = [path for path in found if "-of-" not in path.stem or "-00001-of-" in path.stem]
    if not found:
        raise EngineError(f"{files} holds no GGUF file (*.gguf).")
    if len(firsts) != 1:
        many = f"{len(found)} GGUF files of several models"
        raise EngineError(f"{files} holds {many}. Name the one to serve in `source.uri`.")
    return firsts[0]


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the scalars and strings of a GGUF file's head by key; for an array, its length.

    Raises:
        EngineError: it is not a GGUF file of version 2 or 3, or is cut off in its head.
    """
    with path.open("rb") as file:
        if (magic := file.read(4)) != b"GGUF":
            raise EngineError(f"{path} is not a GGUF file: it begins with {magic!r}.")
        try:
            version, _, count = struct.unpack("<IQQ", file.read(20))
            if version not in (2, 3):
                raise EngineError(f"{path} is GGUF of version {version}; 2 and 3 can be read.")
            return {_string(file): _value(file, *struct.unpack("<I", file.read(4))) for _ in range(count)}
        except (struct.error, KeyError, UnicodeDecodeError, ValueError) as error:
            raise EngineError(f"{path} is damaged: its head cannot be read ({error}).") from error


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        code = f"<{_SCALARS[kind]}"
        return struct.unpack(code, file.read(struct.calcsize(code)))[0]
    item, length = struct.unpack("<IQ", file.read(12))
    if length > _LONGEST:
        raise ValueError(f"an array of {length} items")
    if item in _SCALARS:
        file.seek(length * struct.calcsize(f"<{_SCALARS[item]}"), 1)
    else:
        for _ in range(length):
            _value(file, item)
    return length


def _string(file: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _LONGEST:
        raise ValueError(f"a string of {length} bytes")
    content = file.read(length)
    if len(content) < length:
        raise ValueError("it is cut off")
    return content.decode("utf-8")
