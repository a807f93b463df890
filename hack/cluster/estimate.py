"""How long the rest of a build takes."""

import math

_KNOWN = 100.0
"""After so much work, what this machine needed for it counts as much as what is expected of any."""


def seconds_left(left: float, done: float, elapsed: float, cores: int) -> float:
    """Estimate the seconds that the work that is `left` takes.

    Work is in CPU seconds, as `Binary.work`. A machine is expected to do one of them a second on each of its
    cores. The `elapsed` seconds in which it has `done` some correct that.
    """
    return left * (_KNOWN / cores + elapsed) / (_KNOWN + done)


def in_words(seconds: float) -> str:
    """Say it in whole minutes, rounded up: more would promise too much."""
    minutes = math.ceil(seconds / 60)
    return "less than a minute" if minutes <= 1 else f"about {minutes} min"
