"""What watches an engine's calls, for the metrics."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol


class SegmentOutcome(StrEnum):
    """How a segment ended."""

    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Its caller left before it was spoken, or while it was."""


class EngineWatch(Protocol):
    """Is told of the calls of an engine, by any thread."""

    def waited(self, seconds: float) -> None:
        """A segment waited so long for its call, which begins now."""

    def called(self, segments: int, seconds: float, audio: float, padding: float) -> None:
        """A call of some segments has computed for `seconds` and returned `audio` seconds.

        A second in which all that the engine can use at a time is busy counts as one: a call that has one of
        n cores counts 1/n. `padding` is the share of the call's frames that was padding.
        """

    def ended(self, outcome: SegmentOutcome) -> None:
        """A segment has ended."""


class Unwatched:
    """An EngineWatch that does nothing."""

    def waited(self, seconds: float) -> None:
        """Do nothing."""

    def called(self, segments: int, seconds: float, audio: float, padding: float) -> None:
        """Do nothing."""

    def ended(self, outcome: SegmentOutcome) -> None:
        """Do nothing."""


UNWATCHED = Unwatched()


def padding(frames: Sequence[float]) -> float:
    """Return the share of a call's frames that is padding, where its segments have so many: 0 to 1."""
    longest = max(frames, default=0.0)
    return 1 - sum(frames) / (len(frames) * longest) if longest > 0 else 0.0
