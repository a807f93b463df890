"""The rule files of the chart, as data."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
RULES = ROOT / "charts/tts-playground/files/monitoring/rules"
RUNBOOKS = ROOT / "docs/runbooks"
FILES = sorted(RULES.glob("*.yaml"))
OF_KUBERAY = {"kuberay_service_condition_ready"}
"""Of KubeRay 1.6, ray-operator/controllers/ray/metrics."""
FROM_OUTSIDE = {"up", "ttsp:node_price_per_hour"}
"""Prometheus' own, and the constant that the chart's value makes."""
_METRIC = re.compile(r"\b(?:ray|tts_operator|kuberay)_\w+|\bttsp:[\w:]+|\bup\b")
_SERIES = re.compile(r"_(total|bucket|sum|count)$")


def rules(path: Path) -> list[dict[str, Any]]:
    """The rules of a file."""
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """All alerts."""
    return [rule for path in FILES for rule in rules(path) if "alert" in rule]


def unknown(promql: Iterable[str]) -> set[str]:
    """Names of series in these expressions that nobody exports or records."""
    from ray.dashboard.modules.reporter.reporter_agent import METRICS_GAUGES

    pages = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("metrics.md", "text.md"))
    known = {
        *map(_family, re.findall(r"`(ray_ttsp_\w+|ray_vllm_\w+|tts_operator_\w+)`", pages)),
        *(rule["record"] for path in FILES for rule in rules(path) if "record" in rule),
        *(f"ray_{name}" for name in METRICS_GAUGES),
        *OF_KUBERAY,
        *FROM_OUTSIDE,
    }
    named = {name for one in promql for name in _METRIC.findall(one)}
    return {name for name in named if not {name, _family(name)} & known}


def _family(metric: str) -> str:
    """The name of a metric without what a counter's or a histogram's series add to it."""
    return _SERIES.sub("", metric)
