"""Kueue on a cluster that runs pods, from its own chart and a program that is built here."""

import time

import yaml

from cluster import build
from cluster.archive import archive_of
from cluster.binaries import BINARIES
from cluster.control_plane import CommandError, ControlPlane
from cluster.kind import KindCluster
from cluster.node import Cluster

NAMESPACE = "kueue-system"
_IMAGE = "localhost/ttsp/kueue"
_VERSION = BINARIES["kueue"].version
_USER = 65532
_WEBHOOKS = 60.0
_CONFIGURATION = {
    "apiVersion": "config.kueue.x-k8s.io/v1beta2",
    "kind": "Configuration",
    "health": {"healthProbeBindAddress": ":8081"},
    "metrics": {"bindAddress": ":8443"},
    "webhook": {"port": 9443},
    "integrations": {"frameworks": ["batch/job", "ray.io/rayjob"]},
}
"""Its configuration. Without batch/job, Kueue 0.17 refuses every Job, KubeRay's submitters too."""


def install(cluster: Cluster | KindCluster) -> None:
    """Install Kueue, and return when it is ready.

    Raises:
        PrerequisiteError: its program is not built.
    """
    build.check(["kueue"])
    cluster.import_image(archive_of("kueue", f"{_IMAGE}:{_VERSION}", "manager"))
    values = cluster.folder / "kueue.yaml"
    values.write_text(yaml.safe_dump(_values()), encoding="utf-8")
    chart = str(build.files_of("kueue"))
    cluster.helm("install", "kueue", chart, "-n", NAMESPACE, "--create-namespace", "--values", str(values))
    # Its API of pending jobs needs an API server that identifies itself to other API servers; it is unused.
    cluster.kubectl("delete", "apiservices", "-l", "app.kubernetes.io/name=kueue")
    cluster.kubectl("rollout", "status", "deploy", "-n", NAMESPACE, "--timeout=180s")
    _await_webhooks(cluster)


def _await_webhooks(cluster: ControlPlane) -> None:
    """Wait until the API server reaches its webhooks: the pod is ready a moment before its Service is."""
    flavor = yaml.safe_dump(
        {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor", "metadata": {"name": "any"}}
    )
    deadline = time.monotonic() + _WEBHOOKS
    while True:
        try:
            cluster.kubectl("apply", "--dry-run=server", "-f", "-", input=flavor)
            return
        except CommandError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _values() -> dict[str, object]:
    manager = {
        "image": {"repository": _IMAGE, "tag": _VERSION, "pullPolicy": "IfNotPresent"},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
        "podSecurityContext": {"runAsNonRoot": True, "runAsUser": _USER, "fsGroup": _USER},
    }
    return {
        "controllerManager": {
            "featureGates": [{"name": "VisibilityOnDemand", "enabled": False}],
            "manager": manager,
        },
        "managerConfig": {"controllerManagerConfigYaml": yaml.safe_dump(_CONFIGURATION)},
    }
