"""A dashboard of ours: its variables, its links, its rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards import links
from dashboards.panels import DATA, Panel

Variable = Builder[models.VariableModel]
_ALL = models.VariableOption(selected=True, text=["All"], value=["$__all"])


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a title. The title of a row that not every service has says what it needs."""

    title: str
    panels: Sequence[Panel]
    folded: bool = False
    """Whether its panels are hidden, and not queried, until somebody opens it."""


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard. `uid` is its name in addresses and of its file."""

    uid: str
    title: str
    question: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()
    """Those that it has beside the data sources and the cluster."""
    on_ray: bool = True
    """Whether it shows what a Ray cluster exports, so that the cluster can be chosen."""

    def to_json(self) -> str:
        """Return it as Grafana takes it."""
        built = (
            dashboard.Dashboard(f"TTS: {self.title}")
            .uid(self.uid)
            .description(self.question)
            .tags([links.TAG])
            .editable()
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .time("now-1h", "now")
            .annotation(_alerts())
            .refresh("30s")
            .timezone("browser")
            .variables(
                [*_sources(), *([service(), cluster()] if self.on_ray else []), *self.variables, _request()]
            )
            .links(
                [
                    links.dashboards("TextToSpeech Playground", links.TAG),
                    links.dashboards("Ray's own", links.RAY_TAG),
                    links.request_logs(),
                    links.request_trace(),
                ]
            )
        )
        for row in self.rows:
            title = dashboard.Row(row.title)
            if row.folded:
                title.collapsed(True)
                for panel in row.panels:
                    title.with_panel(panel)
            built.with_row(title)
            for panel in () if row.folded else row.panels:
                built.with_panel(panel)
        _number(built.build())
        return json.dumps(built.build(), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


def choice(name: str, label: str, metric: str, of: str, description: str) -> Variable:
    """Return a variable with the values of a metric's label `of`; all of them are chosen until one is."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .description(description)
        .datasource(DATA)
        .query({"query": f"label_values({metric}, {of})", "refId": name})
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(_ALL)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def service() -> Variable:
    """Return the variable of the service, by the job that scrapes it: recording rules keep that label."""
    return choice("job", "Service", "ray_node_cpu_count", "job", "The job of Prometheus that scrapes it.")


def cluster() -> Variable:
    """Return the variable of the Ray cluster, by the name that Ray's own dashboards have for it."""
    about = "The RayCluster. An upgrade makes a new one. Outside of Kubernetes there is only All."
    return choice("Cluster", "Ray cluster", "ray_node_cpu_count", "ray_io_cluster", about)


def _sources() -> list[Variable]:
    hidden = models.VariableHide.HIDE_VARIABLE
    return [
        dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"),
        dashboard.DatasourceVariable("logs").label("Logs").type(links.LOGS).hide(hidden),
        dashboard.DatasourceVariable("traces").label("Traces").type(links.TRACES).hide(hidden),
    ]


def _request() -> Variable:
    about = (
        "From the answer's header x-request-id, or an error's request_id. The links above the panels use it."
    )
    empty = models.VariableOption(selected=True, text="", value="")
    return dashboard.TextBoxVariable("request").label("Request id").description(about).current(empty)


def _alerts() -> dashboard.AnnotationQuery:
    """Return what marks on all graphs when an alert fired."""
    marks = dashboard.AnnotationQuery().name("Alerts").datasource(DATA).enable(True).icon_color("red")
    return marks.expr('ALERTS{alertstate="firing"}')


def _number(built: models.Dashboard) -> None:
    """Give each panel its number: Grafana addresses panels by it."""
    number = 0
    for panel in built.panels or ():
        number += 1
        panel.id_val = number
        for inner in panel.panels if isinstance(panel, models.RowPanel) else ():
            number += 1
            inner.id_val = number
