"""The operator's own metrics, for Prometheus."""

from collections import Counter as Count
from collections.abc import Hashable, Iterable

from prometheus_client import Counter, Gauge, Histogram

RECONCILES = Counter("tts_operator_reconciles_total", "Services and TTSJobs reconciled.", ["outcome"])
RECONCILE_SECONDS = Histogram(
    "tts_operator_reconcile_seconds",
    "Seconds that one reconcile took.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
QUEUE_SECONDS = Histogram(
    "tts_operator_queue_seconds",
    "Seconds from the event that made a service or TTSJob due to the start of its reconcile.",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60),
)
QUEUE_DEPTH = Gauge("tts_operator_queue_depth", "Services and TTSJobs that wait to be reconciled.")
API_CALLS = Counter(
    "tts_operator_api_calls_total", "Requests to the Kubernetes API.", ["verb", "kind", "code"]
)
RESOURCES = Gauge(
    "tts_operator_resources", "Resources by the state of a condition.", ["kind", "type", "status"]
)
LEADER = Gauge("tts_operator_leader", "1 while this operator holds the Lease.")


class Conditions:
    """Keeps RESOURCES: the latest conditions of the resources of each service, and of each TTSJob."""

    def __init__(self) -> None:
        self._reported: dict[Hashable, Count[tuple[str, str, str]]] = {}

    def report(self, owner: Hashable, conditions: Iterable[tuple[str, str, bool]]) -> None:
        """Set kind, type and status of every condition of an owner; without conditions, drop the owner."""
        now = Count((kind, type_, str(status)) for kind, type_, status in conditions)
        before = self._reported.pop(owner, Count())
        if now:
            self._reported[owner] = now
        for state in now.keys() | before.keys():
            RESOURCES.labels(*state).inc(now[state] - before[state])


CONDITIONS = Conditions()
