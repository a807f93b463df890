"""Images without a builder: a folder or a file as a docker-archive, which containerd and buildah read."""

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cluster import build

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def archive_of(name: str, image: str, inside: str) -> Path:
    """Return the archive of an image that holds only one of the cluster's binaries, at the path `inside`."""
    binary = build.path_of(name)
    archive = binary.with_name(f"{binary.name}.tar")
    if not archive.is_file():
        write_archive(archive, image, binary, inside, [f"/{inside}"])
    return archive


def write_archive(target: Path, name: str, content: Path, inside: str, command: Sequence[str]) -> None:
    """Write an image of one layer: `content` (a file or a folder) at the path `inside`."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unfinished-") as folder:
        layer = Path(folder) / "layer.tar"
        with tarfile.open(layer, "w") as tar:
            tar.add(content, arcname=inside)
        with layer.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        config = {
            "architecture": _ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": {"Cmd": list(command)},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
        manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
        unfinished = Path(folder) / target.name
        with tarfile.open(unfinished, "w") as tar:
            for file_name, document in (("manifest.json", manifest), ("config.json", config)):
                data = json.dumps(document).encode()
                entry = tarfile.TarInfo(file_name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
            tar.add(layer, arcname="layer.tar")
        unfinished.replace(target)
