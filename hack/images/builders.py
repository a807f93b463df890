"""What builds images on this machine: Docker where its engine answers, else Buildah."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cluster import base_image
from cluster.build import BuildError
from cluster.node import check_root, install
from images.levels import BASE_IMAGE


@dataclass(frozen=True, slots=True)
class Order:
    """An image to build."""

    tags: Sequence[str]
    dockerfile: Path
    context: Path
    arguments: Mapping[str, str]
    """Values of the Dockerfile's ARGs."""
    secrets: Mapping[str, Path]
    """Files that are mounted while it is built, by name."""

    def options(self) -> list[str]:
        """Return the command line's options that Docker and Buildah share."""
        options = [f"--tag={tag}" for tag in self.tags]
        options += [f"--build-arg={name}={value}" for name, value in self.arguments.items()]
        options += [f"--secret=id={name},src={path}" for name, path in self.secrets.items()]
        return [*options, f"--file={self.dockerfile}"]


class Builder(Protocol):
    """Builds images into a store of its own and hands them out as archives."""

    def base(self) -> str:
        """Return what tells the base image from any other."""
        ...

    def base_reference(self) -> str:
        """Return the base image's name in the store, and have it there."""
        ...

    def local(self, name: str) -> str:
        """Return the full name of an image of ours in the store."""
        ...

    def has(self, name: str) -> bool:
        """Tell whether the store has an image of ours."""
        ...

    def build(self, order: Order) -> None:
        """Build an image into the store."""
        ...

    def save(self, name: str, target: Path) -> None:
        """Write an image of ours as a docker-archive, under that name."""
        ...

    def load(self, archive: Path, name: str) -> None:
        """Have the image of an archive in the store, under that name."""
        ...

    def forget(self, image: str, kept: Sequence[str]) -> None:
        """Remove the tags of an image of ours that are not `kept`; one that is in use stays."""
        ...


def builder() -> Builder:
    """Return the builder that this machine has.

    Raises:
        PrerequisiteError: it has none, and one cannot be installed.
    """
    if shutil.which("docker") and _succeeds("docker", "info"):
        return Docker()
    check_root()
    install()
    return Buildah()


class Docker:
    """The Docker engine, with BuildKit."""

    def base(self) -> str:
        """Return the base image's name: whoever wants a certain one names its digest (`BASE_IMAGE`)."""
        return os.environ.get("BASE_IMAGE") or BASE_IMAGE

    def base_reference(self) -> str:
        """Return the same: Docker pulls it."""
        return self.base()

    def local(self, name: str) -> str:
        """Return the name as it is."""
        return name

    def has(self, name: str) -> bool:
        """Ask the engine."""
        return _succeeds("docker", "image", "inspect", name)

    def build(self, order: Order) -> None:
        """Build with BuildKit, which knows secrets."""
        command = ["docker", "build", "--quiet", *order.options(), str(order.context)]
        _run(*command, environment={"DOCKER_BUILDKIT": "1"})

    def save(self, name: str, target: Path) -> None:
        """Write the archive."""
        _run("docker", "save", f"--output={target}", name)

    def load(self, archive: Path, name: str) -> None:
        """Load the archive and give its image another name."""
        said = _run("docker", "load", f"--input={archive}")
        loaded = re.findall(r"^Loaded image: (\S+)$", said, re.MULTILINE)
        _run("docker", "tag", loaded[-1], name)

    def forget(self, image: str, kept: Sequence[str]) -> None:
        """Remove the other tags."""
        tags = _run("docker", "images", "--format={{.Repository}}:{{.Tag}}", image).split()
        if old := [tag for tag in tags if tag not in kept]:
            _succeeds("docker", "rmi", *old)


class Buildah:
    """Buildah without any privilege but root's, on a base image that needs no registry."""

    def base(self) -> str:
        """Return a hash of the base image, which is made on the first call."""
        with tarfile.open(base_image.archive()) as archive:
            config = archive.extractfile("config.json")
            assert config is not None  # noqa: S101 - hack/cluster wrote it
            return hashlib.sha256(config.read()).hexdigest()

    def base_reference(self) -> str:
        """Return the base image without this machine's traces and with Debian's updates in its sources.

        Pulled by name: with the archive named in the Dockerfile, its path would stand in every image.
        """
        name = f"localhost/tts-playground-base:{self.base()[:12]}"
        if not _succeeds("buildah", "inspect", "--type=image", name):
            container = _run("buildah", "from", f"docker-archive:{base_image.archive()}").strip()
            try:
                clean_base(Path(_run("buildah", "mount", container).strip()))
                _run("buildah", "commit", "--quiet", "--squash", "--format=docker", container, name)
            finally:
                _run("buildah", "rm", container)
        return name

    def local(self, name: str) -> str:
        """Return the name as containerd and Docker complete it; Buildah would say localhost."""
        return f"docker.io/library/{name}"

    def has(self, name: str) -> bool:
        """Look into the store."""
        return _succeeds("buildah", "inspect", "--type=image", self.local(name))

    def build(self, order: Order) -> None:
        """Build in a chroot; OCI's format would lose the HEALTHCHECK."""
        options = ["--isolation=chroot", "--layers", "--format=docker", "--quiet", "--pull=never"]
        _run("buildah", "build", *options, *order.options(), str(order.context))

    def save(self, name: str, target: Path) -> None:
        """Push into an archive."""
        _run("buildah", "push", "--quiet", self.local(name), f"docker-archive:{target}:{self.local(name)}")

    def load(self, archive: Path, name: str) -> None:
        """Pull the archive's image and give it another name."""
        image = _run("buildah", "pull", "--quiet", f"docker-archive:{archive}").strip()
        _run("buildah", "tag", image, self.local(name))

    def forget(self, image: str, kept: Sequence[str]) -> None:
        """Remove the other tags, with the layers that only they have."""
        images = json.loads(_run("buildah", "images", "--json", f"--filter=reference={self.local(image)}"))
        keep = {self.local(name) for name in kept}
        old = [name for found in images for name in found["names"] or () if name not in keep]
        if old := [name for name in old if name.startswith(self.local(image) + ":")]:
            _succeeds("buildah", "rmi", *old)


def clean_base(root: Path) -> None:
    """Take out what debootstrap copied from this machine, and have Debian's updates among the sources."""
    for name in ("etc/hostname", "etc/resolv.conf"):
        (root / name).write_text("")
    sources = root / "etc" / "apt" / "sources.list"
    sources.write_text(with_updates(sources.read_text()))


def with_updates(sources: str) -> str:
    """Return a sources.list with the suites of updates, from the mirror of the first line."""
    found = re.match(r"deb (\S+?)/debian/? (\S+) main$", sources.strip())
    if not found:
        return sources
    mirror, suite = found.groups()
    updates = f"deb {mirror}/debian {suite}-updates main\n"
    return f"{sources.strip()}\n{updates}deb {mirror}/debian-security {suite}-security main\n"


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(*command: str, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | (environment or {})
    )
    if done.returncode:
        said = f"{done.stdout[-6000:]}{done.stderr[-3000:]}"
        raise BuildError(f"`{' '.join(command[:2])}` failed:\n{said}")
    return done.stdout
