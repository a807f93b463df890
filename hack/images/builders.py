"""Builders of images on this machine: Docker where its engine answers, else Buildah."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cluster import base_image
from cluster.build import BuildError, require
from cluster.layout import Layout, complete, take_docker_archive
from cluster.node import check_root, install
from images.levels import BASE_IMAGE

_TIME = 1767225600
"""Time of all files in layers, in seconds since 1970 (2026-01-01): equal content gives equal layers."""
_STEP = re.compile(r"#\d+ \[|(\[\d+/\d+\] )?STEP ")
"""The beginning of a line that names the current step, by BuildKit and by Buildah."""
_WIDTH = 120
_LAST = 80
"""Lines of a failed build to show."""


@dataclass(frozen=True, slots=True)
class Order:
    """An image to build."""

    tags: Sequence[str]
    dockerfile: Path
    context: Path
    arguments: Mapping[str, str]
    """Values of the Dockerfile's ARGs."""
    secrets: Mapping[str, Path]
    """Files that are mounted during the build, by name."""

    def options(self) -> list[str]:
        """Return the command-line options that Docker and Buildah share."""
        options = [f"--tag={tag}" for tag in self.tags]
        options += [f"--build-arg={name}={value}" for name, value in self.arguments.items()]
        options += [f"--secret=id={name},src={path}" for name, path in self.secrets.items()]
        return [*options, f"--file={self.dockerfile}"]


class Builder(Protocol):
    """Builds images into its own store and exports them as layouts."""

    def base(self) -> str:
        """Return what distinguishes the base image from any other; make nothing."""
        ...

    def prepare(self) -> None:
        """Make sure that everything that building needs is available.

        Raises:
            PrerequisiteError: it cannot be available on this machine.
        """
        ...

    def base_reference(self) -> str:
        """Put the base image into the store, and return its name there."""
        ...

    def local(self, name: str) -> str:
        """Return the full name of an image of ours in the store."""
        ...

    def has(self, name: str) -> bool:
        """Return whether the store has an image of ours."""
        ...

    def build(self, order: Order) -> None:
        """Build an image into the store."""
        ...

    def save(self, name: str, folder: Path) -> None:
        """Complete a layout with an image of ours; layers that it has are not written again."""
        ...

    def load(self, layout: Layout, name: str) -> None:
        """Put the image of a layout into the store, under that name."""
        ...

    def forget(self, image: str, kept: Sequence[str]) -> None:
        """Remove the tags of an image of ours that are not `kept`; a tag that is in use stays."""
        ...


def builder() -> Builder:
    """Return the builder that this machine has or can have."""
    return Docker() if shutil.which("docker") and _succeeds("docker", "info") else Buildah()


class Docker:
    """The Docker engine, with BuildKit."""

    def base(self) -> str:
        """Return the base image's name; to pin an image, set `BASE_IMAGE` to a name with a digest."""
        return os.environ.get("BASE_IMAGE") or BASE_IMAGE

    def prepare(self) -> None:
        """Do nothing: the engine answered."""

    def base_reference(self) -> str:
        """Return the same name: Docker pulls the image."""
        return self.base()

    def local(self, name: str) -> str:
        """Return the name unchanged."""
        return name

    def has(self, name: str) -> bool:
        """Ask the engine."""
        return _succeeds("docker", "image", "inspect", name)

    def build(self, order: Order) -> None:
        """Build with BuildKit, which supports secrets."""
        _show("docker", "build", "--progress=plain", *order.options(), str(order.context))

    def save(self, name: str, folder: Path) -> None:
        """Extract it from an archive: Docker exports only whole images."""
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            archive = Path(temporary) / "image.tar"
            _run("docker", "save", f"--output={archive}", name)
            take_docker_archive(folder, f"docker.io/library/{name}", archive)

    def load(self, layout: Layout, name: str) -> None:
        """Load it through an archive, and give it another name."""
        with tempfile.TemporaryDirectory() as temporary:
            archive = Path(temporary) / "image.tar"
            layout.write_docker_archive(archive)
            said = _run("docker", "load", f"--input={archive}")
        loaded = re.findall(r"^Loaded image: (\S+)$", said, re.MULTILINE)
        _run("docker", "tag", loaded[-1], name)

    def forget(self, image: str, kept: Sequence[str]) -> None:
        """Remove the other tags."""
        tags = _run("docker", "images", "--format={{.Repository}}:{{.Tag}}", image).split()
        if old := [tag for tag in tags if tag not in kept]:
            _succeeds("docker", "rmi", *old)


class Buildah:
    """Buildah with no privilege beyond root's, on a base image that needs no registry."""

    def base(self) -> str:
        """Return the base image's name: each image installs Debian's later updates itself."""
        return base_image.NAME

    def prepare(self) -> None:
        """Install Buildah and Skopeo and make the base image, where they are missing."""
        check_root()
        install()
        require("skopeo", "copies images out of Buildah's store and into it")
        if not base_image.place().is_file():
            tell("making the base image: a minute")
            base_image.archive()

    def base_reference(self) -> str:
        """Return the base image without this machine's traces and with Debian's updates in its sources.

        It is used by name: with the archive named in the Dockerfile, every image would contain its path.
        """
        with tarfile.open(base_image.archive()) as archive:
            config = archive.extractfile("config.json")
            assert config is not None  # noqa: S101 - hack/cluster wrote it
            name = f"localhost/tts-playground-base:{hashlib.sha256(config.read()).hexdigest()[:12]}"
        if not _succeeds("buildah", "inspect", "--type=image", name):
            container = _run("buildah", "from", f"docker-archive:{base_image.archive()}").strip()
            try:
                clean_base(Path(_run("buildah", "mount", container).strip()))
                _run("buildah", "commit", "--quiet", "--squash", "--format=docker", container, name)
            finally:
                _run("buildah", "rm", container)
        return name

    def local(self, name: str) -> str:
        """Return the full name as containerd and Docker complete it; Buildah would use localhost."""
        return f"docker.io/library/{name}"

    def has(self, name: str) -> bool:
        """Look in the store."""
        return _succeeds("buildah", "inspect", "--type=image", self.local(name))

    def build(self, order: Order) -> None:
        """Build in a chroot, in Docker's format: the OCI's would lose the HEALTHCHECK."""
        options = [
            "--isolation=chroot",
            "--layers",
            "--format=docker",
            "--pull=never",
            f"--timestamp={_TIME}",
        ]
        _show("buildah", "build", *options, *order.options(), str(order.context))

    def save(self, name: str, folder: Path) -> None:
        """Copy it into the layout, and replace the OCI's config by the image's own.

        Skopeo does this: Buildah compresses what it pushes into a layout, and so writes it again each time.
        """
        plain = "--dest-oci-accept-uncompressed-layers"
        _run("skopeo", "copy", "--quiet", plain, f"containers-storage:{self.local(name)}", f"oci:{folder}")
        described = json.loads(_run("buildah", "inspect", "--type=image", self.local(name)))
        complete(folder, self.local(name), described["Config"].encode())

    def load(self, layout: Layout, name: str) -> None:
        """Copy it into the store."""
        _run("skopeo", "copy", "--quiet", f"oci:{layout.folder}", f"containers-storage:{self.local(name)}")

    def forget(self, image: str, kept: Sequence[str]) -> None:
        """Remove the other tags, and the layers that only they have."""
        images = json.loads(_run("buildah", "images", "--json", f"--filter=reference={self.local(image)}"))
        keep = {self.local(name) for name in kept}
        old = [name for found in images for name in found["names"] or () if name not in keep]
        if old := [name for name in old if name.startswith(self.local(image) + ":")]:
            _succeeds("buildah", "rmi", *old)


def tell(message: str) -> None:
    """Print progress to standard error: standard output is for the images' locations."""
    print(message, file=sys.stderr, flush=True)


def clean_base(root: Path) -> None:
    """Remove what debootstrap copied from this machine, and add Debian's updates to the sources."""
    for name in ("etc/hostname", "etc/resolv.conf"):
        (root / name).write_text("")
    sources = root / "etc" / "apt" / "sources.list"
    sources.write_text(with_updates(sources.read_text()))


def with_updates(sources: str) -> str:
    """Return a sources.list with the suites of updates added, from the mirror of the first line."""
    found = re.match(r"deb (\S+?)/debian/? (\S+) main$", sources.strip())
    if not found:
        return sources
    mirror, suite = found.groups()
    updates = f"deb {mirror}/debian {suite}-updates main\n"
    return f"{sources.strip()}\n{updates}deb {mirror}/debian-security {suite}-security main\n"


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _show(*command: str) -> None:
    """Run a build, and show the first line of each of its steps.

    Raises:
        BuildError: it failed.
    """
    last: deque[str] = deque(maxlen=_LAST)
    environment = os.environ | {"DOCKER_BUILDKIT": "1"}  # an older Docker's other builder has no secrets
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        for line in process.stdout:
            last.append(line)
            if _STEP.match(line):
                tell(f"  {line.rstrip()[:_WIDTH]}")
    if process.returncode:
        raise BuildError(f"`{' '.join(command[:2])}` failed:\n{''.join(last)}")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = f"{done.stdout[-6000:]}{done.stderr[-3000:]}"
        raise BuildError(f"`{' '.join(command[:2])}` failed:\n{said}")
    return done.stdout
