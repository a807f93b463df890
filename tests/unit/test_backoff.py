"""The delays before retries."""

import pytest

from tts_app.backoff import Backoff


@pytest.mark.parametrize(
    ("failures", "delay"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (5000, 30.0)]
)
def test_backoff_doubles_up_to_its_longest_delay(failures: int, delay: float) -> None:
    assert Backoff(0.5, 30.0).after(failures) == delay


def test_backoff_without_a_longest_delay_stays_a_number() -> None:
    assert Backoff(1.0).after(5000) == 2.0**62
