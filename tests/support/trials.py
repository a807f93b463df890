"""How often a test tries: a few times on landing, all times in `make test-all`."""

import os

ALL = os.environ.get("TTSP_TEST_ALL") == "1"
"""Whether every trial is wanted: `make test-all` sets the variable."""


def trials(landing: int, everything: int) -> int:
    """Return how many trials a test makes now."""
    return everything if ALL else landing
