"""Images without a builder: a folder or a file as a docker-archive, which containerd and buildah read."""

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


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
