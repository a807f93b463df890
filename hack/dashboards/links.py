"""Links between the dashboards, and to logs and traces."""

import json
import re
from typing import Any
from urllib.parse import quote

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

TAG = "ttsp"
"""All our dashboards have it."""
RAY_TAG = "ray-own"
"""Those have it that Ray makes of itself."""
LOGS = "victoriametrics-logs-datasource"
"""The type of the data source of logs: Grafana's plug-in for VictoriaLogs."""
TRACES = "tempo"
"""The type of the data source of traces."""


def dashboards(title: str, tag: str) -> DashboardLink:
    """Return a menu of the dashboards that have a tag; time and variables go along."""
    menu = DashboardLink(title).type(DashboardLinkType.DASHBOARDS).tags([tag])
    return menu.as_dropdown(True).include_vars(True).keep_time(True).icon("external link")


def to_dashboard(title: str, uid: str, **variables: str) -> DashboardLink:
    """Return a link of a series to a dashboard; `variables` get labels of the series: model="model"."""
    given = "".join(f"&var-{name}=${{__field.labels.{label}}}" for name, label in variables.items())
    common = "${datasource:queryparam}&${job:queryparam}&${Cluster:queryparam}&${__url_time_range}"
    return DashboardLink(title).url(f"/d/{uid}?{common}{given}")


def request_logs() -> DashboardLink:
    """Return a link to all lines of the request whose id is in the variable `request`."""
    tooltip = "The lines of all processes that have the request id of the box `Request id`"
    return _explore("Logs of the request", LOGS, "${logs}", {"expr": 'request_id:="${request}"'}, tooltip)


def request_trace() -> DashboardLink:
    """Return a link to the trace of the request whose id is in the variable `request`."""
    query = {"queryType": "traceql", "query": '{ span.ttsp.request_id = "${request}" }'}
    tooltip = "The trace of the request id of the box `Request id`, if it was sampled"
    return _explore("Trace of the request", TRACES, "${traces}", query, tooltip)


def error_logs(model_label: str | None = None) -> DashboardLink:
    """Return a link of a series to the lines that name an error, of the model in its label if one is named.

    Fields of lines are `request_id`, `model`, and `error`, its type ("Logs" in docs/observability.md).
    """
    model = f' model:="${{__field.labels.{model_label}}}"' if model_label else ""
    return _explore("Errors in the logs", LOGS, "${logs}", {"expr": f"error:*{model}"}, "")


def _explore(title: str, kind: str, uid: str, query: dict[str, str], tooltip: str) -> DashboardLink:
    source = {"type": kind, "uid": uid}
    pane: dict[str, Any] = {
        "datasource": uid,
        "queries": [{"refId": "A", "datasource": source, **query}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    address = f"/explore?schemaVersion=1&panes={_quoted(json.dumps({'a': pane}, separators=(',', ':')))}"
    link = DashboardLink(title).type(DashboardLinkType.LINK).url(address).tooltip(tooltip)
    return link.icon("external link").target_blank(True)


def _quoted(text: str) -> str:
    """Return the text as part of an address. Grafana's variables stay as they are: it has to find them."""
    parts = re.split(r"(\$\{[^}]+\})", text)
    return "".join(part if part.startswith("${") else quote(part, safe="") for part in parts)
