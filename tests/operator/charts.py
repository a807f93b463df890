"""Helm, and what tests of the charts share."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from cluster.build import path_of

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "tts-playground"
UMBRELLA = ROOT / "charts" / "tts-playground-with-kuberay"
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
_LABELS = {"type": "object", "additionalProperties": _TEXT}
_SELECTOR = {"type": "object", "properties": {"matchLabels": _LABELS}}
_ENDPOINTS = {
    "type": "array",
    "items": {"type": "object", "properties": {"port": _TEXT, "interval": _TEXT}},
}
_PARENT = {"name": _TEXT, "namespace": _TEXT, "sectionName": _TEXT}
_BACKEND = {"name": _TEXT, "port": {"type": "integer"}}
_RULE = {"backendRefs": {"type": "array", "items": {"type": "object", "properties": _BACKEND}}}

OTHERS_KINDS = (
    custom_kind(
        "monitoring.coreos.com",
        "v1",
        "PodMonitor",
        {"selector": _SELECTOR, "podMetricsEndpoints": _ENDPOINTS},
    ),
    custom_kind(
        "monitoring.coreos.com", "v1", "ServiceMonitor", {"selector": _SELECTOR, "endpoints": _ENDPOINTS}
    ),
    custom_kind(
        "gateway.networking.k8s.io",
        "v1",
        "HTTPRoute",
        {
            "parentRefs": {"type": "array", "items": {"type": "object", "properties": _PARENT}},
            "hostnames": {"type": "array", "items": _TEXT},
            "rules": {"type": "array", "items": {"type": "object", "properties": _RULE}},
        },
    ),
)
"""Kinds that a cluster may have, and that the operator and the chart then use."""
