"""What engines keep of clips."""

import numpy as np

from tts_app.engines.base import Clip
from tts_app.engines.clips import MOST_CLIPS, ComputedOfClips


def clip(digest: str) -> Clip:
    return Clip(digest, np.zeros(3, np.float32), 16_000, "Hello.")


def test_value_is_computed_once_until_it_is_forgotten() -> None:
    computed: list[str] = []
    kept = ComputedOfClips(lambda clip: computed.append(clip.digest) or len(computed))
    assert [kept.of(clip("a")), kept.of(clip("b")), kept.of(clip("a"))] == [1, 2, 1]
    kept.forget("a")
    kept.forget("unknown")
    assert [kept.of(clip("a")), kept.of(clip("b"))] == [3, 2]
    kept.forget_all()
    assert kept.of(clip("b")) == 4


def test_value_that_was_not_used_for_longest_goes_first() -> None:
    computed: list[str] = []
    kept = ComputedOfClips(lambda clip: computed.append(clip.digest))
    for number in range(MOST_CLIPS):
        kept.of(clip(str(number)))
    kept.of(clip("0"))
    kept.of(clip("more"))
    del computed[:]
    kept.of(clip("0"))
    kept.of(clip("1"))
    assert computed == ["1"]
