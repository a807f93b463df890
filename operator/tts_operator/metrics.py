"""What the operator measures of itself, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

RECONCILES = Counter("tts_operator_reconciles_total", "Services reconciled.", ["outcome"])
RECONCILE_SECONDS = Histogram(
    "tts_operator_reconcile_seconds",
    "Seconds that one reconcile took.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
QUEUE_SECONDS = Histogram(
    "tts_operator_queue_seconds",
    "Seconds from the event that made a service due to the start of its reconcile.",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60),
)
QUEUE_DEPTH = Gauge("tts_operator_queue_depth", "Services that wait to be reconciled.")
API_CALLS = Counter(
    "tts_operator_api_calls_total", "Requests to the Kubernetes API.", ["verb", "kind", "code"]
)
LEADER = Gauge("tts_operator_leader", "1 while this operator holds the Lease.")
