"""Prometheus' text format, as far as counters and histograms go: pure."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Series = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Scrape:
    """Samples by name and labels, at one moment or, as a difference, between two."""

    samples: Mapping[Series, float]

    @classmethod
    def parse(cls, text: str, *prefixes: str) -> Self:
        """Return the samples of a text whose names begin with one of `prefixes`; all when there is none."""
        wanted = "".join(line for line in text.splitlines(keepends=True) if line.startswith(prefixes or ""))
        return cls(
            {
                (name, frozenset(_LABEL.findall(labels))): float(value)
                for name, labels, value in _SAMPLE.findall(wanted)
            }
        )

    def __sub__(self, before: "Scrape") -> "Scrape":
        """Return what was counted since `before`."""
        return Scrape({key: value - before.samples.get(key, 0.0) for key, value in self.samples.items()})

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return the sums of a metric by the values of `labels`."""
        sums: dict[tuple[str, ...], float] = defaultdict(float)
        for (found, pairs), value in self.samples.items():
            if found == name:
                values = dict(pairs)
                sums[tuple(values.get(label, "") for label in labels)] += value
        return dict(sums)

    def total(self, name: str) -> float:
        """Return the sum of a metric over all its labels."""
        return sum(self.by(name).values())

    def quantile(self, name: str, q: float, /, **only: str) -> float | None:
        """Return a quantile of a histogram, as PromQL's histogram_quantile does; None without a sample.

        `only` are labels that the series must have. What lies above the last finite bound counts as that.
        """
        cumulative: dict[float, float] = defaultdict(float)
        for (found, pairs), value in self.samples.items():
            if found == f"{name}_bucket" and pairs >= set(only.items()):
                cumulative[float(dict(pairs)["le"])] += value
        total = cumulative.get(math.inf, 0.0)
        if not total:
            return None
        lower, below = 0.0, 0.0
        for bound, count in sorted(cumulative.items()):
            if count >= q * total:
                if math.isinf(bound):
                    return lower
                return lower + (bound - lower) * (q * total - below) / max(count - below, 1e-9)
            lower, below = bound, count
        return lower
