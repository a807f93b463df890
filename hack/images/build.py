"""Build the images that the cache lacks and keep each as a layout; a layer that images share is kept once."""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cluster.build import cache_folder
from cluster.layout import Layout, begin, remove_unused
from images.builders import Builder, Order, builder, tell
from images.levels import IMAGES, LEVELS, Level, key, stage, version
from images.registries import write_secrets
from tts_app.sources.base import no_progress
from tts_app.sources.packages import bundle_stamp, fetch_package

_DIGITS = 12
"""Of a key, in the names of folders and tags."""
_KEPT = 3
"""Layouts that are kept of an image: checkouts beside each other, and a change that is taken back."""
_BLOBS = "blobs"
_UNFINISHED = ".making-"
_UPDATES = "updates"
"""File that tells up to when images have the updates of Debian; none tells nothing."""


def layouts(names: Sequence[str] = IMAGES, fresh: bool = False) -> list[Path]:
    """Return the images' layouts, in the order of `names`; those that are missing or old are built.

    With `fresh` all of them become old, and what is built from now on has the updates of Debian until now.

    Raises:
        PrerequisiteError: this machine cannot build images.
        BuildError: a build failed; the message has the builder's last words.
    """
    folder = cache_folder() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        if fresh:
            (folder / _UPDATES).write_text(time.strftime("%Y-%m-%dT%H:%M:%S"))
        chosen = builder()
        chosen.prepare()
        workshop = Workshop(chosen, folder)
        made = [workshop.layout(LEVELS[name]) for name in names]
        workshop.tidy()
        return made


def places(names: Sequence[str] = IMAGES) -> list[Path]:
    """Return where the images' layouts are, or would be: nothing is built, fetched or installed."""
    workshop = Workshop(builder(), cache_folder() / "images")
    return [workshop.place(LEVELS[name]) for name in names]


class Workshop:
    """A builder, and the folder where layouts are kept."""

    def __init__(self, builder: Builder, folder: Path) -> None:
        self._builder = builder
        self._folder = folder
        updates = folder / _UPDATES
        self._updates = updates.read_text() if updates.is_file() else ""
        self._base = f"{builder.base()} {self._updates}"
        stamps = {bundle: bundle_stamp(bundle) for level in LEVELS.values() for bundle in level.models}
        self._keys = {name: key(level, self._base, stamps)[:_DIGITS] for name, level in LEVELS.items()}
        """By level, all of one moment: files may change while images are built."""

    def place(self, level: Level) -> Path:
        """Return where the level's layout is, or would be."""
        return self._folder / f"{level.image}-{version()}-{self._keys[level.name]}"

    def layout(self, level: Level) -> Path:
        """Return the level's layout, built unless it is there."""
        target = self.place(level)
        if target.is_dir():
            target.touch()
        else:
            self._make(level, target)
        return target

    def tidy(self) -> None:
        """Remove what a killed run left, layouts that were not asked for lately, and layers of none."""
        for unfinished in self._folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(unfinished)
        for archive in self._folder.glob("tts-playground-*.tar"):  # as images were kept before layouts
            archive.unlink()
        for level in LEVELS.values():
            made = sorted(self._folder.glob(f"{level.image}-*-*/"), key=lambda path: path.stat().st_mtime)
            for old in made[:-_KEPT]:
                shutil.rmtree(old)
        if (self._folder / _BLOBS).is_dir():
            kept = [Layout(path) for path in self._folder.glob("tts-playground-*/")]
            remove_unused(self._folder / _BLOBS, kept)

    def _make(self, level: Level, target: Path) -> None:
        arguments = {LEVELS[name].argument: self._have(LEVELS[name]) for name in level.on}
        if level.on_base:
            arguments |= {"BASE_IMAGE": self._builder.base_reference(), "UPDATES": self._updates}
        name, keyed = f"{level.image}:{version()}", self._keyed(level)
        tell(f"building {name} ...")
        start = time.monotonic()
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
                    secrets=write_secrets(secrets) if level.on_base else {},
                )
            )
        built = time.monotonic()
        unfinished = self._folder / f"{_UNFINISHED}{target.name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        begin(unfinished, self._folder / _BLOBS)
        self._builder.save(name, unfinished)
        unfinished.rename(target)
        self._builder.forget(level.image, [name, keyed])
        tell(f"{name}: built in {built - start:.0f} s, written in {time.monotonic() - built:.0f} s")

    def _have(self, level: Level) -> str:
        """Have the level's image in the builder's store, as it is now, and return its name there."""
        keyed, folder = self._keyed(level), self.layout(level)
        if not self._builder.has(keyed):
            self._builder.load(Layout(folder), keyed)
        return self._builder.local(keyed)

    def _keyed(self, level: Level) -> str:
        """Return the name that an image has in the store beside its version's: which of them it is."""
        return f"{level.image}:{self._keys[level.name]}"


def _shelf(level: Level) -> Path:
    """Return the folder that the level's bundles lie in, fetched now unless they were before."""
    shelf = Path()
    for bundle in level.models:
        shelf = fetch_package(bundle, None, no_progress).parents[bundle.count("/")]
    return shelf


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Build alone: another run waits, and then finds what this one has built."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        tell("images are being built by another run: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
