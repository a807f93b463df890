"""Helm, and what tests of the charts share."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from json_schemas import LOCATION

from cluster.build import files_of, path_of

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "tts-playground"
UMBRELLA = ROOT / "charts" / "tts-playground-with-kuberay"
MONITORED = ROOT / "charts" / "tts-playground-with-monitoring"
RELEASE = "tts-playground"
"""Of every release in tests: its objects, the ServiceAccount among them, are called so too."""

Object = dict[str, Any]


class ProgramError(Exception):
    """Helm or kubeconform failed; the message is what it wrote."""


def run(program: str, *arguments: str, given: str | None = None, home: Path | None = None) -> str:
    """Run a program of the cluster that needs no cluster; return what it writes."""
    names = ("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME") if home else ()
    done = subprocess.run(
        [str(path_of(program)), *arguments],
        input=given,
        env={**os.environ, **dict.fromkeys(names, str(home)), "KUBECONFIG": "/dev/null"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    if done.returncode:
        raise ProgramError(done.stdout + done.stderr)
    return done.stdout


class Helm:
    """Helm without a cluster."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._rendered: dict[tuple[str, Path, str, str], str] = {}

    def __call__(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """Run Helm; return what it writes. Raises ProgramError."""
        given = () if values is None else ("--values", "-")
        return run("helm", *arguments, *given, given=json.dumps(values), home=self._home)

    def render(
        self,
        values: Mapping[str, Any] | None = None,
        chart: Path = CHART,
        namespace: str = "tts-system",
        release: str = RELEASE,
    ) -> list[Object]:
        """Return the objects of a release, its tests included. Raises ProgramError.

        Of the same arguments Helm is asked once: charts do not change while tests run.
        """
        given = json.dumps(values or {}), chart, namespace, release
        if given not in self._rendered:
            self._rendered[given] = self.template(values, chart, namespace, release)
        documents = yaml.load_all(self._rendered[given], Loader=yaml.CSafeLoader)
        return [document for document in documents if document]

    def template(
        self,
        values: Mapping[str, Any] | None = None,
        chart: Path = CHART,
        namespace: str = "tts-system",
        release: str = RELEASE,
    ) -> str:
        """Return what Helm makes of a release now, its tests included. Raises ProgramError."""
        return self("template", release, str(chart), "--namespace", namespace, values=values or {})


def of_kind(objects: Iterable[Object], kind: str) -> list[Object]:
    """Return the objects of a kind."""
    return [document for document in objects if document["kind"] == kind]


def deployment(objects: list[Object]) -> Object:
    """Return the operator's Deployment."""
    (found,) = of_kind(objects, "Deployment")
    return found


def environment(objects: list[Object]) -> dict[str, Any]:
    """Return the variables of the operator's container."""
    (container,) = deployment(objects)["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value") for variable in container["env"]}


def helm_test(
    helm: Helm, url: str, patience: float, values: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run what the pod of `helm test` runs, against `url`; it tries for `patience` seconds."""
    (pod,) = of_kind(helm.render(values), "Pod")
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["python", "-c"]
    (script,) = container["args"]
    assert "PATIENCE = 60.0" in script
    return subprocess.run(
        [sys.executable, "-c", script.replace("PATIENCE = 60.0", f"PATIENCE = {patience}")],
        env={container["env"][0]["name"]: url},
        capture_output=True,
        text=True,
        check=False,
    )


def conform(schemas: Path, documents: list[Object]) -> dict[str, Any]:
    """Return kubeconform's summary; raises ProgramError with what it found."""
    text = yaml.safe_dump_all(documents)
    options = ("-strict", "-summary", "-output", "json", "-schema-location", f"{schemas}/{LOCATION}")
    summary: dict[str, Any] = json.loads(run("kubeconform", *options, "-", given=text))["summary"]
    return summary


def with_stand_ins(helm: Helm, chart: Path, folder: Path) -> Path:
    """Return a copy of a chart in `folder`, beside ours; of its other dependencies it has stand-ins.

    A stand-in has the name and version that the chart asks for, and one ConfigMap of that name: no network is
    needed. What the chart hands to its dependencies is not checked.
    """
    for source in (CHART, chart):
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
    manifest = folder / chart.name / "Chart.yaml"
    described = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    for dependency in described["dependencies"]:
        if dependency["repository"].startswith("file:"):
            continue
        name = dependency["name"]
        (folder / name / "templates").mkdir(parents=True)
        metadata = {"apiVersion": "v2", "name": name, "version": dependency["version"]}
        (folder / name / "Chart.yaml").write_text(yaml.safe_dump(metadata), encoding="utf-8")
        stand_in = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        (folder / name / "templates" / "stand-in.yaml").write_text(yaml.safe_dump(stand_in), encoding="utf-8")
        dependency["repository"] = f"file://../{name}"
    manifest.write_text(yaml.safe_dump(described), encoding="utf-8")
    helm("dependency", "build", str(folder / chart.name))
    return folder / chart.name


def account(namespace: str) -> str:
    """Return the user that the ServiceAccount of a release in that namespace is."""
    return f"system:serviceaccount:{namespace}:{RELEASE}"


def custom_kind(group: str, version: str, name: str, spec: Mapping[str, Any]) -> Object:
    """Return the definition of somebody else's kind, as far as our objects of it go."""
    plural = f"{name.lower()}s"
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": dict(spec)}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            # Without it the group of the Gateway API is refused: it is the community's.
            "annotations": {"api-approved.kubernetes.io": "unapproved, a test's"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": name, "plural": plural, "singular": name.lower(), "listKind": f"{name}List"},
            "versions": [
                {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }


_TEXT = {"type": "string"}
_PARENT = {"name": _TEXT, "namespace": _TEXT, "sectionName": _TEXT}
_BACKEND = {"name": _TEXT, "port": {"type": "integer"}}
_RULE = {"backendRefs": {"type": "array", "items": {"type": "object", "properties": _BACKEND}}}
_ROUTE = {
    "parentRefs": {"type": "array", "items": {"type": "object", "properties": _PARENT}},
    "hostnames": {"type": "array", "items": _TEXT},
    "rules": {"type": "array", "items": {"type": "object", "properties": _RULE}},
}
_DEFINITIONS = {
    "prometheus-operator": (
        "monitoring.coreos.com_podmonitors.yaml",
        "monitoring.coreos.com_servicemonitors.yaml",
        "monitoring.coreos.com_prometheusrules.yaml",
    ),
    "grafana-operator": ("grafana.integreatly.org_grafanadashboards.yaml",),
}


def others_definitions() -> list[Object]:
    """Return kinds that a cluster may have, and that the operator and the chart then use.

    Those of Prometheus' operator and of the Grafana operator are their own; of the Gateway API it is as much
    as our objects need.
    """
    found = [
        yaml.load((files_of(source) / name).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        for source, names in _DEFINITIONS.items()
        for name in names
    ]
    return [*found, custom_kind("gateway.networking.k8s.io", "v1", "HTTPRoute", _ROUTE)]
