"""What the code under test has told Ray's metrics, in this process. Ray itself gets it too, and checks it."""

from collections import defaultdict
from collections.abc import Mapping

import pytest
from ray.util.metrics import Gauge, Metric

Labels = frozenset[tuple[str, str]]


class Measured:
    """Values by metric and labels. Names are those of the code, without what Ray adds."""

    def __init__(self) -> None:
        self.values: dict[str, dict[Labels, list[float]]] = defaultdict(dict)
        self.gauges: set[str] = set()

    def record(self, metric: Metric, value: float, tags: Mapping[str, str]) -> None:
        """Note a value."""
        if isinstance(metric, Gauge):
            self.gauges.add(metric.info["name"])
        series = self.values[metric.info["name"]]
        series.setdefault(frozenset(tags.items()), []).append(value)

    def all(self, name: str, **labels: str) -> list[float]:
        """The values of a metric that were recorded with these labels, and perhaps more; oldest first."""
        wanted = frozenset(labels.items())
        return [v for tags, found in self.values[name].items() if wanted <= tags for v in found]

    def total(self, name: str, **labels: str) -> float:
        """Their sum: of a counter."""
        return sum(self.all(name, **labels))

    def labels(self, name: str, label: str) -> set[str]:
        """The values of a label."""
        return {value for tags in self.values[name] for key, value in tags if key == label}

    @property
    def series(self) -> dict[str, int]:
        """How many series each metric has."""
        return {name: len(found) for name, found in self.values.items()}


def measure(patch: pytest.MonkeyPatch) -> Measured:
    """Return what is measured from now on."""
    measured = Measured()
    record = Metric._record

    def noting(self: Metric, value: float, tags: dict[str, str] | None = None) -> None:
        record(self, value, tags)
        measured.record(self, value, tags or {})

    patch.setattr(Metric, "_record", noting)
    return measured
