"""The dashboards are what Grafana takes, and each of our panels says what it answers."""

import itertools
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from dashboard_queries import (
    EMPTY,
    FOLDER,
    DashboardQuery,
    fill_in,
    known_empty,
    missing,
    panels,
    queries,
    wrong,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.boards import BOARDS
from dashboards.cli import out_of_date
from dashboards.promql import Metrics
from dashboards.ray import ray_dashboards

OURS = sorted(board.uid for board in BOARDS)
ALL = sorted(path.stem for path in FOLDER.glob("*.json"))
UNITS = {"s", "percentunit", "reqps", "short", "bytes", "Bps", "watt", "celsius", "none"}
"""Those of Grafana that we use, by the names that it has for them."""
COLUMNS = 24
ROOT = Path(__file__).parents[3]


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def everything(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels and the rows."""
    return [*dashboard["panels"], *(inner for one in dashboard["panels"] for inner in one.get("panels", ()))]


def test_there_are_seven_dashboards_of_ours_and_four_of_ray() -> None:
    ours = ["batches", "cost", "model", "nodes", "operator", "service", "text"]
    rays = ["default", "serve", "serve-deployment", "serve-llm"]
    assert [f"ray-{name}" for name in rays] + [f"ttsp-{name}" for name in ours] == ALL


@pytest.mark.parametrize("name", OURS)
def test_dashboard_is_read_by_grafanas_types_without_a_loss(name: str) -> None:
    dashboard = read(name)
    again = json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder))
    assert again == dashboard
    assert (dashboard["uid"], dashboard["schemaVersion"]) == (name, 41)


@pytest.mark.parametrize("name", ALL)
def test_panels_have_numbers_of_their_own_and_do_not_overlap(name: str) -> None:
    dashboard = read(name)
    numbers = [panel["id"] for panel in everything(dashboard)]
    assert len(set(numbers)) == len(numbers)
    taken: dict[tuple[int, int], str] = {}
    for panel in everything(dashboard):
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        for cell in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        ):
            other = taken.setdefault(cell, panel["title"])
            assert other == panel["title"] or name.startswith("ray-"), f"{panel['title']} covers {other}"


@pytest.mark.parametrize("name", OURS)
def test_panel_has_a_question_a_unit_and_named_series(name: str) -> None:
    dashboard = read(name)
    titles = [panel["title"] for panel in panels(dashboard)]
    assert sorted(set(titles)) == sorted(titles), "the list of empty queries names panels by their titles"
    for panel in panels(dashboard):
        assert "?" in panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) >= 1
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


@pytest.mark.parametrize("name", OURS)
def test_links_lead_to_dashboards_that_exist_and_to_queries_that_explore_reads(name: str) -> None:
    dashboard = read(name)
    given = {variable["name"] for variable in dashboard["templating"]["list"]}
    drawn = [panel["fieldConfig"]["defaults"].get("links", []) for panel in panels(dashboard)]
    for link in [*dashboard["links"], *itertools.chain(*drawn)]:
        if link["type"] == "dashboards":
            (tag,) = link["tags"]
            assert any(tag in read(one)["tags"] for one in ALL)
            continue
        parts = urlsplit(link["url"])
        for variable in re.findall(r"\$\{(\w+)[:}]", link["url"]):
            assert variable in given or variable.startswith("__"), link["url"]
        if parts.path == "/explore":
            (pane,) = json.loads(parse_qs(parts.query)["panes"][0]).values()
            assert {"datasource", "queries", "range"} == pane.keys()
            assert pane["queries"][0]["datasource"]["uid"] == pane["datasource"]
        else:
            assert parts.path.removeprefix("/d/") in OURS


@pytest.mark.parametrize("name", OURS)
def test_label_in_the_name_or_link_of_a_series_is_one_that_the_query_keeps(name: str) -> None:
    for panel in panels(read(name)):
        linked = re.findall(
            r"__field\.labels\.(\w+)", json.dumps(panel["fieldConfig"]["defaults"].get("links"))
        )
        for target in panel["targets"]:
            for label in {*re.findall(r"{{(\w+)}}", target["legendFormat"]), *linked}:
                kept = (
                    re.search(rf"by \([^)]*\b{label}\b[^)]*\)", target["expr"]) or "ttsp:" in target["expr"]
                )
                assert kept or label == "instance", f"{panel['title']}: {label} of {target['expr']}"


def test_dashboards_of_a_missing_changed_or_removed_board_are_found(tmp_path: Path) -> None:
    (tmp_path / "same.json").write_text("1")
    (tmp_path / "changed.json").write_text("1")
    (tmp_path / "left.json").write_text("1")
    wanted = {"same.json": "1", "changed.json": "2", "missing.json": "3"}
    assert [path.name for path in out_of_date(tmp_path, wanted)] == [
        "changed.json",
        "left.json",
        "missing.json",
    ]


def test_rays_dashboards_are_not_made_with_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_GRAFANA_SERVE_DASHBOARD_UID", "mine")
    with pytest.raises(RuntimeError, match="unset RAY_GRAFANA_SERVE_DASHBOARD_UID"):
        ray_dashboards()


@pytest.mark.parametrize("name", ALL)
def test_all_matches_series_without_the_label(name: str) -> None:
    """Outside of Kubernetes no series has `ray_io_cluster`; on a cluster, scrapes drop `SessionName`."""
    for variable in read(name)["templating"]["list"]:
        if variable["type"] == "query":
            assert (variable["includeAll"], variable["allValue"]) == (True, ".*"), variable["name"]


def test_queries_are_written_with_their_matchers() -> None:
    metrics = Metrics(('a="1"',)).where('b="2"')
    assert metrics.rate("n_total", "c") == 'sum by (c) (rate(n_total{a="1",b="2"}[$__rate_interval]))'
    assert Metrics().max("n", "c", "d") == "max by (c, d) (n)"
    assert Metrics().quantile(0.5, "n", "c", window="5m") == (
        "histogram_quantile(0.5, sum by (le, c) (rate(n_bucket[5m])))"
    )
    assert Metrics().share_below("0.1", "n", window="5m") == (
        'sum (rate(n_bucket{le="0.1"}[5m])) / sum (rate(n_count[5m]))'
    )


def test_variables_of_a_query_are_filled_in() -> None:
    assert fill_in('n{a=~"$A"}[${w}]', {"A": ".*", "w": "5m"}) == 'n{a=~".*"}[5m]'
    with pytest.raises(KeyError):
        fill_in("n[$unknown]", {})


def test_list_of_empty_queries_is_held_both_ways() -> None:
    full, empty = (DashboardQuery("d", "Panel", ref, "n") for ref in "AB")
    found = {full: True, empty: False}
    assert wrong(found, {"d: Panel B": "no GPU"}) == []
    assert wrong(found, {}) == ["d: Panel B has no data, and no reason is listed: n"]
    assert wrong(found, {"d: Panel": "no GPU"}) == ["d: Panel A has data, and is listed as empty (no GPU)"]
    assert wrong({full: True}, {"d: Gone": "no GPU"}) == ["d: Gone is listed as empty, and is no query"]
    assert missing(found, {"d: Panel": "no GPU"}) == []
    assert wrong(found, {"d: Panel": "sometimes: no error"}) == []


def test_empty_queries_are_listed_once_and_exist() -> None:
    reasons = yaml.safe_load(EMPTY.read_text(encoding="utf-8"))
    listed = known_empty(EMPTY)
    assert len(listed) == sum(len(names) for boards in reasons.values() for names in boards.values())
    existing = {
        name
        for one in ALL
        for query in queries(FOLDER / f"{one}.json")
        for name in (query.name, query.of_panel)
    }
    assert sorted(listed.keys() - existing) == []


@pytest.mark.parametrize("name", OURS)
def test_metric_of_a_query_is_documented_or_recorded_by_a_rule(name: str) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    documented = {
        re.sub(r"_total$", "", found) for found in re.findall(r"`((?:ray_ttsp|tts_operator)_\w+)`", page)
    }
    rules = "".join(path.read_text(encoding="utf-8") for path in (FOLDER.parent / "rules").glob("*.yaml"))
    recorded = {*re.findall(r"record: (\S+)", rules), "ttsp:node_price_per_hour"}
    for query in queries(FOLDER / f"{name}.json"):
        used = re.findall(r"\b(?:ray_ttsp|tts_operator)_\w+", query.promql)
        plain = {re.sub(r"_(total|bucket|sum|count)$", "", one) for one in used}
        assert plain <= documented, query.name
        assert set(re.findall(r"\bttsp:[\w:]+", query.promql)) <= recorded, query.name
