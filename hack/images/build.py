"""Build the images that the cache lacks, and keep each as a docker-archive."""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from cluster.build import cache_folder
from images.builders import Builder, Order, builder
from images.levels import LEVELS, Level, key, stage, version
from images.registries import write_secrets
from tts_app.sources.base import no_progress
from tts_app.sources.packages import fetch_package

_DIGITS = 12
"""Of a key, in the names of archives and tags."""
_UPDATES = "updates"
"""File that tells up to when images have the updates of Debian; none tells nothing."""


def archives(names: Sequence[str] = tuple(LEVELS), fresh: bool = False) -> list[Path]:
    """Return the images' archives, in the order of `names`; those that are missing or old are built.

    With `fresh` all of them become old, and what is built from now on has the updates of Debian until now.

    Raises:
        PrerequisiteError: this machine cannot build images.
        BuildError: a build failed; the message has the builder's last words.
    """
    folder = cache_folder() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if fresh:
            (folder / _UPDATES).write_text(time.strftime("%Y-%m-%dT%H:%M:%S"))
        workshop = Workshop(builder(), folder)
        return [workshop.archive(LEVELS[name]) for name in names]


def places(names: Sequence[str] = tuple(LEVELS)) -> list[Path]:
    """Return where the images' archives are, or would be: nothing is built."""
    workshop = Workshop(builder(), cache_folder() / "images")
    return [workshop.place(LEVELS[name]) for name in names]


class Workshop:
    """A builder, and the folder where archives are kept."""

    def __init__(self, builder: Builder, folder: Path) -> None:
        self._builder = builder
        self._folder = folder
        updates = folder / _UPDATES
        self._updates = updates.read_text() if updates.is_file() else ""
        self._base = f"{builder.base()} {self._updates}"
        self._keys: dict[str, str] = {}
        """By level, as it was first looked at: files may change while images are built."""

    def place(self, level: Level) -> Path:
        """Return where the level's archive is, or would be."""
        return self._folder / f"{level.image}-{version()}-{self._key(level)}.tar"

    def archive(self, level: Level) -> Path:
        """Return the level's archive, built unless it is there."""
        target = self.place(level)
        if not target.is_file():
            self._make(level, target)
        return target

    def _make(self, level: Level, target: Path) -> None:
        if level.on:
            arguments = {"APP_IMAGE": self._have(LEVELS[level.on])}
        else:
            arguments = {"BASE_IMAGE": self._builder.base_reference(), "UPDATES": self._updates}
        name, keyed = f"{level.image}:{version()}", self._keyed(level)
        _tell(f"building {name} ...")
        begin = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tts-playground-image-") as work:
            secrets, context = Path(work) / "secrets", Path(work) / "context"
            secrets.mkdir(mode=0o700)
            context.mkdir()
            stage(level, context)
            self._builder.build(
                Order(
                    tags=[self._builder.local(tag) for tag in (name, keyed)],
                    dockerfile=level.dockerfile(),
                    context=_shelf(level) if level.models else context,
                    arguments={**arguments, "VERSION": version()},
                    secrets={} if level.on else write_secrets(secrets),
                )
            )
        built = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=self._folder) as folder:
            unfinished = Path(folder) / target.name
            self._builder.save(name, unfinished)
            for old in self._folder.glob(f"{level.image}-*.tar"):
                old.unlink()
            unfinished.replace(target)
        self._builder.forget(level.image, [name, keyed])
        _tell(f"{name}: built in {built - begin:.0f} s, written in {time.monotonic() - built:.0f} s")

    def _have(self, level: Level) -> str:
        """Have the level's image in the builder's store, as it is now, and return its name there."""
        keyed, archive = self._keyed(level), self.archive(level)
        if not self._builder.has(keyed):
            self._builder.load(archive, keyed)
        return self._builder.local(keyed)

    def _key(self, level: Level) -> str:
        if level.name not in self._keys:
            self._keys[level.name] = key(level, self._base, _shelf(level))[:_DIGITS]
        return self._keys[level.name]

    def _keyed(self, level: Level) -> str:
        """Return the name that an image has in the store beside its version's: which of them it is."""
        return f"{level.image}:{self._key(level)}"


def _shelf(level: Level) -> Path:
    """Return the folder that the level's bundles lie in, fetched now unless they were before."""
    shelf = Path()
    for bundle in level.models:
        shelf = fetch_package(bundle, None, no_progress).parents[bundle.count("/")]
    return shelf


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
