"""Panels, in the one way in which all our dashboards draw them."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as styles
from grafana_foundation_sdk.models import dashboard as models

Panel = Builder[models.Panel]
Link = dashboard.DashboardLink
Threshold = tuple[float | None, str]
"""From which value on a colour holds; the first has None."""

SECONDS = "s"
SHARE = "percentunit"
"""0 to 1, shown as per cent."""
PER_SECOND = "reqps"
COUNT = "short"
BYTES = "bytes"
BYTES_PER_SECOND = "Bps"

DATA = models.DataSourceRef("prometheus", "${datasource}")
GRID = 24
"""Columns of a dashboard."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query and what its series are called: text with labels as `{{model}}`."""

    promql: str
    legend: str

    def build(self, ref: str, *, instant: bool) -> prometheus.Dataquery:
        """Return it as target `ref` of a panel."""
        target = prometheus.Dataquery().expr(self.promql).legend_format(self.legend).ref_id(ref)
        return target.instant() if instant else target.range()


def bad_above(limit: float, *, worse: float | None = None) -> list[Threshold]:
    """Return thresholds of a value that should be low: orange from `limit` on, red from `worse` on."""
    return [(None, "green"), (limit, "orange" if worse else "red"), *([(worse, "red")] if worse else [])]


def bad_below(limit: float, *, worse: float | None = None) -> list[Threshold]:
    """Return thresholds of a value that should be high: orange below `limit`, red below `worse`."""
    return [(None, "red"), *([(worse, "orange")] if worse is not None else []), (limit, "green")]


def series(
    title: str,
    question: str,
    unit: str,
    *queries: Query,
    thresholds: Sequence[Threshold] = (),
    stacked: bool = False,
    top: float | None = None,
    links: Sequence[Link] = (),
    width: int = 8,
) -> Panel:
    """Return a graph over time. `top` is the axis' end; thresholds are drawn as dashed lines."""
    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(styles.LegendDisplayMode.TABLE)
        .placement(styles.LegendPlacement.BOTTOM)
        .calcs(["mean", "max", "lastNotNull"])
    )
    tooltip = common.VizTooltipOptions().mode(styles.TooltipDisplayMode.MULTI)
    panel = (
        timeseries.Panel()
        .title(title)
        .description(question)
        .datasource(DATA)
        .unit(unit)
        .min(0)
        .legend(legend)
        .tooltip(tooltip.sort(styles.SortOrder.DESCENDING))
        .fill_opacity(30 if stacked else 8)
        .span(width)
        .height(8)
        .targets(_targets(queries, instant=False))
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(styles.StackingMode.NORMAL))
    if top is not None:
        panel = panel.max(top)
    if thresholds:
        style = common.GraphThresholdsStyleConfig().mode(styles.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(_thresholds(thresholds)).thresholds_style(style)
    return panel.data_links(list(links)) if links else panel


def figure(
    title: str,
    question: str,
    unit: str,
    *queries: Query,
    thresholds: Sequence[Threshold] = (),
    names: dict[str, tuple[str, str]] | None = None,
    links: Sequence[Link] = (),
    width: int = 4,
) -> Panel:
    """Return figures, as they are now. `names` gives values words and colours: {"1": ("ready", "green")}."""
    panel = (
        stat.Panel()
        .title(title)
        .description(question)
        .datasource(DATA)
        .unit(unit)
        .thresholds(_thresholds(thresholds or [(None, "blue")]))
        .color_mode(styles.BigValueColorMode.VALUE)
        .graph_mode(styles.BigValueGraphMode.NONE)
        .text_mode(styles.BigValueTextMode.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("no data")
        .span(width)
        .height(4)
        .targets(_targets(queries, instant=True))
    )
    if names:
        options = {
            value: models.ValueMappingResult(text, color, index=index)
            for index, (value, (text, color)) in enumerate(names.items())
        }
        panel = panel.mappings([models.ValueMap(options)])
    return panel.data_links(list(links)) if links else panel


def _targets(queries: Sequence[Query], *, instant: bool) -> list[Builder[variants.Dataquery]]:
    return [query.build(chr(ord("A") + index), instant=instant) for index, query in enumerate(queries)]


def _thresholds(steps: Sequence[Threshold]) -> dashboard.ThresholdsConfig:
    absolute = dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE)
    return absolute.steps([models.Threshold(value, color) for value, color in steps])
