"""Estimates how long the rest of a build takes."""

import math

_KNOWN = 100.0
"""After so much work, this machine's measured time counts as much as the expected time of any machine."""


def seconds_left(left: float, done: float, elapsed: float, cores: int) -> float:
    """Return an estimate of the seconds that the work `left` takes.

    Work is in CPU seconds, like `Binary.work`. The expectation is one of them per second on each core; the
    `elapsed` seconds that the work `done` took correct it.
    """
    return left * (_KNOWN / cores + elapsed) / (_KNOWN + done)


def in_words(seconds: float) -> str:
    """Return the time in whole minutes, rounded up: anything finer would be false precision."""
    minutes = math.ceil(seconds / 60)
    return "less than a minute" if minutes <= 1 else f"about {minutes} min"
