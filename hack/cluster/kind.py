"""A cluster on kind, for machines with Docker; KubeRay's operator runs beside it, as elsewhere."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from cluster import build
from cluster.control_plane import ADMIN, CommandError, ControlPlane
from cluster.layout import Layout

NAME = "ttsp-test"
PROGRAMS = ("kubectl", "helm", "kuberay")
"""Programs that this machine must have; the rest is in kind's node."""
_COMMAND = 600.0


class KindCluster(ControlPlane):
    """A cluster of one node in a container; one at a time on a machine."""

    def import_image(self, image: Path) -> None:
        """Import the images of a docker-archive or of a layout, of which kind gets an archive."""
        if not image.is_dir():
            self._kind("load", "image-archive", str(image))
            return
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / f"{image.name}.tar"
            Layout(image).write_docker_archive(archive)
            self._kind("load", "image-archive", str(archive))

    def _prepare(self) -> None:
        build.require("docker", "kind runs the node in a container")
        build.require("kind", "https://kind.sigs.k8s.io")
        build.check(PROGRAMS)

    def _start(self) -> None:
        self._kind("create", "cluster", "--kubeconfig", str(self.kubeconfig_of(ADMIN)), "--wait", "180s")
        self._install_kuberay()

    def _remove(self) -> None:
        if shutil.which("kind") is not None:
            self._kind("delete", "cluster")
        super()._remove()

    def _kind(self, *arguments: str) -> None:
        command = ["kind", *arguments, "--name", NAME]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_COMMAND)
        if done.returncode:
            raise CommandError(" ".join(command), done.returncode, done.stdout, done.stderr)
