"""The sizes that batches are padded to, so that few different ones are recorded. Pure."""

from bisect import bisect_left
from collections.abc import Sequence

BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
TOKENS = (32, 64, 96, 128, 192, 256, 384, 512)
FRAMES = (*range(32, 256, 32), *range(256, 512, 64), *range(512, 1281, 128))


def bucket(size: int, buckets: Sequence[int]) -> int:
    """Return the smallest of `buckets`, which ascend, that holds `size`; `size` itself where none does."""
    place = bisect_left(buckets, size)
    return buckets[place] if place < len(buckets) else size
