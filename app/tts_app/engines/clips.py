"""What a cloning engine has computed of clips: kept for the next segment, forgotten when a voice is."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from tts_app.engines.base import Clip

_Computed = TypeVar("_Computed")
MOST_CLIPS = 64
"""Clips whose values are kept: the one that was not used for longest goes first."""


class ComputedOfClips(Generic[_Computed]):
    """Values computed of clips, by the clip's digest. Thread-safe: one is computed at a time.

    Args:
        compute: makes the value of a clip.
    """

    def __init__(self, compute: Callable[[Clip], _Computed]) -> None:
        self._compute = compute
        self._values: OrderedDict[str, _Computed] = OrderedDict()
        # Held while a value is computed too: else `forget` might run before the value is kept.
        self._lock = Lock()

    def of(self, clip: Clip) -> _Computed:
        """Return the value of the clip, computed if it is not kept."""
        with self._lock:
            if clip.digest not in self._values:
                self._values[clip.digest] = self._compute(clip)
            self._values.move_to_end(clip.digest)
            if len(self._values) > MOST_CLIPS:
                self._values.popitem(last=False)
            return self._values[clip.digest]

    def forget(self, digest: str) -> None:
        """Destroy the value of the clip with that digest, if there is one."""
        with self._lock:
            self._values.pop(digest, None)

    def forget_all(self) -> None:
        """Destroy all values."""
        with self._lock:
            self._values.clear()
