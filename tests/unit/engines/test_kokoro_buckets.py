"""The sizes that batches are padded to."""

import pytest

from tts_app.engines.kokoro.buckets import BATCHES, FRAMES, TOKENS, bucket
from tts_app.engines.kokoro.model import MAX_TOKENS
from tts_app.engines.kokoro.torch_model import MAX_BATCH


@pytest.mark.parametrize(("size", "expected"), [(1, 32), (32, 32), (33, 64), (510, 512), (512, 512)])
def test_bucket_is_the_smallest_that_holds_a_size(size: int, expected: int) -> None:
    assert bucket(size, TOKENS) == expected


def test_bucket_of_a_size_beyond_all_is_the_size() -> None:
    assert bucket(FRAMES[-1] + 1, FRAMES) == FRAMES[-1] + 1


@pytest.mark.parametrize("buckets", [BATCHES, TOKENS, FRAMES])
def test_buckets_ascend(buckets: tuple[int, ...]) -> None:
    assert list(buckets) == sorted(set(buckets))


def test_buckets_hold_the_longest_segment_and_the_largest_batch() -> None:
    assert TOKENS[-1] >= MAX_TOKENS + 2
    assert BATCHES[-1] == MAX_BATCH


def test_buckets_of_frames_pad_an_eighth_at_most_on_average() -> None:
    sizes = range(64, FRAMES[-1] + 1)
    assert sum(bucket(size, FRAMES) / size - 1 for size in sizes) / len(sizes) < 1 / 8
