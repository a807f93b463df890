"""Stop strings: they end an answer and are never part of it, wherever the borders of its tokens are."""

from collections.abc import Sequence


class StopStrings:
    """Passes text on up to the first stop string, and holds back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def take(self, text: str) -> tuple[str, bool]:
        """Return the part of the text so far that may go out, and whether a stop string was found."""
        held = self._held + text
        found = [at for stop in self._stops if (at := held.find(stop)) >= 0]
        if found:
            self._held = ""
            return held[: min(found)], True
        keep = max((_overlap(held, stop) for stop in self._stops), default=0)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep], False

    def rest(self) -> str:
        """Return the text held back, once the answer has ended: it was no stop string."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Return how many of the last characters of `text` are the first ones of `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
