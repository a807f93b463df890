"""The form on kind, with programs that simulate kind and Docker: what they are told."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from cluster import build, kind
from cluster.build import PrerequisiteError
from cluster.control_plane import CommandError
from cluster.kind import KindCluster
from cluster.layout import begin, complete


@pytest.fixture
def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the log of a simulated kind; KubeRay is not started."""
    log = tmp_path / "log"
    for name in ("kind", "docker"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n[ "$1" != load ] || [ -f "$3" ]\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(build, "check", lambda names: None)
    monkeypatch.setattr(KindCluster, "_install_kuberay", lambda self: None)
    return log


def test_kind_cluster_is_created_filled_and_deleted(simulated: Path, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.touch()
    with KindCluster() as cluster:
        folder = cluster.folder
        cluster.import_image(archive)
        with pytest.raises(CommandError, match="load image-archive /no/such"):
            cluster.import_image(Path("/no/such"))
    assert simulated.read_text().splitlines() == [
        f"kind create cluster --kubeconfig {folder / 'admin.kubeconfig'} --wait 180s --name {kind.NAME}",
        f"kind load image-archive {archive} --name {kind.NAME}",
        f"kind load image-archive /no/such --name {kind.NAME}",
        f"kind delete cluster --name {kind.NAME}",
    ]
    assert not folder.exists()


def test_kind_cluster_without_docker_says_so(simulated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PrerequisiteError, match="docker is missing"), KindCluster():
        pass


def test_kind_cluster_imports_a_layout_as_an_archive(simulated: Path, tmp_path: Path) -> None:
    layer = b"a layer"
    digest = hashlib.sha256(layer).hexdigest()
    begin(tmp_path / "image", tmp_path / "blobs")
    (tmp_path / "blobs" / "sha256" / digest).write_bytes(layer)
    complete(
        tmp_path / "image", "thing:1", json.dumps({"rootfs": {"diff_ids": [f"sha256:{digest}"]}}).encode()
    )
    with KindCluster() as cluster:
        cluster.import_image(tmp_path / "image")
    (loaded,) = [line for line in simulated.read_text().splitlines() if line.startswith("kind load ")]
    assert re.fullmatch(rf"kind load image-archive \S+/image\.tar --name {kind.NAME}", loaded)
    assert not Path(loaded.split()[3]).exists()
