"""What metrics are made of: Ray's counters, gauges and histograms, with the buckets that ours have.

Inside a deployment, Ray Serve adds its labels `application`, `deployment` and `replica`; elsewhere, as in the
driver of a batch, there are none.

Ray keeps the buckets of a histogram exact and only estimates its `_sum`, from the middle of each bucket: what
sums are asked of is a counter.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ray.serve import metrics

SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0),
)
"""Buckets of times: from a cheap answer to a speech of 100,000 characters."""
AUDIO_SECONDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
"""Buckets of lengths of audio: 100,000 characters are two hours."""
SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0)
"""Buckets of shares of a whole."""


class Counter:
    """Counts up. What is added may be 0, which Ray's own counter refuses."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        """`text` is what it counts."""
        tag_keys: Any = labels  # Ray annotates a tuple of one
        self._counter = metrics.Counter(name, text, tag_keys=tag_keys)
        self._labels = labels

    def add(self, amount: float, *values: str) -> None:
        """Add `amount`, at least 0, under the values of the labels."""
        if amount > 0:
            self._counter.inc(amount, tags=_tags(self._labels, values))

    def inc(self, *values: str) -> None:
        """Add one, under the values of the labels."""
        self.add(1, *values)


class Gauge:
    """Shows how something is now."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        """`text` is what it shows."""
        tag_keys: Any = labels
        self._gauge = metrics.Gauge(name, text, tag_keys=tag_keys)
        self._labels = labels

    def set(self, value: float, *values: str) -> None:
        """Show `value`, under the values of the labels."""
        self._gauge.set(value, tags=_tags(self._labels, values))


class Histogram:
    """Counts measurements by how large they are."""

    def __init__(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> None:
        """`text` is what it measures, `buckets` are the upper ends of its buckets, above 0."""
        tag_keys: Any = labels
        self._histogram = metrics.Histogram(name, text, boundaries=list(buckets), tag_keys=tag_keys)
        self._labels = labels

    def observe(self, value: float, *values: str) -> None:
        """Count a measurement, under the values of the labels."""
        self._histogram.observe(value, tags=_tags(self._labels, values))


def _tags(labels: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    """Return a new dict each time: Serve may add its own tags to the one that it gets."""
    tags: Mapping[str, str] = dict(zip(labels, values, strict=True))
    return {**tags}
