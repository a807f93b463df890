"""The `Range` header (RFC 9110, section 14)."""

import re

from tts_app.api.errors import ApiError

_RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})[ \t]*-[ \t]*(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the start and end (exclusive) that `header` asks for in a file of `size` bytes.

    None means to send the whole file, as the standard wants if the header is not understood or asks for
    several ranges.

    Raises:
        ApiError: 416, the range is outside the file.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start = int(first)
        if last and int(last) < start:
            return None
        end = min(int(last) + 1, size) if last else size
    if start >= end:
        raise ApiError(
            416,
            f"The file has {size} bytes, and {header[:40]!r} is not in it.",
            param="Range",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end
