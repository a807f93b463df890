"""The operator's own metrics, for Prometheus; docs/metrics.md lists them."""

from collections import Counter as Count
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Info
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tts_app import __version__
from tts_operator.observed.conditions import State
from tts_operator.observed.jobs import Advance
from tts_operator.reasons import REASONS

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
API_CALL_SECONDS = Histogram(
    "tts_operator_api_call_seconds",
    "Seconds that one request to the Kubernetes API took.",
    ["verb"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)
CONDITION_STATES = Gauge(
    "tts_operator_conditions",
    "Resources by the state of a condition and the reason for it.",
    ["kind", "type", "status", "reason"],
)
TTSJOBS = Gauge("tts_operator_ttsjobs", "TTSJobs by phase.", ["phase"])
TTSJOB_ITEMS = Gauge(
    "tts_operator_ttsjob_items",
    "Items of the TTSJobs that exist: done, failed, skipped (done before), open.",
    ["state"],
)
TTSJOB_ETA = Gauge(
    "tts_operator_ttsjob_eta_seconds",
    "Longest estimated time to the end of a running TTSJob; 0 where none runs that has done items.",
)
LEADER = Gauge("tts_operator_leader", "1 while this operator holds the Lease.")
BUILD = Info("tts_operator_build", "The operator's version.")
BUILD.info({"version": __version__})


class CacheAge(Collector):
    """Reads the ages of the cache when Prometheus asks; none while the operator is on standby."""

    def __init__(self) -> None:
        self.read: Callable[[], Mapping[str, float]] = dict
        """Returns seconds by kind."""

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metric without samples."""
        yield self._family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metric."""
        family = self._family()
        for kind, seconds in self.read().items():
            family.add_metric([kind], seconds)
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "tts_operator_cache_age_seconds",
            "Seconds since the last event or list that proved the watch of a kind alive.",
            labels=["kind"],
        )


class _Tally:
    """Keeps a gauge of many owners: the sum of the latest counts of each, by labels."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._reported: dict[Hashable, Count[tuple[str, ...]]] = {}

    def report(self, owner: Hashable, now: Count[tuple[str, ...]]) -> None:
        """Set the counts of an owner; without counts, drop the owner."""
        before = self._reported.pop(owner, Count())
        if now:
            self._reported[owner] = now
        for labels in now.keys() | before.keys():
            self._gauge.labels(*labels).inc(now[labels] - before[labels])


class Conditions:
    """Keeps CONDITION_STATES: the latest conditions of the resources of each service, and of each TTSJob."""

    def __init__(self) -> None:
        self._tally = _Tally(CONDITION_STATES)

    def report(self, owner: Hashable, states: Iterable[State]) -> None:
        """Set the state of every condition of an owner; without conditions, drop the owner.

        A reason that another version of the operator wrote counts as `Other`.
        """
        self._tally.report(owner, Count(map(_labels, states)))


def _labels(state: State) -> tuple[str, str, str, str]:
    reason = state.reason if state.reason in REASONS else "Other"
    return state.kind, state.type, str(state.status), reason


class Jobs:
    """Keeps TTSJOBS, TTSJOB_ITEMS and TTSJOB_ETA: how far each TTSJob is."""

    def __init__(self) -> None:
        self._phases, self._items = _Tally(TTSJOBS), _Tally(TTSJOB_ITEMS)
        self._etas: dict[Hashable, float] = {}

    def report(self, job: Hashable, advance: Advance | None) -> None:
        """Set how far a job is; None drops it."""
        self._phases.report(job, Count() if advance is None else Count([(advance.phase,)]))
        items: Mapping[str, int] = {} if advance is None else advance.items
        self._items.report(job, Count({(state,): number for state, number in items.items()}))
        if advance is None or advance.eta is None:
            self._etas.pop(job, None)
        else:
            self._etas[job] = advance.eta
        TTSJOB_ETA.set(max(self._etas.values(), default=0.0))


CACHE_AGE = CacheAge()
REGISTRY.register(CACHE_AGE)
CONDITIONS = Conditions()
JOBS = Jobs()
