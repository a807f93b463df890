"""A cluster that runs pods: the control plane and one node, this machine. It needs root, and Linux."""

import os
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from cluster import build, leftovers, network, single
from cluster.binaries import NODE
from cluster.containers import Containerd
from cluster.control_plane import KUBELET, LOOPBACK, NODE_NAME, PROXY, SCHEDULER, ControlPlane
from cluster.process import Process, answers, free_port

_START = 180.0
_SETUP = Path(__file__).parents[1] / "setup"
_STORAGE_CLASS = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/host-path
"""
_LONGEST_SOCKET = "kubelet/device-plugins/kubelet.sock"
_LONGEST_NAME = 107
"""Most bytes that Linux allows in the path of a socket."""
_VOLUMES = Path("/tmp/hostpath_pv")  # noqa: S108 - where Kubernetes' host-path provisioner makes volumes, always
_COREFILE = """
.:53 {{
  bind {address}
  errors
  ready {ready}
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig}
    ttl 1
  }}
}}
"""


def state_folder() -> Path:
    """Return the folder where the cluster keeps its images, and everything else while it is up."""
    return build.cache_folder() / "cluster"


def run_folder() -> Path:
    """Return the folder of the cluster that is up."""
    return state_folder() / "run"


def lock() -> Path:
    """Return the file that the cluster's keeper has locked."""
    return state_folder() / "lock"


def _containerd() -> Containerd:
    return Containerd(state_folder() / "images", run_folder())


def check_root() -> None:
    """Fail on a machine that cannot be a node."""
    if sys.platform != "linux":
        raise build.PrerequisiteError(
            "A cluster that runs pods is made of Linux: on another system use a virtual machine or kind "
            "(https://kind.sigs.k8s.io). `python hack/cluster control-plane` works here, and runs no pods."
        )
    if os.geteuid() != 0:
        raise build.PrerequisiteError(
            "A cluster that runs pods makes mounts, a bridge and control groups: run it as root (sudo). "
            "`python hack/cluster control-plane` needs no root, and runs no pods."
        )


def check_length(run: Path) -> None:
    """Fail if the path of a cluster's folder is too long for the sockets in it."""
    if (over := len(os.fsencode(run / _LONGEST_SOCKET)) - _LONGEST_NAME) > 0:
        raise build.PrerequisiteError(
            f"The name {run} is {over} bytes too long for the sockets in that folder: "
            "set TTSP_CACHE to a shorter one."
        )


def prepare() -> None:
    """Install and build what a node needs and this machine lacks."""
    check_root()
    check_length(run_folder())
    install()
    build.build(NODE)


def install() -> None:
    """Install the system packages that a node and its images need and this machine lacks."""
    if subprocess.run([str(_SETUP), "cluster"], check=False).returncode:
        raise build.PrerequisiteError(
            "`hack/setup cluster` could not install what is missing: it says why above."
        )


def import_image(image: Path) -> None:
    """Import the images of a docker-archive, an OCI archive or a layout into the cluster that is up."""
    _containerd().import_image(image)


def remove_everything() -> None:
    """Remove what a cluster left: containers, mounts, network, control groups and its folder."""
    run = run_folder()
    if not run.exists():
        return
    containerd = _containerd()
    try:
        containerd.start()
        containerd.remove_containers()
    finally:
        containerd.process.stop()
    leftovers.end_shims(containerd.socket)
    leftovers.remove_cgroup()
    leftovers.unmount_below(run)
    leftovers.remove_log_links(run)
    network.remove_bridge()
    if _forwards_not(run).exists():
        network.forward(False)
    if _VOLUMES.exists():
        shutil.rmtree(_VOLUMES)
    shutil.rmtree(run)


class Cluster(ControlPlane):
    """A control plane with a node; one at a time on a machine."""

    def __init__(self) -> None:
        run = run_folder()
        self._kubelet_client = (run / "kubelet-client.crt", run / "kubelet-client.key")
        super().__init__(
            address=network.GATEWAY,
            folder=run,
            api_arguments=[
                "--kubelet-preferred-address-types=InternalIP",
                f"--kubelet-client-certificate={self._kubelet_client[0]}",
                f"--kubelet-client-key={self._kubelet_client[1]}",
            ],
            controller_manager_arguments=["--enable-hostpath-provisioner=true"],
        )
        self._containerd = _containerd()
        self._ended = threading.Event()
        self._opener = threading.Thread(target=_open_volumes, args=(self._ended,), daemon=True)

    def start(self) -> None:
        """Remove what an earlier cluster has left, start everything and return when the node is ready."""
        check_root()
        build.check(NODE)
        install()
        self._lock = single.take(lock())
        if run_folder().exists():
            self.on_step("removing what a cluster before has left")
        remove_everything()
        run_folder().mkdir(parents=True)
        super().start()

    def import_image(self, image: Path) -> None:
        """Import the images of a docker-archive, an OCI archive or a layout."""
        self._containerd.import_image(image)

    def _start(self) -> None:
        if not network.forwards():
            _forwards_not(run_folder()).touch()
            network.forward(True)
        self.on_step("making the pods' network")
        network.add_bridge()
        leftovers.make_cgroup()
        self._make_kubelet_client()
        super()._start()
        self.kubectl("apply", "-f", "-", input=_STORAGE_CLASS)
        self.on_step("starting containerd")
        self._containerd.start()
        self._containerd.import_pause()
        self.on_step("starting the scheduler, kube-proxy and CoreDNS")
        self._start_scheduler()
        self._start_proxy()
        self._start_name_server()
        self.on_step("starting the kubelet, and waiting for the node")
        self._start_kubelet()
        self._opener.start()

    def _remove(self) -> None:
        self._ended.set()
        if self._opener.is_alive():
            self._opener.join()
        self._containerd.process.stop()
        remove_everything()
        self._lock.close()

    def _make_kubelet_client(self) -> None:
        """Make the certificate that the API server presents to the kubelet, which admits no other client."""
        certificate, key = self._kubelet_client
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "365"]
        command += ["-subj", "/CN=kube-apiserver", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)

    def _start_scheduler(self) -> None:
        self._begin(
            "kube-scheduler",
            f"--kubeconfig={self.kubeconfig_of(SCHEDULER)}",
            "--leader-elect=false",
            "--secure-port=0",
        )

    def _start_proxy(self) -> None:
        probe = free_port(LOOPBACK)
        config = self._write_config(
            "kubeproxy",
            {
                "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                "kind": "KubeProxyConfiguration",
                "mode": "nftables",
                "clientConnection": {"kubeconfig": str(self.kubeconfig_of(PROXY))},
                "clusterCIDR": network.PODS,
                "hostnameOverride": NODE_NAME,
                "nodePortAddresses": [f"{network.GATEWAY}/32"],
                "healthzBindAddress": f"{LOOPBACK}:{probe}",
                "metricsBindAddress": f"{LOOPBACK}:{free_port(LOOPBACK)}",
                # The machine's own limits stay.
                "conntrack": {"maxPerCore": 0, "min": 0},
            },
        )
        proxy = self._begin("kube-proxy", f"--config={config}")
        proxy.wait_ready(lambda: answers(LOOPBACK, probe, "/livez"), _START)

    def _start_name_server(self) -> None:
        probe = free_port(LOOPBACK)
        corefile = self.folder / "Corefile"
        text = _COREFILE.format(
            address=network.GATEWAY, ready=f"{LOOPBACK}:{probe}", kubeconfig=self.kubeconfig
        )
        corefile.write_text(text, encoding="utf-8")
        server = self._begin("coredns", "-conf", str(corefile))
        server.wait_ready(lambda: answers(LOOPBACK, probe, "/ready"), _START)

    def _start_kubelet(self) -> None:
        port = free_port(network.GATEWAY)
        probe = free_port(LOOPBACK)
        config = self._write_config(
            "kubelet",
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "address": network.GATEWAY,
                "port": port,
                "healthzBindAddress": LOOPBACK,
                "healthzPort": probe,
                "authentication": {
                    "anonymous": {"enabled": False},
                    "webhook": {"enabled": False},
                    "x509": {"clientCAFile": str(self._kubelet_client[0])},
                },
                "authorization": {"mode": "AlwaysAllow"},  # of clients that are admitted
                "containerRuntimeEndpoint": f"unix://{self._containerd.socket}",
                "cgroupDriver": "cgroupfs",
                "cgroupRoot": f"/{leftovers.CGROUP}",
                "failCgroupV1": False,
                "failSwapOn": False,
                "localStorageCapacityIsolation": False,
                "enforceNodeAllocatable": [],
                "resolvConf": "/dev/null",
                "makeIPTablesUtilChains": False,  # kube-proxy has nftables
                "clusterDomain": "cluster.local",
                "clusterDNS": [network.GATEWAY],
                "podLogsDir": str(self.folder / "pod-logs"),
                "volumePluginDir": str(self.folder / "volume-plugins"),
                # Images are imported and cannot be pulled again: never remove them to free space.
                "imageGCHighThresholdPercent": 100,
                "evictionHard": {
                    "memory.available": "100Mi",
                    "nodefs.available": "1%",
                    "imagefs.available": "1%",
                },
                "syncFrequency": "10s",
            },
        )
        kubelet = self._begin(
            "kubelet",
            f"--config={config}",
            f"--kubeconfig={self.kubeconfig_of(KUBELET)}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet-certificates'}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={network.GATEWAY}",
        )
        kubelet.wait_ready(self._node_is_ready, _START)

    def _node_is_ready(self) -> bool:
        statuses = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
        return self.kubectl("get", "nodes", "-o", f"jsonpath={statuses}") == "True"

    def _begin(self, name: str, *arguments: str) -> Process:
        process = self.process(name, [build.path_of(name), *arguments])
        process.start()
        return process

    def _write_config(self, name: str, document: dict[str, Any]) -> Path:
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return path


def _open_volumes(ended: threading.Event) -> None:
    """Let every pod write to its volumes, until `ended`: Kubernetes makes these folders for root only, and
    ignores fsGroup where a volume is a folder of the node. On a real cluster the storage driver applies it.
    """
    while not ended.wait(0.1):
        for folder in _VOLUMES.glob("*"):
            with suppress(FileNotFoundError):  # it is deleted with its claim
                folder.chmod(0o777)


def _forwards_not(run: Path) -> Path:
    """Return the file that records that the machine did not route packets before."""
    return run / "forwards-not"
