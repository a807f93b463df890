"""Prometheus' own tools check and test the rules; each alert has tests, a runbook and metrics that exist."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from rule_files import FILES, ROOT, RULES, RUNBOOKS, alerts, rules, unknown

TESTS = Path(__file__).parent / "rules"
BY_SHARE = "slo.yaml"
"""Its alerts are tested in test_objectives.py."""


def run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def cases_of(path: Path) -> list[dict[str, Any]]:
    """The tests of alerts in promtool's file of tests for a file of rules."""
    cases = yaml.safe_load((TESTS / path.name).read_text(encoding="utf-8"))["tests"]
    return [test for case in cases for test in case.get("alert_rule_test", [])]


def test_rules_are_correct(promtool: str) -> None:
    run(promtool, "check", "rules", *map(str, FILES))


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.name != BY_SHARE], ids=lambda path: path.stem
)
def test_rules_do_what_they_should(path: Path, promtool: str) -> None:
    tested: dict[bool, set[str]] = {True: set(), False: set()}
    for test in cases_of(path):
        tested[bool(test.get("exp_alerts"))].add(test["alertname"])
    names = {rule["alert"] for rule in rules(path) if "alert" in rule}
    assert tested == {True: names, False: names}, (
        "each alert has a test that it fires, and one that it does not"
    )
    run(promtool, "test", "rules", str(TESTS / path.name))


def test_nothing_fires_where_nothing_is_scraped(promtool: str, tmp_path: Path) -> None:
    """So no alert on what the desk does not have, as KubeRay, fires there."""
    silent = [
        {"eval_time": "2h", "alertname": name} for name in sorted({alert["alert"] for alert in alerts()})
    ]
    other = {"series": 'up{job="other"}', "values": "1x120"}
    case = {"interval": "1m", "input_series": [other], "alert_rule_test": silent}
    file = tmp_path / "test.json"
    whole = {"rule_files": [str(RULES / "*.yaml")], "evaluation_interval": "1m", "tests": [case]}
    file.write_text(json.dumps(whole), encoding="utf-8")
    run(promtool, "test", "rules", str(file))


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_alert_says_how_bad_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook"}
    assert alert["annotations"]["runbook"] == f"docs/runbooks/{alert['alert']}.md"


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    names = {alert["alert"] for alert in alerts()}
    assert {path.stem for path in RUNBOOKS.glob("TTSP*.md")} == names
    listed = re.findall(
        r"\[(TTSP\w+)\]\(runbooks/(\w+)\.md\)", (ROOT / "docs/observability.md").read_text(encoding="utf-8")
    )
    assert {name for name, _ in listed} == names, "docs/observability.md lists all alerts"
    assert all(name == page for name, page in listed)


def test_each_metric_of_the_rules_is_known() -> None:
    assert unknown(rule["expr"] for path in FILES for rule in rules(path)) == set()


def test_configuration_of_the_desk_is_correct_and_has_all_rules(promtool: str) -> None:
    path = ROOT / "manifests/monitoring/prometheus.yml"
    run(promtool, "check", "config", str(path))
    patterns = yaml.safe_load(path.read_text(encoding="utf-8"))["rule_files"]
    found = {rule.resolve() for pattern in patterns for rule in path.parent.glob(pattern)}
    assert found == {*FILES, path.parent / "price.yaml"}
