"""The cluster itself: pods run, find each other by name through Services, and keep files on volumes."""

import hashlib
import io
import json
import platform
import tarfile
import time
from pathlib import Path

import pytest

from cluster.base_image import NAME
from cluster.control_plane import CommandError
from cluster.layout import Layout, LayoutError, begin, complete
from cluster.node import Cluster

pytestmark = pytest.mark.usefixtures("base")

SERVER = (
    "use IO::Socket::INET; my $s = IO::Socket::INET->new(Listen => 9, LocalPort => 8080) or die $@;"
    "while (my $c = $s->accept) {"
    ' while (<$c>) { last if /^\\s*$/ } print $c "HTTP/1.0 200 OK\\r\\n\\r\\nhello"; close $c }'
)
CLIENT = (
    "use IO::Socket::INET; my $c; for (1 .. 60) { "
    'last if $c = IO::Socket::INET->new(PeerAddr => "web", PeerPort => 80); sleep 1 } die $@ unless $c; '
    'print $c "GET / HTTP/1.0\\r\\n\\r\\n"; print while <$c>'
)


def pod(name: str, *command: str, **spec: object) -> dict[str, object]:
    container = {"name": name, "image": NAME, "imagePullPolicy": "Never", "command": list(command)}
    if volume_mounts := spec.pop("volumeMounts", None):
        container["volumeMounts"] = volume_mounts  # type: ignore[assignment]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "containers": [container],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            **spec,
        },
    }


def apply(cluster: Cluster, namespace: str, *resources: object) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": list(resources)}
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(items))


def wait(cluster: Cluster, namespace: str, what: str, condition: str) -> None:
    cluster.kubectl("wait", "-n", namespace, what, f"--for={condition}", "--timeout=90s")


def reported(cluster: Cluster, path: str) -> str:
    """Return what is answered through the API server: a pod is Ready before it listens, and is known."""
    deadline = time.monotonic() + 90
    while True:
        try:
            return cluster.kubectl("get", "--raw", path)
        except CommandError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def test_pod_reaches_another_through_its_service(cluster: Cluster, namespace: str) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    apply(cluster, namespace, pod("server", "perl", "-e", SERVER), service)
    wait(cluster, namespace, "pod/server", "condition=Ready")
    through_the_api = f"/api/v1/namespaces/{namespace}/services/web:80/proxy/"
    assert reported(cluster, through_the_api) == "hello"
    apply(cluster, namespace, pod("client", "perl", "-e", CLIENT))
    wait(cluster, namespace, "pod/client", "jsonpath={.status.phase}=Succeeded")
    assert cluster.kubectl("logs", "client", "-n", namespace).endswith("hello")
    assert cluster.kubectl("exec", "server", "-n", namespace, "--", "cat", "/etc/debian_version").strip()


def test_volume_keeps_files_for_the_next_pod(cluster: Cluster, namespace: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "kept"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    on_volume = {
        "volumes": [{"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}],
        "volumeMounts": [{"name": "kept", "mountPath": "/kept"}],
    }
    apply(cluster, namespace, claim, pod("writer", "sh", "-c", "echo word > /kept/file", **on_volume))
    wait(cluster, namespace, "pod/writer", "jsonpath={.status.phase}=Succeeded")
    apply(cluster, namespace, pod("reader", "cat", "/kept/file", **on_volume))
    wait(cluster, namespace, "pod/reader", "jsonpath={.status.phase}=Succeeded")
    assert cluster.kubectl("logs", "reader", "-n", namespace) == "word\n"


def test_pod_reaches_the_api_server(cluster: Cluster, namespace: str) -> None:
    script = (
        "use IO::Socket::INET; IO::Socket::INET->new(PeerAddr => $ENV{KUBERNETES_SERVICE_HOST},"
        ' PeerPort => $ENV{KUBERNETES_SERVICE_PORT}) or die $@; print "ok"'
    )
    apply(cluster, namespace, pod("asker", "perl", "-e", script))
    wait(cluster, namespace, "pod/asker", "jsonpath={.status.phase}=Succeeded")
    assert cluster.kubectl("logs", "asker", "-n", namespace) == "ok"


def test_import_image_needs_only_layers_that_the_node_lacks(cluster: Cluster, tmp_path: Path) -> None:
    shared, own, other = (layer(f"{tmp_path} {number}") for number in range(3))
    first, second, third = (
        image(tmp_path, number, layers)
        for number, layers in enumerate(([shared], [shared, own], [shared, other]))
    )
    cluster.import_image(first.folder)
    first.layers[0].unlink()
    cluster.import_image(second.folder)
    third.folder.joinpath("blobs", "sha256", hashlib.sha256(other).hexdigest()).unlink()
    with pytest.raises(LayoutError, match="is not in"):
        cluster.import_image(third.folder)


def layer(content: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content.encode()))
    return data.getvalue()


def image(folder: Path, number: int, layers: list[bytes]) -> Layout:
    """Make a layout; its blobs are those of all layouts of the folder."""
    made = folder / str(number)
    begin(made, folder / "blobs")
    digests = []
    for data in layers:
        digest = hashlib.sha256(data).hexdigest()
        (folder / "blobs" / "sha256" / digest).write_bytes(data)
        digests.append(f"sha256:{digest}")
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": digests},
    }
    return complete(made, f"localhost/ttsp/test:{number}", json.dumps(config).encode())
