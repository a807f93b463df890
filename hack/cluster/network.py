"""The pods' network: one bridge on this machine. It reaches nothing outside the machine."""

import json
import subprocess
from pathlib import Path

from cluster import build

BRIDGE = "ttsp0"
GATEWAY = "10.244.0.1"
"""The machine's address on the bridge: the API server, the kubelet and the name server listen here."""
PODS = "10.244.0.0/24"

_PLUGINS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
_NOTES = Path("/var/lib/cni/results")
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


def add_bridge() -> None:
    """Make the bridge, and route its packets: a Service's address is on no interface."""
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("address", "add", f"{GATEWAY}/24", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")


def remove_bridge() -> None:
    """Remove the bridge, the pods' ends of it, and kube-proxy's rules."""
    links = json.loads(_ip("-json", "link", "show"))
    for link in links:
        if link.get("master") == BRIDGE:
            _remove_end(link["ifname"])
    if any(link["ifname"] == BRIDGE for link in links):
        _ip("link", "delete", BRIDGE)
    for table in _kube_proxy_tables():
        subprocess.run(["nft", "delete", "table", *table], check=True)


def _remove_end(name: str) -> None:
    """Remove a pod's end of the bridge, which may be disappearing just now with the pod's network."""
    try:
        _ip("link", "delete", name)
    except subprocess.CalledProcessError:
        if Path("/sys/class/net", name).exists():
            raise


def forwards() -> bool:
    """Return whether the machine routes packets."""
    return _FORWARD.read_text().strip() == "1"


def forward(wanted: bool) -> None:
    """Turn the machine's routing of packets on or off."""
    _FORWARD.write_text("1" if wanted else "0")


def remove_namespace(path: Path) -> None:
    """Remove a pod's network namespace."""
    if path.exists():
        _ip("netns", "delete", path.name)


def forget(container: str) -> None:
    """Remove containerd's records of a container's network."""
    for note in _NOTES.glob(f"*-{container}-*"):
        note.unlink()


def write_cni(folder: Path, addresses: Path) -> None:
    """Write the configuration from which containerd makes the pods' network."""
    folder.mkdir()
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,  # a pod reaches itself through its Service
        "ipam": {
            "type": "host-local",
            "dataDir": str(addresses),
            "ranges": [[{"subnet": PODS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    document = {"cniVersion": "1.0.0", "name": "ttsp", "plugins": [bridge]}
    (folder / "10-ttsp.conflist").write_text(json.dumps(document), encoding="utf-8")


def plugins() -> Path:
    """Return the folder of the CNI plugins."""
    for candidate in map(Path, _PLUGINS):
        if (candidate / "bridge").is_file():
            return candidate
    raise build.PrerequisiteError(
        "The CNI plugins are missing. Run `hack/setup cluster`, then run this again."
    )


def _kube_proxy_tables() -> list[tuple[str, str]]:
    listed = json.loads(
        subprocess.run(["nft", "-j", "list", "tables"], check=True, capture_output=True).stdout
    )
    tables = [entry["table"] for entry in listed["nftables"] if "table" in entry]
    return [(table["family"], table["name"]) for table in tables if table["name"] == "kube-proxy"]


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout
