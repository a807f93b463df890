"""The queries of Grafana's dashboards: executed by a Prometheus in Grafana's place."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_server import PrometheusServer

FOLDER = Path(__file__).parents[2] / "charts" / "tts-playground" / "files" / "monitoring" / "dashboards"
EMPTY = Path(__file__).parent / "dashboards_empty.yaml"
"""Which queries find nothing while a playground at the desk is scraped, and why."""
SOMETIMES = "sometimes: "
"""How a reason begins that does not always hold."""
WINDOW = 60
"""Seconds of `$__rate_interval`: some scrapes of what Ray exports every ten seconds."""
RANGE = 300
"""Seconds of `$__range`."""
_BUILT_IN = {
    "__rate_interval": f"{WINDOW}s",
    "__interval": "15s",
    "__range": f"{RANGE}s",
    "__range_s": str(RANGE),
}


@dataclass(frozen=True, slots=True, order=True)
class DashboardQuery:
    """A query of a panel, as Prometheus gets it: with every variable at `All`."""

    dashboard: str
    """The name of the file, without `.json`."""
    panel: str
    ref: str
    promql: str

    @property
    def name(self) -> str:
        """Its name in the list of queries that find nothing."""
        return f"{self.of_panel} {self.ref}"

    @property
    def of_panel(self) -> str:
        """The name of its panel there: of all queries that the panel has."""
        return f"{self.dashboard}: {self.panel}"


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the panels of a dashboard, those in folded rows included, without the rows."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def queries(path: Path) -> list[DashboardQuery]:
    """Return the queries of a dashboard's panels."""
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    values = _values(dashboard)
    return [
        DashboardQuery(path.stem, panel["title"], target["refId"], fill_in(target["expr"], values))
        for panel in panels(dashboard)
        for target in panel.get("targets", ())
    ]


def fill_in(promql: str, values: Mapping[str, str]) -> str:
    """Return a query with the values of its variables. Raises KeyError if there is none for one of them."""
    return re.sub(r"\$(\w+)|\$\{(\w+)(?::\w+)?\}", lambda found: values[found[1] or found[2]], promql)


def _values(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """Return what Grafana fills in for each variable while `All` is chosen, or what is chosen at first."""
    found = dict(_BUILT_IN)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] in ("query", "custom"):
            options = (
                variable["query"].split(", ") if variable["type"] == "custom" and "query" in variable else []
            )
            every = variable.get("allValue") or f"({'|'.join(options)})"
            found[variable["name"]] = every if variable["includeAll"] else variable["current"]["value"]
    return found


def _all(variable: Mapping[str, Any]) -> str:
    if variable.get("allValue"):
        return str(variable["allValue"])
    return f"({'|'.join(option.strip() for option in variable['query'].split(','))})"


def has_data(server: PrometheusServer, promql: str, *, start: float, end: float) -> bool:
    """Say whether a query finds a number between two moments (Unix seconds); NaN is none.

    Raises PrometheusError if it is no correct query.
    """
    found = server.query_range(promql, start=start, end=end, step=5)
    return any(math.isfinite(value) for series in found for _moment, value in series.points)


def known_empty(path: Path) -> dict[str, str]:
    """Return the reasons for which queries find nothing, by their names.

    The file has reasons; each has dashboards; each of those has panels, or queries of panels (`Panel B`).
    """
    reasons: dict[str, dict[str, list[str]]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        f"{dashboard}: {name}": reason
        for reason, dashboards in reasons.items()
        for dashboard, names in dashboards.items()
        for name in names
    }


def reason(query: DashboardQuery, empty: Mapping[str, str]) -> str | None:
    """Return why a query is listed as empty, it or its panel; None if it is not listed."""
    return empty.get(query.name) or empty.get(query.of_panel)


def missing(found: Mapping[DashboardQuery, bool], empty: Mapping[str, str]) -> list[str]:
    """Return what has no data, and is not listed as empty. `found` says of each query whether it has data."""
    return [
        f"{query.name} has no data, and no reason is listed: {query.promql}"
        for query, filled in sorted(found.items())
        if not filled and reason(query, empty) is None
    ]


def wrong(found: Mapping[DashboardQuery, bool], empty: Mapping[str, str]) -> list[str]:
    """Return what is not as the list of empty queries says."""
    filled = [
        f"{query.name} has data, and is listed as empty ({why})"
        for query, filled in sorted(found.items())
        if filled and (why := reason(query, empty)) is not None and not why.startswith(SOMETIMES)
    ]
    unknown = empty.keys() - {name for query in found for name in (query.name, query.of_panel)}
    return [
        *missing(found, empty),
        *filled,
        *(f"{name} is listed as empty, and is no query" for name in sorted(unknown)),
    ]
