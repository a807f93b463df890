"""The estimated time to the end of a batch."""

from tts_app.batch.pace import WINDOW, Pace


def test_the_time_left_follows_the_pace() -> None:
    pace = Pace()
    pace.mark(0, 10)
    pace.mark(100, 60)
    assert pace.left(100, 60, 160) == 200, "half an item a second, a hundred are left"


def test_without_a_settled_item_nothing_is_known() -> None:
    pace = Pace()
    assert pace.left(0, 0, 10) is None
    pace.mark(0, 5)
    assert pace.left(60, 5, 10) is None, "those of an earlier run say nothing"


def test_nothing_is_left_at_the_end() -> None:
    pace = Pace()
    pace.mark(0, 0)
    assert pace.left(10, 7, 7) == 0


def test_only_the_last_minutes_count() -> None:
    pace = Pace()
    for second in range(0, 1000, 10):
        pace.mark(second, second)  # an item a second
    for second in range(1000, 1000 + round(WINDOW) + 10, 10):
        pace.mark(second, 1000 + (second - 1000) // 10)  # ten times as slow
    now = 1000 + WINDOW
    left = pace.left(now, 1000 + round(WINDOW) // 10, 1000 + round(WINDOW) // 10 + 6)
    assert left is not None
    assert 50 <= left <= 60
