"""How long to wait before a retry."""

FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0


def delay(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row, at least one; they double each time."""
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 16))
