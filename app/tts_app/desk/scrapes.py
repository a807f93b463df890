"""Metrics as Prometheus reads them, and what happened between two scrapes: pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Series = Mapping[Labels, float]


@dataclass(frozen=True, slots=True)
class Scrape:
    """Samples that were read at one time."""

    seconds: float
    """When, on a clock that never goes back."""
    samples: Mapping[str, Series]
    """Values by their labels, by name."""

    def sum(self, name: str, **labels: str) -> float | None:
        """Return the sum of a gauge's series that have these labels; None: there is none."""
        found = list(_values(self.samples.get(name, {}), labels))
        return sum(found) if found else None

    def largest(self, name: str, **labels: str) -> float | None:
        """Return the largest of a gauge's series that have these labels; None: there is none."""
        return max(_values(self.samples.get(name, {}), labels), default=None)

    def values_of(self, label: str, names: Iterable[str]) -> list[str]:
        """Return the values that `label` has in the series of `names`, sorted."""
        series = (labels for name in names for labels in self.samples.get(name, {}))
        return sorted({value for labels in series for key, value in labels if key == label})


@dataclass(frozen=True, slots=True)
class Span:
    """What happened between two scrapes."""

    before: Scrape
    now: Scrape

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.now.seconds - self.before.seconds

    def increase(self, name: str, **labels: str) -> float | None:
        """Return by how much a counter grew, all its series together; None: it has no series.

        A series that is new counts from 0, and one that became less as well: its process started again.
        """
        grown = [increase for _, increase in self._increases(name, labels)]
        return sum(grown) if grown else None

    def rate(self, name: str, **labels: str) -> float | None:
        """Return a counter's growth a second; None: it has no series, or no time has passed."""
        grown = self.increase(name, **labels)
        return None if grown is None or self.seconds <= 0 else grown / self.seconds

    def quantile(self, share: float, name: str, **labels: str) -> float | None:
        """Return the value below which `share` of a histogram's observations lie; None: there are none.

        Within a bucket the observations are taken as spread evenly, as PromQL's histogram_quantile does; what
        lies in the last bucket is its lower end.
        """
        buckets: dict[float, float] = defaultdict(float)
        for found, increase in self._increases(f"{name}_bucket", labels):
            buckets[float(dict(found)["le"])] += increase
        return _quantile(share, sorted(buckets.items()))

    def _increases(self, name: str, labels: Mapping[str, str]) -> Iterator[tuple[Labels, float]]:
        before = self.before.samples.get(name, {})
        for found, value in self.now.samples.get(name, {}).items():
            if labels.items() <= set(found):
                earlier = before.get(found, 0.0)
                yield found, value - earlier if value >= earlier else value


def parse(seconds: float, texts: Iterable[str]) -> Scrape:
    """Return the samples of what several endpoints answered.

    Raises:
        ValueError: one is not in Prometheus' format.
    """
    samples: dict[str, dict[Labels, float]] = defaultdict(dict)
    for endpoint, text in enumerate(texts):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                # Two endpoints may have series of the same labels, which are not the same.
                key = frozenset({**sample.labels, "endpoint": str(endpoint)}.items())
                samples[sample.name][key] = sample.value
    return Scrape(seconds, samples)


def _values(series: Series, labels: Mapping[str, str]) -> Iterator[float]:
    return (value for found, value in series.items() if labels.items() <= set(found))


def _quantile(share: float, buckets: Sequence[tuple[float, float]]) -> float | None:
    """Return a quantile; `buckets` are upper ends and the number of observations at or below each."""
    total = buckets[-1][1] if buckets else 0.0
    if total <= 0:
        return None
    wanted = share * total
    lower, below = 0.0, 0.0
    for upper, count in buckets:
        if count >= wanted and count > below:
            width = 0.0 if math.isinf(upper) else upper - lower
            return lower + width * (wanted - below) / (count - below)
        lower, below = upper, count
    return lower
