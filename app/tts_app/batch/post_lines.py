"""The lines of a file of posts: in UTF-8 or UTF-16, ended in any way, none so long that it is a danger."""

import codecs
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from tts_app.batch.post_record import PostsError

LINE_BYTES = 4 << 20
"""Most bytes of a record: enough for every language's longest text, in UTF-8."""
TOO_LONG = f"it has more than {LINE_BYTES >> 20} MiB; a text has 100,000 characters at most"
_BLOCK = 1 << 14


def encoding_of(start: bytes) -> str:
    """Return the encoding of a file by its first four bytes: `utf-8`, or a form of UTF-16.

    Without a byte order mark UTF-16 shows by its zeros, since a file of posts begins with two ASCII
    characters (RFC 4627, section 3).
    """
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = [byte == 0 for byte in start[:4]]
    if zeros == [False, True, False, True]:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False, True, False] else "utf-8"


def in_utf8(file: io.BufferedReader) -> io.BufferedReader:
    """Return a file whose bytes are UTF-8: `file` itself, or one that reads its UTF-16.

    Reading it raises PostsError where it is not the UTF-16 that it seems to be.
    """
    encoding = encoding_of(file.peek(4))
    return file if encoding == "utf-8" else io.BufferedReader(_Utf8(file, encoding))


class _Utf8(io.RawIOBase):
    """What a file has in another encoding, in UTF-8."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        super().__init__()
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._rest = b""
        self._ended = False
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Fill the buffer, and return with how many bytes."""
        while not self._rest and not self._ended:
            block = self._file.read(_BLOCK)
            self._ended = not block
            try:
                self._rest = self._decoder.decode(block, final=self._ended).encode()
            except UnicodeDecodeError as error:
                place = self._read + error.start
                raise PostsError(
                    f"it looks like UTF-16 and is not, near byte {place}: {error.reason}; save it as UTF-8"
                ) from error
            self._read += len(block)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line, which ends with LF, or None for one that is too long to be held."""
    while line := file.readline(LINE_BYTES + 1):
        if len(line) <= LINE_BYTES:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(LINE_BYTES)
        yield None


def any_lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line, which ends with CR, LF or both, or None for one that is too long to be held."""
    rest, dropped = b"", False
    while chunk := file.readline(LINE_BYTES + 1):
        rest += chunk
        start = 0
        for found in re.finditer(rb"\r\n|\n|\r(?!\Z)", rest):
            yield None if dropped or found.end() - start > LINE_BYTES else rest[start : found.end()]
            dropped, start = False, found.end()
        rest = rest[start:]
        if len(rest) > LINE_BYTES:
            # A CR at the end may be the first half of a line's end.
            rest, dropped = rest[-1:] if rest.endswith(b"\r") else b"", True
    if rest or dropped:
        yield None if dropped else rest
