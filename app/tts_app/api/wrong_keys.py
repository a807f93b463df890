"""Callers that send wrong keys: counted by address, and answered more and more slowly."""

import time
from collections import OrderedDict
from collections.abc import Callable

_FREE = 10
"""Wrong keys that an address may send before it is slowed."""
_PAUSE = 1.0
"""Seconds between the answers to one address after that; each pause that passes forgives one wrong key."""
_LONGEST = 5.0
"""Seconds that an answer is delayed at most: beyond that it is refused at once."""
_ADDRESSES = 10_000
"""Addresses that are remembered; the one that was seen least recently is forgotten."""


class WrongKeys:
    """When each address may next be answered: a leaky bucket (ITU-T I.371, "virtual scheduling").

    A right key is never slowed: others behind the same address, a proxy's or an office's, are not locked out.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._clear_at: OrderedDict[str, float] = OrderedDict()
        """When the last wrong key of an address is forgiven."""

    def delay(self, address: str) -> float | None:
        """Count a wrong key; return the seconds to wait before the answer, or None to refuse at once."""
        now = self._clock()
        clear_at = max(now, self._clear_at.pop(address, now)) + _PAUSE
        wait = max(0.0, clear_at - now - _FREE * _PAUSE)
        refused = wait > _LONGEST
        self._clear_at[address] = clear_at - _PAUSE if refused else clear_at
        if len(self._clear_at) > _ADDRESSES:
            self._clear_at.popitem(last=False)
        return None if refused else wait
