"""The silence that a listener hears who plays from the first audio on."""

import pytest

from tts_app.telemetry.listener import Listener


def silence(*taken: tuple[float, float]) -> float:
    """What is heard of pieces that are ready at a time and last some seconds."""
    listener = Listener()
    for now, seconds in taken:
        listener.take(now, seconds)
    return listener.silence


def test_audio_that_is_always_ahead_has_no_gap() -> None:
    assert silence((1.0, 2.0), (2.0, 2.0), (4.9, 1.0)) == 0


def test_the_wait_for_the_first_audio_is_no_gap() -> None:
    assert silence((100.0, 1.0)) == 0


def test_gaps_are_added_up() -> None:
    # 1 s from 0, the next is ready at 1.5: a gap of 0.5; it lasts till 2.5, the next comes at 3.5.
    assert silence((0.0, 1.0), (1.5, 1.0), (3.5, 1.0)) == pytest.approx(0.5 + 1.0)


def test_what_was_ahead_before_a_gap_does_not_count_after_it() -> None:
    # 5 s are ready at once and played till 5; then the playing begins anew at 6.
    assert silence((0.0, 5.0), (6.0, 1.0), (7.5, 1.0)) == pytest.approx(1.0 + 0.5)


def test_pieces_without_audio_are_not_heard() -> None:
    assert silence((0.0, 0.0), (5.0, 1.0), (5.5, 0.0), (6.0, 1.0)) == 0
