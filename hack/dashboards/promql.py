"""Queries in PromQL, as text. Pure."""

from dataclasses import dataclass

RATE = "$__rate_interval"
"""Grafana's variable: a time that covers some scrapes, and a point of the graph."""
RANGE = "$__range"
"""Grafana's variable: the time that the dashboard shows."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The series that match `matchers`, whatever their name. Names are as scraped."""

    matchers: tuple[str, ...] = ()

    def where(self, *matchers: str) -> "Metrics":
        """Return those of these series that match more."""
        return Metrics((*self.matchers, *matchers))

    def of(self, name: str) -> str:
        """Return the selector of a metric."""
        return f"{name}{{{','.join(self.matchers)}}}" if self.matchers else name

    def sum(self, name: str, *by: str) -> str:
        """Return a gauge's sum over all series with the same labels `by`."""
        return f"sum{_by(by)} ({self.of(name)})"

    def max(self, name: str, *by: str) -> str:
        """Return a gauge's highest value."""
        return f"max{_by(by)} ({self.of(name)})"

    def min(self, name: str, *by: str) -> str:
        """Return a gauge's lowest value."""
        return f"min{_by(by)} ({self.of(name)})"

    def rate(self, counter: str, *by: str, window: str = RATE) -> str:
        """Return how much a counter grows a second."""
        return f"sum{_by(by)} (rate({self.of(counter)}[{window}]))"

    def increase(self, counter: str, *by: str, window: str = RANGE) -> str:
        """Return how much a counter grew in `window`."""
        return f"sum{_by(by)} (increase({self.of(counter)}[{window}]))"

    def quantile(self, share: float, histogram: str, *by: str, window: str = RATE) -> str:
        """Return the value that `share` of a histogram's observations do not exceed."""
        return f"histogram_quantile({share}, {self.rate(f'{histogram}_bucket', 'le', *by, window=window)})"

    def share_below(self, bound: str, histogram: str, *by: str, window: str = RATE) -> str:
        """Return the share of observations that are at most `bound`, one of the histogram's buckets."""
        below = self.where(f'le="{bound}"').rate(f"{histogram}_bucket", *by, window=window)
        return f"{below} / {self.rate(f'{histogram}_count', *by, window=window)}"


def or_zero(query: str) -> str:
    """Return the query, which is 0 where it has no series: for a counter that begins with its first event."""
    return f"{query} or vector(0)"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


RAY = Metrics(('job=~"$job"', 'ray_io_cluster=~"$Cluster"'))
"""What a Ray cluster exports: our app, Serve, the nodes. Where the label is missing, `.*` matches."""
RECORDED = Metrics(('job=~"$job"',))
"""What the recording rules make of that, for all clusters of a service."""
OPERATOR = Metrics(('namespace=~"$namespace"',))
"""What the operators of a namespace export."""
KUBERAY = Metrics()
"""What KubeRay exports of its objects: `namespace` may be the one where KubeRay runs."""
