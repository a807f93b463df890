"""What is said of the time that a build still takes."""

import pytest

from cluster.binaries import BINARIES, NODE, OBSERVABILITY
from cluster.estimate import in_words, seconds_left


def test_seconds_left_before_anything_is_built_depends_on_the_cores() -> None:
    assert seconds_left(left=1200, done=0, elapsed=0, cores=2) == 600
    assert seconds_left(left=1200, done=0, elapsed=0, cores=4) == 300


@pytest.mark.parametrize(("elapsed", "expected"), [(250, 600), (500, 1100), (125, 350)])
def test_seconds_left_is_corrected_by_the_time_already_taken(elapsed: float, expected: float) -> None:
    """500 of work take 250 s on two cores as they are expected, 500 s on busy ones, 125 s on quick ones."""
    left = seconds_left(left=1200, done=500, elapsed=elapsed, cores=2)
    assert left == pytest.approx(expected)


def test_seconds_left_trusts_the_measured_speed_more_as_more_is_built() -> None:
    slow = [seconds_left(left=100, done=done, elapsed=2 * done, cores=2) for done in (0, 10, 100, 1000)]
    assert slow == sorted(slow)
    assert slow[0] == 50
    assert slow[-1] == pytest.approx(200, rel=0.1)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "less than a minute"), (60, "less than a minute"), (61, "about 2 min"), (600, "about 10 min")],
)
def test_in_words_gives_minutes(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_binaries_are_all_in_a_set_and_have_work() -> None:
    built = {*NODE, *OBSERVABILITY}
    assert built == set(BINARIES), "what no set of the tier programs has would have to be built in a test"
    assert all(binary.work > 0 for binary in BINARIES.values())
