"""Objectives in, groups of Prometheus rules out. Pure.

The alerts are those of Google's SRE workbook ("Alerting on SLOs": multiwindow, multi-burn-rate). One fires
when the error budget burns fast in a long window, and in a short one, so that it ends soon after the fault.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

WINDOWS = {"5m": 300, "30m": 1800, "1h": 3600, "2h": 7200, "6h": 21_600, "1d": 86_400, "3d": 259_200}
"""Windows of the recording rules, with their seconds."""
FEWEST = 5
"""Bad events in the long window below which no alert fires: with little traffic, one is a large share."""


@dataclass(frozen=True, slots=True)
class Burn:
    """An alert's windows, and how many times too fast a budget of 30 days burns when it fires."""

    short: str
    long: str
    rate: float
    pages: bool
    hold: str
    """The rule's `for`."""


BURNS = (
    Burn("5m", "1h", 14.4, True, "2m"),
    Burn("30m", "6h", 6, True, "5m"),
    Burn("2h", "1d", 3, False, "15m"),
    Burn("6h", "3d", 1, False, "30m"),
)
"""2% of the budget in an hour, 5% in six hours, 10% in a day, 10% in three days."""


@dataclass(frozen=True, slots=True)
class Objective:
    """The share of events that must be good.

    `bad` and `events` are PromQL, in events a second by namespace and job, with `$window` in place of the
    window. Their parts are added up, and any of them may find nothing.
    """

    name: str
    target: float
    alert: str
    bad: tuple[str, ...]
    events: tuple[str, ...]
    summary: str
    bad_events: str
    """What follows "12% of the", in words."""
    pages: bool = True
    """Whether somebody is to be woken when the budget burns fast."""


def groups(objectives: Sequence[Objective]) -> list[dict[str, Any]]:
    """Return a group of rules for each objective.

    Raises:
        ValueError: a target is so low that an alert could never fire.
    """
    return [
        {"name": f"ttsp-slo-{one.name}", "rules": [*_records(one), *(_alert(one, burn) for burn in BURNS)]}
        for one in objectives
    ]


def _records(objective: Objective) -> Iterator[dict[str, Any]]:
    labels = {"slo": objective.name}
    yield {"record": "ttsp:slo_objective:ratio", "expr": f"vector({objective.target:g})", "labels": labels}
    for window in WINDOWS:
        bad, events = _sum(objective.bad, window), _sum(objective.events, window)
        recorded = f'(ttsp:slo_events:rate{window}{{slo="{objective.name}"}} > 0)'
        yield {"record": f"ttsp:slo_events:rate{window}", "expr": events, "labels": labels}
        yield {
            "record": f"ttsp:slo_errors:ratio_rate{window}",
            "expr": f"({bad}\nor on (namespace, job) 0 * {recorded})\n/ on (namespace, job) {recorded}",
            "labels": labels,
        }


def _sum(parts: Sequence[str], window: str) -> str:
    """Return PromQL of the sum of what the parts find."""
    filled = [part.replace("$window", window) for part in parts]
    if len(filled) == 1:
        return filled[0]
    # Each part gets a label of its own, for `or` drops series whose labels it has seen.
    marked = [f'label_replace({part}, "part", "{number}", "", "")' for number, part in enumerate(filled)]
    return "sum by (namespace, job) (\n  " + "\n  or ".join(marked) + "\n)"


def _alert(objective: Objective, burn: Burn) -> dict[str, Any]:
    budget = 1 - objective.target
    limit = burn.rate * budget
    if limit >= 1:
        raise ValueError(
            f"The target of {objective.name}, {objective.target:g}, is too low: if all events were bad, the "
            f"burn rate would be below {burn.rate:g}. Choose a target above {1 - 1 / burn.rate:.2f}."
        )
    select = f'{{slo="{objective.name}"}}'
    long, short = (f"ttsp:slo_errors:ratio_rate{window}{select}" for window in (burn.long, burn.short))
    severity = "critical" if burn.pages and objective.pages else "warning"
    number = f"{long} * ttsp:slo_events:rate{burn.long}{select} * {WINDOWS[burn.long]}"
    return {
        "alert": objective.alert,
        "expr": f"{long} > {limit:g}\nand {short} > {limit:g}\nand {number} >= {FEWEST}",
        "for": burn.hold,
        "labels": {"severity": severity, "long": burn.long, "short": burn.short},
        "annotations": {
            "summary": objective.summary,
            "description": f"In {burn.long}, {{{{ $value | humanizePercentage }}}} of the "
            f"{objective.bad_events}. The objective allows {100 * budget:g}%.",
            "runbook": f"docs/runbooks/{objective.alert}.md",
        },
    }
