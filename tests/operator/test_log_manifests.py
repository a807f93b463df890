"""`manifests/monitoring`: a real API server takes what is there for clusters."""

from pathlib import Path

import yaml

from cluster.control_plane import ControlPlane

LOGS = Path(__file__).parents[2] / "manifests/monitoring/logs-cluster.yaml"


def test_api_server_takes_the_collector_of_logs_without_a_warning(control_plane: ControlPlane) -> None:
    documents = list(yaml.safe_load_all(LOGS.read_text(encoding="utf-8")))
    namespace, rest = documents[0], documents[1:]
    assert namespace["kind"] == "Namespace"
    apply = ("apply", "--validate=strict", "-f", "-")
    try:
        control_plane.kubectl(*apply, input=yaml.safe_dump(namespace))
        said = control_plane.kubectl(*apply, "--dry-run=server", input=yaml.safe_dump_all(rest))
    finally:
        control_plane.kubectl("delete", "namespace", namespace["metadata"]["name"], "--wait=false")
    assert said.splitlines() == [
        "serviceaccount/logs created (server dry run)",
        "configmap/logs created (server dry run)",
        "daemonset.apps/logs created (server dry run)",
    ]
