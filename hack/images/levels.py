"""What the images are and what goes into them. A hash of all of it names an image's archive."""

import hashlib
import json
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BASE_IMAGE = "debian:bookworm-slim"
_STAMP = ".bundle.sha256"
_PROJECT = ("LICENSE", "NOTICE", "app/tts_app", "app/ui", "manifests/samples", "operator/tts_operator")
_TABLES = ("build-system", "project", "tool.hatch")
"""What of pyproject.toml an image depends on: a linter's setting makes no other image."""


@dataclass(frozen=True, slots=True)
class Level:
    """An image."""

    name: str
    requirements: tuple[str, ...] = ()
    """Files of hack/requirements; with any of them, the project is in the image."""
    on: str = ""
    """The level that it is built on; the base image where it is empty."""
    models: tuple[str, ...] = ()
    """Bundles that it carries, as `package://` names them; they are its build context."""

    @property
    def image(self) -> str:
        """Its name, without the version."""
        return f"tts-playground-{self.name}"

    def dockerfile(self, root: Path = ROOT) -> Path:
        """Return its Dockerfile."""
        return root / "docker" / self.name / "Dockerfile"


LEVELS = {
    level.name: level
    for level in (
        Level("operator", requirements=("images.txt", "operator.txt")),
        Level("app", requirements=("images.txt", "cloud.txt")),
        Level("kokoro", on="app", models=("kokoro-82m/int8",)),
        Level("llamacpp", on="app", models=("smollm2-135m-instruct/q4_1",)),
    )
}
"""Those that are built here, by name; each comes after the one that it is built on. docker/ has two more,
which are too big for that: they bring CUDA."""


def version(root: Path = ROOT) -> str:
    """Return the project's version."""
    return str(_pyproject(root)["project"]["version"])


def key(level: Level, base: str, models: Path, root: Path = ROOT) -> str:
    """Return a hash of all that goes into an image.

    `base` tells the base image from any other, `models` is the folder of bundles, each made from what its
    stamp says.
    """
    digest = hashlib.sha256()

    def add(name: str, content: bytes) -> None:
        digest.update(f"{name} {len(content)}\n".encode() + content)

    add("Dockerfile", level.dockerfile(root).read_bytes())
    add("version", version(root).encode())
    add("on", (key(LEVELS[level.on], base, models, root) if level.on else base).encode())
    for bundle in level.models:
        add(bundle, (models / bundle / _STAMP).read_bytes())
    if level.requirements:
        tables = {name: _table(_pyproject(root), name) for name in _TABLES}
        add("pyproject.toml", json.dumps(tables, sort_keys=True).encode())
    for path in _inputs(level, root):
        add(path.as_posix(), (root / path).read_bytes())
    return digest.hexdigest()


def stage(level: Level, folder: Path, root: Path = ROOT) -> None:
    """Copy what the Dockerfile copies into `folder`: what is not in the key cannot get into the image."""
    for path in [*_inputs(level, root), *([Path("pyproject.toml")] if level.requirements else [])]:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target)
        target.chmod(0o644)
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)


def _inputs(level: Level, root: Path) -> list[Path]:
    """Return the files, pyproject.toml aside, that the Dockerfile copies, in order and relative to `root`."""
    if not level.requirements:
        return []
    named = [*(f"hack/requirements/{name}" for name in level.requirements), *_PROJECT]
    return sorted(path for name in named for path in _files(Path(name), root))


def _files(path: Path, root: Path) -> Iterator[Path]:
    if (root / path).is_file():
        yield path
        return
    for found in (root / path).rglob("*"):
        if found.is_file() and "__pycache__" not in found.parts:
            yield found.relative_to(root)


def _pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def _table(document: dict[str, Any], name: str) -> Any:
    for part in name.split("."):
        document = document[part]
    return document
