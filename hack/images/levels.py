"""The images and their inputs. A hash of all inputs names an image's folder in the cache."""

import hashlib
import json
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tts_app.resources.engines import ENGINES

ROOT = Path(__file__).resolve().parents[2]
BASE_IMAGE = "debian:bookworm-slim"
_PROJECT = ("LICENSE", "NOTICE", "app/tts_app", "app/ui", "manifests/samples", "operator/tts_operator")
_TABLES = ("build-system", "project", "tool.hatch")
"""The parts of pyproject.toml that an image depends on: a linter's setting does not change an image."""

IMAGE_PREFIX = "tts-playground-"
_ENGINES = {
    runtime.image.removeprefix(IMAGE_PREFIX): runtime
    for engine in ENGINES.values()
    for runtime in engine.runtimes
    if runtime.built
}
"""Runtimes whose images are built here, by level."""
_TORCH = "torch"


@dataclass(frozen=True, slots=True)
class Level:
    """An image. Its inputs are the inputs of its key."""

    name: str
    requirements: tuple[str, ...] = ()
    """Files in hack/requirements that it installs."""
    source: bool = False
    """Whether it contains the project's source."""
    on: tuple[str, ...] = ()
    """Levels that it is built from. Unless `dependencies` is one of them, it is built on the base image."""
    models: tuple[str, ...] = ()
    """Bundles that it contains, by their `package://` names; they are its build context."""
    folder: str = ""
    """Folder of its Dockerfile in docker/, where others share that: it gets the name as ENGINE."""

    @property
    def image(self) -> str:
        """Its name, without the version."""
        return f"{IMAGE_PREFIX}{self.name}"

    @property
    def argument(self) -> str:
        """The build argument with which the Dockerfiles on top of it name it."""
        return f"{self.name.upper()}_IMAGE"

    @property
    def on_base(self) -> bool:
        """Whether its Dockerfile begins with the base image."""
        return "dependencies" not in self.on

    def dockerfile(self, root: Path = ROOT) -> Path:
        """Return its Dockerfile."""
        return root / "docker" / (self.folder or self.name) / "Dockerfile"


LEVELS = {
    level.name: level
    for level in (
        Level("dependencies", requirements=("images.txt", "cloud.txt")),
        Level("project", requirements=("images.txt",), source=True),
        Level("operator", requirements=("images.txt", "operator.txt"), on=("project",)),
        Level("app", on=("dependencies", "project")),
        *(
            Level(name, on=("dependencies", "project"), models=runtime.bundles)
            for name, runtime in _ENGINES.items()
        ),
    )
}
"""The levels that are built here, by name; each comes after those that it is built from."""
IMAGES = ("operator", "app", *_ENGINES)
"""The levels that pods run; the others are parts of these."""
ON_REQUEST = {
    name: Level(
        name, requirements=("images.txt", f"{name}.txt"), on=("dependencies", "project"), folder=_TORCH
    )
    for name in (
        runtime.image.removeprefix(IMAGE_PREFIX)
        for engine in ENGINES.values()
        for runtime in engine.runtimes
        if not runtime.built and runtime.name == _TORCH
    )
}
"""Levels that are built only by their names: with CUDA, gigabytes each. docker/ has one more, vllm."""
ALL_LEVELS = LEVELS | ON_REQUEST


def version(root: Path = ROOT) -> str:
    """Return the project's version."""
    return str(_pyproject(root)["project"]["version"])


def key(level: Level, base: str, models: Mapping[str, str], root: Path = ROOT) -> str:
    """Return a hash of all inputs of an image.

    `base` identifies the base image; `models` has what identifies each bundle.
    """
    digest = hashlib.sha256()

    def add(name: str, content: bytes) -> None:
        digest.update(f"{name} {len(content)}\n".encode() + content)

    add("Dockerfile", level.dockerfile(root).read_bytes())
    add("version", version(root).encode())
    if level.on_base:
        add("base", base.encode())
    for name in level.on:
        add(name, key(LEVELS[name], base, models, root).encode())
    for bundle in level.models:
        add(bundle, models[bundle].encode())
    if level.source:
        tables = {name: _table(_pyproject(root), name) for name in _TABLES}
        add("pyproject.toml", json.dumps(tables, sort_keys=True).encode())
    for path in _inputs(level, root):
        add(path.as_posix(), (root / path).read_bytes())
    return digest.hexdigest()


def stage(level: Level, folder: Path, root: Path = ROOT) -> None:
    """Copy the Dockerfile's inputs into `folder`: nothing outside the key can get into the image."""
    for path in [*_inputs(level, root), *([Path("pyproject.toml")] if level.source else [])]:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target)
        target.chmod(0o644)
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)


def _inputs(level: Level, root: Path) -> list[Path]:
    """Return the files that the Dockerfile copies except pyproject.toml, in order and relative to `root`."""
    named = [f"hack/requirements/{name}" for name in level.requirements]
    named += _PROJECT if level.source else ()
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
