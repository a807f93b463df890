"""docs/metrics.md as data, and what a scrape of a playground has that the page must say."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
OURS = "ray_ttsp_"
ADDED = {
    *("WorkerId", "SessionName", "NodeAddress", "Component", "Version", "JobId"),
    *("otel_scope_name", "otel_scope_version", "otel_scope_schema_url"),
    *("application", "deployment", "replica"),
}
"""Labels that Ray and Ray Serve add."""
_ROW = re.compile(rf"^\| `({OURS}\w+)` \|(.+)\|$", re.MULTILINE)


def documented_metrics(heading: str) -> set[str]:
    """Return the metrics in the first columns of the tables below a heading of the page."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


@dataclass(frozen=True)
class Metric:
    """A metric, as the page or a scrape has it."""

    type: str
    labels: frozenset[str]


@dataclass(frozen=True)
class Documented(Metric):
    """A metric of the page."""

    appears: str


def documented() -> dict[str, Documented]:
    """The app's metrics of the page."""
    made: dict[str, Documented] = {}
    for name, rest in _ROW.findall(PAGE.read_text(encoding="utf-8")):
        kind, labels, _unit, _meaning, appears = (cell.strip() for cell in rest.split("|"))
        assert kind in ("counter", "gauge", "histogram"), name
        assert name not in made, f"{name} is there twice"
        made[name] = Documented(kind, frozenset(re.findall(r"`(\w+)`", labels)), appears)
    return made


class Scrape:
    """What a playground has exported of ours."""

    def __init__(self, texts: Iterable[str]) -> None:
        """`texts` are several scrapes of it: gauges come and go."""
        self.metrics: dict[str, Metric] = {}
        self.values: dict[str, set[str]] = {}
        """The values of each of our labels."""
        for text in texts:
            for family in text_string_to_metric_families(text):
                if family.name.startswith(OURS):
                    self._add(family.name, family.type, [sample.labels for sample in family.samples])

    def _add(self, name: str, kind: str, samples: list[Mapping[str, str]]) -> None:
        name = f"{name}_total" if kind == "counter" else name
        labels: set[str] = set()
        for sample in samples:
            for label, value in sample.items():
                if label not in ADDED and not (label == "le" and kind == "histogram"):
                    labels.add(label)
                    self.values.setdefault(label, set()).add(value)
        self.metrics[name] = Metric(kind, frozenset(labels))
