"""How long to wait before a retry: the one rule of app and operator."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays in seconds that double with each failure in a row, up to a longest one."""

    first: float
    longest: float = math.inf

    def after(self, failures: int) -> float:
        """Return the delay after so many failures in a row, at least one."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 62))
