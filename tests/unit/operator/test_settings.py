"""The operator's settings, the chart's values and its README agree; so do all that name a version."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tts_app import __version__
from tts_operator.settings import Settings

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "tts-playground"
UMBRELLA = ROOT / "charts" / "tts-playground-with-kuberay"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

PODS_OWN = {"namespace", "identity"}
"""Settings that the chart takes from the pod."""
FIXED = {"host", "lease_seconds", "lease_renewal_seconds"}
"""Settings that the chart leaves as they are."""
COMPUTED = {
    "namespaces",
    "gateway_image",
    "engine_images",
    "monitoring",
    "monitoring_namespace",
    "metrics_certificate",
    "metrics_key",
    "metrics_token",
}
"""Settings that the chart makes of several values: tests/operator/test_chart*.py render them."""


def set_by_chart() -> dict[str, str]:
    """Return what the chart's Deployment gives each setting: a value's path, or the value in quotes."""
    text = (CHART / "templates" / "deployment.yaml").read_text(encoding="utf-8")
    pattern = r"- name: TTSP_OPERATOR_(\w+)\n\s+value: (?:\{\{ \.Values\.([\w.]+)[^\n]*\}\}|(\"[^\n]*\"))\n"
    return {name.lower(): path or fixed for name, path, fixed in re.findall(pattern, text)}


def value_at(path: str) -> object:
    """Return the chart's default of a value."""
    found = VALUES
    for part in path.split("."):
        found = found[part]
    return found


def documented() -> dict[str, str]:
    """Return the defaults in the table of the chart's README, by the value's path."""
    rows = re.findall(
        r"^\| (`[^|]+`) \| ([^|]+) \|", (CHART / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    return {
        path.strip(" `"): default.strip(" `")
        for paths, defaults in rows
        if paths.count("`") == defaults.count("`")
        for path, default in zip(paths.split(","), defaults.split(","), strict=True)
    }


def test_settings_are_each_in_the_chart_or_listed_as_exempt() -> None:
    assert Settings.model_fields.keys() == set_by_chart().keys() | PODS_OWN | FIXED | COMPUTED


@pytest.mark.parametrize("name", sorted(set_by_chart().keys() - COMPUTED))
def test_settings_and_chart_have_one_default(name: str) -> None:
    default, given = Settings.model_fields[name].default, set_by_chart()[name]
    if given.startswith('"'):
        assert json.loads(given) == json.dumps(default)
        return
    assert value_at(given) == default
    text = json.dumps(default) if isinstance(default, bool) else str(default)
    if isinstance(default, float):
        text = f"{default:g}"
    assert documented()[given] == (text or '""')


def test_settings_and_chart_have_the_same_bounds_of_workers() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    workers = schema["properties"]["operator"]["properties"]["workers"]
    bounds = Settings.model_json_schema()["properties"]["workers"]
    assert [workers[name] for name in ("minimum", "maximum")] == [
        bounds[name] for name in ("minimum", "maximum")
    ]


def files(*suffixes: str) -> Iterator[Path]:
    """Yield the files that name images or Ray's version."""
    for folder in ("charts", "docker", "docs", "operator", "app/tts_app", "manifests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and (path.suffix in suffixes or path.name == "Dockerfile"):
                yield path


def found(pattern: str) -> dict[str, set[str]]:
    """Return what a pattern's group matches in those files, each with the files that it is in."""
    versions: dict[str, set[str]] = {}
    for path in files(".md", ".yaml", ".py", ".json", ".tpl"):
        for version in re.findall(pattern, path.read_text(encoding="utf-8")):
            versions.setdefault(version, set()).add(str(path.relative_to(ROOT)))
    return versions


def test_product_version_is_that_of_pyproject() -> None:
    wanted = PROJECT["version"]
    charts = [
        yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8")) for chart in (CHART, UMBRELLA)
    ]
    assert {chart[name] for chart in charts for name in ("version", "appVersion")} == {wanted}
    assert __version__ == wanted
    assert found(r"tts-playground-[a-z]+:(\d+\.\d+\.\d+)").keys() == {wanted}
    assert found(r"ARG VERSION=(\S+)").keys() == {wanted}


def test_ray_version_is_that_of_pyproject() -> None:
    (wanted,) = {
        pin
        for line in PROJECT["optional-dependencies"]["app"]
        for pin in re.findall(r"^ray\[.*==(.+)$", line)
    }
    assert Settings.model_fields["ray_version"].default == wanted
    assert found(r"rayVersion`?:? ?\|? ?[\"`]?(\d+\.\d+\.\d+)").keys() == {wanted}
    pins = [
        path.read_text(encoding="utf-8")
        for path in (ROOT / "hack" / "requirements").iterdir()
        if path.is_file()
    ]
    assert {pin for text in pins for pin in re.findall(r"^ray(?:\[.*\])?==([\w.]+)", text, re.MULTILINE)} == {
        wanted
    }
