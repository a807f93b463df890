"""Metrics of the queues of models."""

from enum import StrEnum

from tts_app.telemetry.metrics.instruments import SECONDS, Counter, Gauge, Histogram
from tts_app.telemetry.metrics.labels import Kind, Priority


class Shed(StrEnum):
    """Why a request was not let into a queue, or not left in it."""

    FULL = "full"
    """It came when the queue was full."""
    DISPLACED = "displaced"
    """It waited, and another tenant's took its place."""
    CHECKS = "checks"
    """Too many texts waited to be checked."""
    STORED = "stored"
    """Too many stored speeches were unfinished."""


class QueueMetrics:
    """The figures of the queues of one kind of model. Make one per replica and kind."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._waiting = Gauge("ttsp_queue_waiting", "Requests that wait.", "kind", "model", "priority")
        self._running = Gauge("ttsp_queue_running", "Requests admitted.", "kind", "model")
        self._wait = Histogram(
            "ttsp_queue_wait_seconds",
            "Seconds from joining to admission.",
            SECONDS,
            *("kind", "model", "priority"),
        )
        self._shed = Counter("ttsp_queue_shed", "Requests that got no place.", "kind", "model", "reason")
        self._fairness = Gauge(
            "ttsp_queue_fairness_ratio",
            "Jain's index over the callers of the last minute: 1 where each had its share.",
            *("kind", "model"),
        )

    def waiting(self, model: str, priority: Priority, number: int) -> None:
        """Show how many requests wait for a model."""
        self._waiting.set(number, self._kind, model, priority)

    def running(self, model: str, number: int) -> None:
        """Show how many requests a model has admitted."""
        self._running.set(number, self._kind, model)

    def admitted(self, model: str, priority: Priority, seconds: float) -> None:
        """Record that a request was admitted, `seconds` after it joined."""
        self._wait.observe(seconds, self._kind, model, priority)

    def shed(self, model: str, reason: Shed) -> None:
        """Record that a request got no place."""
        self._shed.inc(self._kind, model, reason)

    def fairness(self, model: str, index: float) -> None:
        """Show how fairly a model's callers were served, 0 to 1."""
        self._fairness.set(index, self._kind, model)
