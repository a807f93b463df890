"""The control plane itself: what the operator's tests stand on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from running import PATIENCE

from cluster.binaries import KUBERNETES, VERSIONS
from cluster.control_plane import CommandError, ControlPlane
from cluster.process import StartError

HACK = Path(__file__).parents[2] / "hack"

RAY_SERVICE = """
apiVersion: ray.io/v1
kind: RayService
metadata: {name: playground}
spec:
  serveConfigV2: "applications: []"
  rayClusterConfig:
    rayVersion: 2.52.0
    headGroupSpec:
      rayStartParams: {}
      template:
        spec:
          containers: [{name: ray-head, image: "ray:absent", imagePullPolicy: Never}]
"""

pytestmark = pytest.mark.usefixtures("built")


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"not so after {PATIENCE:g} s"
        time.sleep(0.2)


def names(plane: ControlPlane, kind: str, namespace: str) -> list[str]:
    return plane.kubectl("get", kind, "-n", namespace, "-o", "name").split()


def test_control_plane_runs_the_pinned_kubernetes(control_plane: ControlPlane) -> None:
    assert control_plane.kubectl("get", "--raw", "/readyz") == "ok"
    reported = json.loads(control_plane.kubectl("version", "-o", "json"))
    assert reported["serverVersion"]["gitVersion"] == VERSIONS[KUBERNETES]
    assert reported["clientVersion"]["gitVersion"] == VERSIONS[KUBERNETES]


def test_control_plane_enforces_rbac(control_plane: ControlPlane, namespace: str) -> None:
    def ask(kind: str) -> str:
        return control_plane.run("kubectl", "get", kind, kubeconfig=kubeconfig)

    control_plane.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    kubeconfig = control_plane.kubeconfig_for("reader", namespace)
    with pytest.raises(CommandError, match="forbidden"):
        ask("configmaps")
    control_plane.kubectl("create", "role", "read", "--verb=list", "--resource=configmaps", "-n", namespace)
    binding = ("create", "rolebinding", "read", "--role=read", f"--serviceaccount={namespace}:reader")
    control_plane.kubectl(*binding, "-n", namespace)

    def reads() -> bool:
        try:
            return "kube-root-ca.crt" in ask("configmaps")
        except CommandError as error:
            assert "forbidden" in error.error
            return False  # the API server has not seen the binding yet

    until(reads)
    with pytest.raises(CommandError, match="forbidden"):
        ask("secrets")


def test_control_plane_enforces_pod_security(control_plane: ControlPlane, namespace: str) -> None:
    label = "pod-security.kubernetes.io/enforce=restricted"
    control_plane.kubectl("label", "namespace", namespace, label)
    run = ("run", "root", "--image=any", "--privileged", "--dry-run=server", "-n", namespace)

    def refused() -> bool:
        try:
            control_plane.kubectl(*run)
        except CommandError as error:
            assert "violates PodSecurity" in error.error
            return True
        return False  # the API server has not seen the label yet

    until(refused)


def test_kuberay_makes_a_cluster_and_its_pods(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("apply", "-n", namespace, "-f", "-", input=RAY_SERVICE)
    until(lambda: len(names(control_plane, "pods", namespace)) == 1)
    [pod] = json.loads(control_plane.kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"]
    [cluster] = names(control_plane, "rayclusters", namespace)
    assert pod["metadata"]["labels"]["ray.io/cluster"] == cluster.removeprefix("raycluster.ray.io/")
    assert pod["status"]["phase"] == "Pending"


def test_kuberay_catches_up_after_an_outage(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.stop_kuberay()
    try:
        control_plane.kubectl("apply", "-n", namespace, "-f", "-", input=RAY_SERVICE)
        time.sleep(2)
        assert names(control_plane, "rayclusters", namespace) == []
    finally:
        control_plane.start_kuberay()
    until(lambda: len(names(control_plane, "pods", namespace)) == 1)


def test_api_server_keeps_its_url_and_data_after_an_outage(
    control_plane: ControlPlane, namespace: str
) -> None:
    url = control_plane.url
    control_plane.kubectl("create", "configmap", "kept", "-n", namespace)
    control_plane.stop_api()
    try:
        with pytest.raises(CommandError, match="refused"):
            control_plane.kubectl("get", "configmaps", "-n", namespace)
        time.sleep(3)  # those who watch lose their connection and try again
    finally:
        control_plane.start_api()
    assert control_plane.url == url
    assert "configmap/kept" in names(control_plane, "configmaps", namespace)
    # Those who were connected are so again.
    control_plane.kubectl("apply", "-n", namespace, "-f", "-", input=RAY_SERVICE)
    until(lambda: len(names(control_plane, "pods", namespace)) == 1)


def test_control_plane_stop_leaves_no_process_and_no_folder() -> None:
    with ControlPlane(controller_manager=False, kuberay=False) as plane:
        pids, folder = plane.pids, plane.folder
        assert len(pids) == 2
        assert plane.kubectl("get", "--raw", "/readyz") == "ok"
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not folder.exists()


def test_control_plane_that_cannot_start_says_why_and_leaves_nothing() -> None:
    before = children()
    plane = ControlPlane(controller_manager=False, kuberay=False, api_arguments=["--no-such-flag"])
    with pytest.raises(StartError, match="unknown flag: --no-such-flag"):
        plane.start()
    assert children() == before
    assert not plane.folder.exists()


def test_control_plane_ends_with_a_killed_test_run(tmp_path: Path) -> None:
    script = (
        "import time\nfrom cluster.control_plane import ControlPlane\n"
        "plane = ControlPlane(controller_manager=False, kuberay=False)\nplane.start()\n"
        "print(*plane.pids, flush=True)\ntime.sleep(600)"
    )
    path = [str(HACK), os.environ.get("PYTHONPATH", "")]
    run = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path), "TMPDIR": str(tmp_path)},
    )
    try:
        assert run.stdout is not None
        pids = [int(pid) for pid in run.stdout.readline().split()]
        run.stdout.close()
        assert len(pids) == 2
    finally:
        run.kill()
        run.wait()
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}
