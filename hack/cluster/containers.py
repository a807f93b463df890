"""containerd with its own folders: images stay from one cluster to the next, containers do not."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cluster import build, network
from cluster.archive import archive_of
from cluster.binaries import BINARIES
from cluster.layout import Layout
from cluster.process import Process

PAUSE = f"localhost/ttsp/pause:{BINARIES['pause'].version}"
_NAMESPACE = ("--namespace", "k8s.io")
_START = 180.0
_IMPORTS = 3
"""Times that an import is tried."""
_STOP = 30.0
_CONFIG = """
version = 2
root = "{root}"
state = "{state}"
[grpc]
address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "{root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
# Where we may not make ourselves less likely to be killed, containers may not either: runc would fail.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{cni}"
"""


class Containerd:
    """A containerd that keeps its images in `root` and everything else in `run`."""

    def __init__(self, root: Path, run: Path) -> None:
        self._root = root
        self._run = run
        self.socket = run / "containerd.sock"
        self.process = Process(
            "containerd", ["containerd", "--config", str(run / "containerd.toml")], run / "containerd.log"
        )

    @property
    def _command(self) -> list[str]:
        return ["ctr", "--address", str(self.socket)]

    def start(self) -> None:
        """Start it, with the image that every pod needs."""
        self._root.mkdir(parents=True, exist_ok=True)
        cni = self._run / "cni"
        if not cni.exists():
            network.write_cni(cni, self._run / "addresses")
        config = _CONFIG.format(
            root=self._root,
            state=self._run / "containerd",
            socket=self.socket,
            pause=PAUSE,
            plugins=network.plugins(),
            cni=cni,
        )
        (self._run / "containerd.toml").write_text(config, encoding="utf-8")
        self.process.start()
        self.process.wait_ready(self._answers, _START)

    def import_image(self, image: Path) -> None:
        """Import the images of a docker-archive, an OCI archive or a layout; pods use them by name.

        From a layout it sends only missing layers. When it replaces an older image of that name, containerd's
        collector may remove a layer of it while the new image is unpacked on that layer: the next try finds
        it missing, and sends and unpacks it too.
        """
        imports = self._import_layout if image.is_dir() else self._import_archive
        for _ in range(_IMPORTS - 1):
            if imports(image).returncode == 0:
                return
        done = imports(image)
        if done.returncode:
            raise build.BuildError(f"ctr images import {image}: {done.stderr.strip()}")

    def _import_archive(self, archive: Path) -> "subprocess.CompletedProcess[str]":
        return self._run_ctr(*_NAMESPACE, "images", "import", str(archive))

    def _import_layout(self, folder: Path) -> "subprocess.CompletedProcess[str]":
        has = self._ctr("content", "list", "--quiet").split()
        command = [*self._command, *_NAMESPACE, "images", "import", "-"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe) as process:
            assert process.stdin is not None  # noqa: S101 - it was asked for
            with suppress(BrokenPipeError):  # it has failed and reports why
                Layout(folder).write(process.stdin, without=has)
            said = process.communicate()[1].decode()
            return subprocess.CompletedProcess(command, process.returncode, "", said)

    def import_pause(self) -> None:
        """Make the image of every pod's first container, and import it."""
        self.import_image(archive_of("pause", PAUSE, "pause"))

    def remove_containers(self) -> None:
        """Remove every container, with its processes, its mounts and its network namespace."""
        names = self._ctr("containers", "list", "--quiet").split()
        namespaces = {path for name in names for path in self._network_namespaces(name)}
        self._end_tasks()
        for name in names:
            self._ctr("containers", "delete", name)
            network.forget(name)
        for path in namespaces:
            network.remove_namespace(path)

    def _end_tasks(self) -> None:
        """End what runs in the containers; containerd's Kubernetes part also deletes what ends."""
        deadline = time.monotonic() + _STOP
        while names := self._ctr("tasks", "list", "--quiet").split():
            done = [self._run_ctr(*_NAMESPACE, "tasks", "delete", "--force", name) for name in names]
            if time.monotonic() > deadline:
                raise build.BuildError(f"containers do not end: {[one.stderr for one in done]}")

    def _network_namespaces(self, container: str) -> Iterator[Path]:
        info = json.loads(self._ctr("containers", "info", container))
        for namespace in info["Spec"]["linux"]["namespaces"]:
            if namespace["type"] == "network" and "path" in namespace:
                yield Path(namespace["path"])

    def _answers(self) -> bool:
        return self.socket.exists() and self._run_ctr("version").returncode == 0

    def _ctr(self, *arguments: str) -> str:
        done = self._run_ctr(*_NAMESPACE, *arguments)
        if done.returncode:
            raise build.BuildError(f"ctr {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def _run_ctr(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False)
