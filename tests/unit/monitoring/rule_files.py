"""The rule files of the chart, as data."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
RULES = ROOT / "charts/tts-playground/files/monitoring/rules"
RUNBOOKS = ROOT / "docs/runbooks"
FILES = sorted(RULES.glob("*.yaml"))
_METRIC = re.compile(r"\b(?:ray|tts_operator|kuberay)_\w+|\bttsp:[\w:]+|\bup\b")
_SERIES = re.compile(r"_(total|bucket|sum|count)$")


def rules(path: Path) -> list[dict[str, Any]]:
    """The rules of a file."""
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """All alerts."""
    return [rule for path in FILES for rule in rules(path) if "alert" in rule]


def metrics() -> Iterator[str]:
    """What the rules ask for, as it is scraped or recorded."""
    for path in FILES:
        for rule in rules(path):
            yield from _METRIC.findall(rule["expr"])


def family(metric: str) -> str:
    """The name of a metric without what a counter's or a histogram's series add to it."""
    return _SERIES.sub("", metric)
