"""Images as folders: OCI image layouts that share one folder beside them, which has each layer once.

`index.json` names one manifest, which names the config and the layers: files in `blobs/sha256`, named by
their hashes. Layers are plain tar files. Manifest and config are Docker's: the OCI's config has no
HEALTHCHECK.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from cluster.build import BuildError

_INDEX = "index.json"
_MARK = "oci-layout"
_VERSION = b'{"imageLayoutVersion": "1.0.0"}'
_BLOCK = 1 << 20
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar"
_NAME = "io.containerd.image.name"
"""The annotation from which containerd takes an image's full name."""
_TAG = "org.opencontainers.image.ref.name"


class LayoutError(BuildError):
    """A folder or an archive does not hold the expected image; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Layout:
    """An image in its own folder. A digest is `sha256:` and 64 hexadecimal digits.

    Every method that reads the folder raises LayoutError where it is no layout of ours.
    """

    folder: Path

    @property
    def name(self) -> str:
        """The image's name with its tag."""
        return str(self._descriptor["annotations"][_NAME])

    @property
    def config(self) -> dict[str, Any]:
        """The image's config, in Docker's form."""
        config: dict[str, Any] = json.loads(self._blob(self._manifest["config"]["digest"]).read_bytes())
        return config

    @property
    def layers(self) -> list[Path]:
        """The layers' tar files, the lowest first."""
        return [self._blob(layer["digest"]) for layer in self._manifest["layers"]]

    @property
    def digests(self) -> list[str]:
        """The digests of the image's parts: the layers from the lowest up, the config, the manifest."""
        layers = [str(layer["digest"]) for layer in self._manifest["layers"]]
        return [*layers, str(self._manifest["config"]["digest"]), str(self._descriptor["digest"])]

    def write(self, file: IO[bytes], without: Collection[str] = ()) -> None:
        """Write an OCI archive into a file or a pipe, without the blobs that its reader already has."""
        sent = [digest for digest in dict.fromkeys(self.digests) if digest not in without]
        with tarfile.open(fileobj=file, mode="w|") as tar:
            _add(tar, _MARK, _VERSION)
            _add(tar, _INDEX, (self.folder / _INDEX).read_bytes())
            for digest in sent:
                tar.add(self._blob(digest).resolve(), arcname=f"blobs/{digest.replace(':', '/')}")

    def write_docker_archive(self, target: Path) -> None:
        """Write the whole image in the form that `docker load` and `kind load image-archive` read."""
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unfinished-") as folder:
            unfinished = Path(folder) / target.name
            with tarfile.open(unfinished, "w") as tar:
                names = [f"{path.name}.tar" for path in self.layers]
                manifest = {"Config": "config.json", "RepoTags": [self.name], "Layers": names}
                _add(tar, "manifest.json", json.dumps([manifest]).encode())
                _add(tar, "config.json", self._blob(self._manifest["config"]["digest"]).read_bytes())
                for path, name in dict(zip(self.layers, names, strict=True)).items():
                    tar.add(path.resolve(), arcname=name)
            unfinished.replace(target)

    @property
    def _descriptor(self) -> dict[str, Any]:
        index = self.folder / _INDEX
        if not index.is_file():
            raise LayoutError(f"{self.folder} is no image: `python hack/images` prints where some are")
        manifests: list[dict[str, Any]] = json.loads(index.read_bytes())["manifests"]
        if len(manifests) != 1 or _NAME not in manifests[0].get("annotations", ()):
            raise LayoutError(f"{index} must have one manifest, with the annotation {_NAME}")
        return manifests[0]

    @property
    def _manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads(self._blob(self._descriptor["digest"]).read_bytes())
        return manifest

    def _blob(self, digest: str) -> Path:
        path = self.folder / "blobs" / digest.replace(":", "/")
        if not path.is_file():
            raise LayoutError(f"{digest} of the image {self.folder.name} is not in {path.parent}")
        return path


def begin(folder: Path, shared: Path) -> None:
    """Make `folder` a layout without an image, whose blobs are those of the folder `shared`.

    The link is relative: it stays valid if the folder is renamed within its parent, and if both are moved.
    """
    (shared / "sha256").mkdir(parents=True, exist_ok=True)
    folder.mkdir()
    (folder / "blobs").symlink_to(os.path.relpath(shared, folder))
    (folder / _MARK).write_bytes(_VERSION)


def complete(folder: Path, name: str, config: bytes) -> Layout:
    """Complete a layout that has its layers as the image `name`; `config`, Docker's, lists the layers.

    Raises:
        LayoutError: a layer is missing.
    """
    layout = Layout(folder)
    layers = json.loads(config)["rootfs"]["diff_ids"]
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": {"mediaType": _CONFIG_TYPE, "size": len(config), "digest": _write(folder, config)},
        "layers": [
            {"mediaType": _LAYER_TYPE, "size": layout._blob(layer).stat().st_size, "digest": layer}
            for layer in layers
        ],
    }
    data = json.dumps(manifest).encode()
    descriptor = {
        "mediaType": _MANIFEST_TYPE,
        "size": len(data),
        "digest": _write(folder, data),
        "annotations": {_NAME: name, _TAG: name.rpartition(":")[2]},
    }
    index = {"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": [descriptor]}
    (folder / _INDEX).write_text(json.dumps(index), encoding="utf-8")
    return layout


def take_docker_archive(folder: Path, name: str, archive: Path) -> Layout:
    """Complete a layout with the image of a docker-archive; layers that it has are not written again.

    Raises:
        LayoutError: the archive does not hold what it lists.
    """
    with tarfile.open(archive) as tar:
        (manifest,) = json.load(_member(tar, "manifest.json"))
        config = _member(tar, manifest["Config"]).read()
        for digest, layer in zip(json.loads(config)["rootfs"]["diff_ids"], manifest["Layers"], strict=True):
            target = folder / "blobs" / digest.replace(":", "/")
            if not target.is_file():
                _copy(_plain(_member(tar, layer)), target)
    return complete(folder, name, config)


def remove_unused(shared: Path, layouts: Iterable[Layout]) -> None:
    """Remove the blobs that no layout has, and what a killed writer left; no writer may be running."""
    used = {digest.partition(":")[2] for layout in layouts for digest in layout.digests}
    for path in (shared / "sha256").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in used:
            path.unlink()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def _write(folder: Path, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    target = folder / "blobs" / "sha256" / digest
    if not target.is_file():
        _copy(io.BytesIO(data), target)
    return f"sha256:{digest}"


def _copy(source: IO[bytes], target: Path) -> None:
    """Write a blob atomically, and check that its content has the hash in its name.

    Raises:
        LayoutError: it has another hash.
    """
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unfinished-") as folder:
        unfinished = Path(folder) / target.name
        with unfinished.open("wb") as file:
            while block := source.read(_BLOCK):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != target.name:
            raise LayoutError(f"a layer has SHA-256 {digest.hexdigest()}, and its image says {target.name}")
        unfinished.replace(target)


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    file = tar.extractfile(name)
    if file is None:
        raise LayoutError(f"{name} of the archive is no file")
    return file


def _plain(layer: IO[bytes]) -> IO[bytes]:
    """Return a layer's tar file; a Docker with containerd's image store gives it compressed."""
    compressed = layer.read(2) == b"\x1f\x8b"
    layer.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=layer)) if compressed else layer
