"""Metrics of batches: those of the API, and the items of every batch."""

from collections.abc import Mapping
from enum import StrEnum

from tts_app.telemetry.metrics.instruments import Counter, Gauge


class BatchState(StrEnum):
    """A batch that has not ended."""

    QUEUED = "queued"
    RUNNING = "running"


class BatchOutcome(StrEnum):
    """How a batch ended."""

    SUCCEEDED = "succeeded"
    PARTIALLY_FAILED = "partially_failed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ItemOutcome(StrEnum):
    """How an item ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Its audio was there before this run."""


class ItemState(StrEnum):
    """An item of a batch that is running."""

    WAITING = "waiting"
    RUNNING = "running"


class HostedMetrics:
    """The gateway's figures about batches of the API. Make one per replica."""

    def __init__(self) -> None:
        self._batches = Gauge("ttsp_batches", "Batches that have not ended.", "state")
        self._finished = Counter("ttsp_batches_finished", "Batches that ended.", "outcome")
        self._oldest = Gauge("ttsp_batch_oldest_age_seconds", "Age of the oldest batch that has not ended.")

    def open(self, states: Mapping[BatchState, int], oldest: float) -> None:
        """Show how many batches have not ended, and the age of the oldest in seconds: 0 if there is none."""
        for state in BatchState:
            self._batches.set(states.get(state, 0), state)
        self._oldest.set(oldest)

    def ended(self, outcome: BatchOutcome) -> None:
        """Record that a batch ended."""
        self._finished.inc(outcome)


class ItemMetrics:
    """The figures of the batch that a process runs, of the API or of a TTSJob. Make one per process."""

    def __init__(self) -> None:
        self._items = Counter("ttsp_batch_items", "Items that ended.", "outcome")
        self._open = Gauge("ttsp_batch_items_open", "Items of running batches.", "state")
        self._retries = Counter("ttsp_batch_retries", "Items that were tried again.")
        self._eta = Gauge("ttsp_batch_eta_seconds", "Estimated seconds to the end of the running batch.")

    def ended(self, outcome: ItemOutcome, number: int = 1) -> None:
        """Record that items ended."""
        self._items.add(number, outcome)

    def retried(self) -> None:
        """Record that an item is tried again."""
        self._retries.inc()

    def open(self, waiting: int, running: int) -> None:
        """Show how many items wait and are being spoken."""
        self._open.set(waiting, ItemState.WAITING)
        self._open.set(running, ItemState.RUNNING)

    def eta(self, seconds: float) -> None:
        """Show the estimated seconds to the end."""
        self._eta.set(seconds)
