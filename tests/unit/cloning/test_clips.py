"""Clips go to a replica once, stay for a while, and are gone when their voice is revoked."""

import numpy as np
import pytest

from tts_app.cloning.clips import ClipCache, MissingClip, digest_of, named_clip
from tts_app.engines.base import Clip, EngineError, Segment

SOUND = np.ones(10, np.float32)


def clip(digest: str) -> Clip:
    return Clip(digest, SOUND, 24_000, "Words.")


def segment(given: Clip | None) -> Segment:
    return Segment("Hello.", "", "en-US", "", clip=given)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def forgotten() -> list[str]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(forgotten: list[str], clock: Clock) -> ClipCache:
    return ClipCache(forgotten.append, most=2, lease=100.0, clock=clock)


def sound_of(cache: ClipCache, digest: str) -> bool:
    """Whether the cache has the sound of a clip."""
    found = cache.filled(segment(named_clip(digest)))
    if isinstance(found, MissingClip):
        assert found.digest == digest
        return False
    assert found.clip is not None
    assert found.clip.audio.size
    return True


def test_segment_without_a_clip_is_left_alone(cache: ClipCache) -> None:
    assert named_clip("") is None
    plain = segment(None)
    assert cache.filled(plain) is plain


def test_missing_clip_is_asked_for_once(cache: ClipCache) -> None:
    assert not sound_of(cache, "a")
    given = cache.filled(segment(clip("a")))
    assert isinstance(given, Segment)
    assert sound_of(cache, "a")


def test_few_clips_are_kept_and_engines_forget_the_others(cache: ClipCache, forgotten: list[str]) -> None:
    for digest in "ab":
        cache.filled(segment(clip(digest)))
    assert sound_of(cache, "a"), "b is now the one that was not used for longest"
    cache.filled(segment(clip("c")))
    assert forgotten == ["b"]
    assert [sound_of(cache, digest) for digest in "abc"] == [True, False, True]


def test_clip_must_be_handed_over_anew_after_its_lease(
    cache: ClipCache, forgotten: list[str], clock: Clock
) -> None:
    cache.filled(segment(clip("a")))
    clock.now = 99.0
    assert sound_of(cache, "a")
    clock.now = 100.0
    assert not sound_of(cache, "a")
    assert forgotten == ["a"]


def test_revoked_clip_is_refused_even_with_its_sound(cache: ClipCache, forgotten: list[str]) -> None:
    cache.filled(segment(clip("a")))
    cache.revoke("a")
    assert forgotten == ["a"]
    for given in (named_clip("a"), clip("a")):
        with pytest.raises(EngineError, match="was revoked"):
            cache.filled(segment(given))


def test_clip_that_was_dropped_while_it_was_spoken_with_is_forgotten_again(
    cache: ClipCache, forgotten: list[str]
) -> None:
    cache.use({"reference": clip("own")})
    cache.filled(segment(clip("a")))
    for digest in ("a", "own"):
        cache.spoken(clip(digest))
    assert forgotten == []
    cache.revoke("a")
    cache.spoken(clip("a"))
    assert forgotten == ["a", "a"]


def test_model_s_own_clips_stay_and_go_with_its_voices(cache: ClipCache, forgotten: list[str]) -> None:
    cache.use({"reference": clip("own")})
    for digest in "abc":
        cache.filled(segment(clip(digest)))
    found = cache.filled(segment(named_clip("reference")))
    assert isinstance(found, Segment)
    assert found.clip is not None
    assert found.clip.digest == "own"
    cache.use({"renamed": clip("own")})
    assert "own" not in forgotten
    cache.use({})
    assert forgotten[-1] == "own"
    assert not sound_of(cache, "reference")


def test_digest_tells_voices_words_and_sounds_apart() -> None:
    digests = {
        digest_of(owner, sound, words)
        for owner in ("voice_1", "voice_2")
        for sound in (SOUND, SOUND * 2)
        for words in ("One.", "Two.")
    }
    assert len(digests) == 8
    assert digest_of("voice_1", SOUND, "One.") in digests
