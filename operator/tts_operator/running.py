"""Which reconciles run, for how long, and how they end."""

import time
from collections.abc import Awaitable, Callable

from tts_app.telemetry import traces
from tts_operator import metrics
from tts_operator.reconcile.queue import K

STALLED_SECONDS = 120.0
"""A reconcile that takes longer hangs, and the operator should be restarted."""


class Running:
    """The running reconciles."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is monotonic, in seconds."""
        self._clock = clock
        self._started: dict[object, float] = {}

    @property
    def is_alive(self) -> bool:
        """Whether none of them hangs."""
        now = self._clock()
        return all(now - started < STALLED_SECONDS for started in self._started.values())

    def measured(
        self, reconcile: Callable[[K], Awaitable[float | None]]
    ) -> Callable[[K, float], Awaitable[float | None]]:
        """Return `reconcile`, counted and timed, in the form that `work` calls: with its key's wait."""

        async def run(key: K, waited: float) -> float | None:
            metrics.QUEUE_SECONDS.observe(waited)
            one = object()
            self._started[one] = started = self._clock()
            outcome = "failed"
            attributes = {f"ttsp.{name}": value for name, value in key._asdict().items()}
            try:
                with traces.entry("reconcile", attributes={**attributes, "ttsp.waited_seconds": waited}):
                    again = await reconcile(key)
                outcome = "done"
            finally:
                del self._started[one]
                metrics.RECONCILE_SECONDS.observe(self._clock() - started)
                metrics.RECONCILES.labels(outcome).inc()
            return again

        return run
