"""Metrics as Prometheus reads them, and what happened between two scrapes: pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Series = Mapping[Labels, float]

_OF_PROCESS = ("WorkerId", "endpoint", "instance", "pod")
"""Labels that tell processes apart: Ray's, and those of the place where it was scraped."""
_OF_PROCESSES = ("ray_ttsp_", "ray_serve_")
"""How the names of metrics begin that a process of ours exports, all of them at one time."""


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


@dataclass(frozen=True)
class Span:
    """What happened between the first and the last of some scrapes, at least one.

    A process sends its metrics to Ray's agent only every ten seconds, so most scrapes repeat what is known.
    """

    scrapes: Sequence[Scrape]

    @property
    def before(self) -> Scrape:
        """The first scrape."""
        return self.scrapes[0]

    @property
    def now(self) -> Scrape:
        """The last scrape."""
        return self.scrapes[-1]

    @cached_property
    def exports(self) -> Mapping[Labels, Sequence[Scrape]]:
        """The scrapes with something new from a process, by the labels that name it."""
        found: dict[Labels, list[Scrape]] = defaultdict(list)
        for earlier, later in pairwise(self.scrapes):
            for process in _changed(earlier, later):
                found[process].append(later)
        return found

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
        """Return a counter's growth a second, all its series together, each between its process' exports.

        None: it has no series, or none of whose process two exports were seen.
        """
        series = (found for found in self.now.samples.get(name, {}) if labels.items() <= set(found))
        rates = [rate for found in series if (rate := self._rate(name, found)) is not None]
        return sum(rates) if rates else None

    def _rate(self, name: str, series: Labels) -> float | None:
        exports = self.exports.get(_process(series), ())
        if len(exports) < 2:
            return None
        values = [scrape.samples.get(name, {}).get(series, 0.0) for scrape in exports]
        grown = sum(_grown(earlier, value) for earlier, value in pairwise(values))
        return grown / (exports[-1].seconds - exports[0].seconds)

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
                yield found, _grown(before.get(found, 0.0), value)


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


def _process(series: Labels) -> Labels:
    """Return the labels of a series that name its process."""
    return frozenset((name, value) for name, value in series if name in _OF_PROCESS)


def _changed(earlier: Scrape, later: Scrape) -> set[Labels]:
    """Return the processes of which a scrape has something that an earlier one has not."""
    return {
        _process(labels)
        for name, series in later.samples.items()
        if name.startswith(_OF_PROCESSES)
        for labels, value in series.items()
        if earlier.samples.get(name, {}).get(labels) != value
    }


def _grown(earlier: float, value: float) -> float:
    """Return by how much a counter grew; one that became less counts from 0."""
    return value - earlier if value >= earlier else value


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
