"""Jain's index over the callers of a queue."""

import pytest

from tts_app.serving.fairness import WINDOW, Caller, Recent, fairness


def test_it_is_one_where_everybody_got_what_was_asked_for() -> None:
    assert fairness([Caller(1000, 1000), Caller(3, 3), Caller(1, 1)]) == 1


def test_it_is_one_without_callers_and_before_anything_was_served() -> None:
    assert fairness([]) == 1
    assert fairness([Caller(5, 0), Caller(7, 0)]) == 1


def test_who_asks_for_more_than_the_share_is_not_treated_unfairly() -> None:
    # 100 could be served: 10 for the one who asked for 10, and 90 for the one who asked for 1000.
    assert fairness([Caller(1000, 90), Caller(10, 10)]) == 1


def test_it_falls_to_one_in_n_where_one_caller_gets_all() -> None:
    callers = [Caller(1000, 1000), *[Caller(1000, 0) for _ in range(9)]]
    assert fairness(callers) == pytest.approx(0.1, abs=0.02)


def test_one_caller_who_is_starved_among_ten_costs_a_tenth() -> None:
    callers = [Caller(100, 0), *[Caller(200, 100) for _ in range(9)]]
    assert fairness(callers) == pytest.approx(0.9, abs=0.01)


def test_weights_count() -> None:
    assert fairness([Caller(100, 30, weight=3), Caller(100, 10)]) == 1
    assert fairness([Caller(1000, 10, weight=3), Caller(1000, 390)]) < 0.6


def test_a_request_that_has_just_come_is_not_unfair() -> None:
    assert fairness([Caller(1, 1), Caller(1, 0)]) == 1


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_recent_counts_the_last_minute_and_who_waits() -> None:
    clock = Clock()
    recent = Recent(clock)
    recent.admitted("old")
    clock.now = 30
    recent.admitted("a")
    recent.shed("a")
    recent.admitted("b")
    clock.now = WINDOW + 1
    found = recent.callers({"b": 2, "c": 1}, {"a": 4})
    assert sorted(found, key=lambda one: -one.weight)[0] == Caller(2, 1, 4)
    assert sorted((one.asked, one.got) for one in found if one.weight == 1) == [(1, 0), (3, 1)]
    clock.now = 1000
    assert recent.callers({}, {}) == []
