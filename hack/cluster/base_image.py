"""A base image for machines that reach no image registry: Debian's smallest system, kept in the cache."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from cluster.archive import write_archive
from cluster.build import BuildError, cache_folder
from cluster.node import check_root, install

SUITE = "bookworm"
NAME = f"localhost/ttsp/base:{SUITE}"
_SPARE = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")


def place() -> Path:
    """Return where the image's archive is, or would be."""
    return cache_folder() / "images" / f"base-{SUITE}.tar"


def archive() -> Path:
    """Return the image as a docker-archive, made on the first call; `BASE_IMAGE=docker-archive:<path>`."""
    target = place()
    if not target.is_file():
        check_root()
        install()
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unfinished-") as folder:
            _debootstrap(Path(folder) / "root")
            write_archive(target, NAME, Path(folder) / "root", ".", ["/bin/sh"])
    return target


def _debootstrap(root: Path) -> None:
    command = ["debootstrap", "--variant=minbase", SUITE, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr[-1000:]}")
    for name in _SPARE:
        folder = root / name
        shutil.rmtree(folder)
        folder.mkdir()
