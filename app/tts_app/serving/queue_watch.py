"""Watches the queue of one model for the metrics."""

import time
from collections.abc import Callable, Mapping

from tts_app.serving.admission import Admission
from tts_app.serving.fairness import Recent, fairness
from tts_app.telemetry.metrics.labels import Priority
from tts_app.telemetry.metrics.queue import QueueMetrics, Shed


class QueueWatch:
    """A Watcher that records. For one event loop."""

    def __init__(
        self,
        model: str,
        metrics: QueueMetrics,
        weights: Mapping[str, int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._metrics = metrics
        self._weights = weights
        self._recent = Recent(clock)

    def joined(self, admission: Admission, background: bool) -> None:
        """Show at once that somebody waits: the next look at the queue may come when the wait is over."""
        if background:
            self._metrics.waiting(self._model, Priority.BACKGROUND, admission.waiting_background)
        else:
            self._metrics.waiting(self._model, Priority.INTERACTIVE, admission.waiting_callers)

    def admitted(self, tenant: str, background: bool, seconds: float) -> None:
        """Record that a request was given a slot."""
        self._recent.admitted(tenant)
        priority = Priority.BACKGROUND if background else Priority.INTERACTIVE
        self._metrics.admitted(self._model, priority, seconds)

    def shed(self, tenant: str, displaced: bool) -> None:
        """Record that a request got no place."""
        self._recent.shed(tenant)
        self._metrics.shed(self._model, Shed.DISPLACED if displaced else Shed.FULL)

    def show(self, admission: Admission) -> None:
        """Show how the queue is now, and how fairly its callers were served."""
        self._metrics.running(self._model, admission.running)
        self._metrics.waiting(self._model, Priority.INTERACTIVE, admission.waiting_callers)
        self._metrics.waiting(self._model, Priority.BACKGROUND, admission.waiting_background)
        callers = self._recent.callers(admission.waiting_of_tenants(), self._weights)
        self._metrics.fairness(self._model, fairness(callers))
