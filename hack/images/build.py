"""Builds the images that the cache lacks and keeps each as a layout; shared layers are kept once."""

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
from images.levels import ALL_LEVELS, IMAGES, LEVELS, ON_REQUEST, Level, key, stage, version
from images.registries import write_secrets
from tts_app.sources.base import no_progress
from tts_app.sources.packages import bundle_stamp, fetch_package

_DIGITS = 12
"""Digits of a key in the names of folders and tags."""
_KEPT = 3
"""Layouts to keep per image: for several checkouts, and for a change that is reverted. Of one that is built
on request, the last one alone."""
_BLOBS = "blobs"
_UNFINISHED = ".making-"
_UPDATES = "updates"
"""File that records up to when images have Debian's updates; it may be missing."""


def layouts(names: Sequence[str] = IMAGES, fresh: bool = False) -> list[Path]:
    """Return the images' layouts, in the order of `names`; build those that are missing or outdated.

    With `fresh` all of them count as outdated, and builds from now on have Debian's updates up to now.

    Raises:
        PrerequisiteError: this machine cannot build images.
        BuildError: a build failed; the message has the end of the builder's output.
    """
    folder = cache_folder() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        if fresh:
            (folder / _UPDATES).write_text(time.strftime("%Y-%m-%dT%H:%M:%S"))
        chosen = builder()
        chosen.prepare()
        workshop = Workshop(chosen, folder)
        made = [workshop.layout(ALL_LEVELS[name]) for name in names]
        workshop.tidy()
        return made


def places(names: Sequence[str] = IMAGES) -> list[Path]:
    """Return where the images' layouts are, or would be; build, fetch and install nothing."""
    workshop = Workshop(builder(), cache_folder() / "images")
    return [workshop.place(ALL_LEVELS[name]) for name in names]


class Workshop:
    """A builder, and the folder where layouts are kept."""

    def __init__(self, builder: Builder, folder: Path) -> None:
        self._builder = builder
        self._folder = folder
        updates = folder / _UPDATES
        self._updates = updates.read_text() if updates.is_file() else ""
        self._base = f"{builder.base()} {self._updates}"
        stamps = {bundle: bundle_stamp(bundle) for level in LEVELS.values() for bundle in level.models}
        self._keys = {name: key(level, self._base, stamps)[:_DIGITS] for name, level in ALL_LEVELS.items()}
        """By level, all computed at one time: files may change while images are built."""

    def place(self, level: Level) -> Path:
        """Return where the level's layout is, or would be."""
        return self._folder / f"{level.image}-{version()}-{self._keys[level.name]}"

    def layout(self, level: Level) -> Path:
        """Return the level's layout; build it if it is missing."""
        target = self.place(level)
        if target.is_dir():
            target.touch()
        else:
            self._make(level, target)
        return target

    def tidy(self) -> None:
        """Remove what a killed run left, layouts that were not used lately, and layers of no layout."""
        for unfinished in self._folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(unfinished)
        for archive in self._folder.glob("tts-playground-*.tar"):  # the form before layouts
            archive.unlink()
        for level in ALL_LEVELS.values():
            found = self._folder.glob(f"{level.image}-[0-9]*-*/")  # its versions, not kokoro-torch for kokoro
            made = sorted(found, key=lambda path: path.stat().st_mtime)
            for old in made[: -1 if level.name in ON_REQUEST else -_KEPT]:
                shutil.rmtree(old)
        if (self._folder / _BLOBS).is_dir():
            kept = [Layout(path) for path in self._folder.glob("tts-playground-*/")]
            remove_unused(self._folder / _BLOBS, kept)

    def _make(self, level: Level, target: Path) -> None:
        arguments = {LEVELS[name].argument: self._have(LEVELS[name]) for name in level.on}
        if level.folder:
            arguments["ENGINE"] = level.name
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
                    secrets=write_secrets(secrets) if level.requirements else {},
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
        """Put the level's current image into the builder's store, and return its name there."""
        keyed, folder = self._keyed(level), self.layout(level)
        if not self._builder.has(keyed):
            self._builder.load(Layout(folder), keyed)
        return self._builder.local(keyed)

    def _keyed(self, level: Level) -> str:
        """Return an image's second name in the store, with its key: it identifies the version's build."""
        return f"{level.image}:{self._keys[level.name]}"


def _shelf(level: Level) -> Path:
    """Return the folder of the level's bundles; fetch those that are missing."""
    shelf = Path()
    for bundle in level.models:
        shelf = fetch_package(bundle, None, no_progress).parents[bundle.count("/")]
    return shelf


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let only one run build at a time: another run waits, and then finds what this one has built."""
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
