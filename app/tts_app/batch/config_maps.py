"""The ConfigMap of a job's posts without a cluster: it is read from YAML files."""

import base64
import binascii
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tts_app.manifests import ManifestError, listed_documents, yaml_files_in
from tts_app.resources import TTSJob
from tts_app.resources.tts_job import ConfigMapRef


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """A ConfigMap of a YAML file."""

    where: str
    """File and document."""
    namespace: str | None
    document: Mapping[str, Any]

    def value(self, key: str) -> bytes:
        """Return what `key` holds.

        Raises:
            ManifestError: there is no such key, or it holds neither text nor, in `binaryData`, Base64.
        """
        data, binary = (self._part(part) for part in ("data", "binaryData"))
        found = data.get(key, binary.get(key))
        if found is None:
            keys = ", ".join(sorted(map(str, [*data, *binary]))) or "none"
            raise ManifestError(f"{self.where}: the ConfigMap has no key {key!r}; its keys: {keys}.")
        if not isinstance(found, str):
            raise ManifestError(f"{self.where}: {key!r} of the ConfigMap must be text; use `|` or quotes.")
        if key in data:
            return found.encode()
        try:
            return base64.b64decode("".join(found.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ManifestError(f"{self.where}: {key!r} in binaryData is not Base64: {error}.") from error

    def _part(self, name: str) -> Mapping[str, Any]:
        part = self.document.get(name) or {}
        if not isinstance(part, dict):
            raise ManifestError(f"{self.where}: {name} of the ConfigMap must map keys to text.")
        return part


@contextmanager
def mounted(job: TTSJob, files: Sequence[Path], folder: Path) -> Iterator[Path]:
    """Yield the folder that has the ConfigMap of the job's posts as <name>/<key>, as in a pod that mounts it.

    A ConfigMap in `files` comes first, then one in `folder`, then one in the YAML files beside `files`. A job
    whose posts are not in a ConfigMap needs none.

    Raises:
        ManifestError: there is no such ConfigMap, or several; it lacks the key; one of `files` is not YAML;
            there is no room for its value.
    """
    reference = job.spec.posts.config_map_ref
    if reference is None:
        yield folder
        return
    namespace = job.metadata.namespace
    found = _only(_named(reference.name, files), namespace)
    if found is None and (folder / reference.name).is_dir():
        yield folder
        return
    if found is None:
        found = _beside(reference, namespace, files, folder)
    value = found.value(reference.key)
    with ExitStack() as stack:
        try:
            made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ttsp-config-maps-")))
            (made / reference.name).mkdir()
            (made / reference.name / reference.key).write_bytes(value)
        except OSError as error:
            failure = "The folder for temporary files cannot be written (TMPDIR may name another)"
            raise ManifestError(f"{failure}: {error.strerror}.") from error
        yield made


def _beside(reference: ConfigMapRef, namespace: str | None, files: Sequence[Path], folder: Path) -> ConfigMap:
    """Return the ConfigMap from the YAML files beside `files`.

    Raises:
        ManifestError: they have none, or several. The message lists all places that were searched.
    """
    given = {file.parent.resolve() / file.name for file in files}
    folders = sorted({file.parent for file in given})
    beside = [path for place in folders for path in yaml_files_in(place) if path not in given]
    unread: list[str] = []
    named: list[ConfigMap] = []
    for path in beside:
        if not _mentions(path, reference.name):  # other files may be broken: they are not needed
            continue
        try:
            named += _named(reference.name, [path])
        except ManifestError as error:
            unread.append(str(error))
    if found := _only(named, namespace):
        return found
    others = [*_named(reference.name, files), *named]
    lines = [
        f"There is no ConfigMap {reference.name!r}, which posts.configMapRef names. It was looked for in:",
        *map(str, files),
        f"{folder}, the folder of --config-maps",
        *(f"{place}, its YAML files" for place in folders),
        *(f"It is of namespace {o.namespace}, and the job of {namespace}: {o.where}" for o in others),
        *unread,
        "Give the file that has it with another -f, or the posts themselves with --posts.",
    ]
    raise ManifestError("\n  ".join(lines))


def _mentions(path: Path, name: str) -> bool:
    """Return whether the file may have a ConfigMap of that name. A file that cannot be read may."""
    try:
        content = path.read_bytes()
    except OSError:
        return True
    return b"ConfigMap" in content and name.encode() in content


def _named(name: str, files: Sequence[Path]) -> list[ConfigMap]:
    """Return the ConfigMaps of that name. Raises ManifestError if a file cannot be read or is not YAML."""
    found = []
    for where, document in (pair for file in files for pair in listed_documents(file)):
        if not isinstance(document, dict) or document.get("kind") != "ConfigMap":
            continue
        metadata = document.get("metadata")
        if isinstance(metadata, dict) and metadata.get("name") == name:
            found.append(ConfigMap(where, metadata.get("namespace"), document))
    return found


def _only(named: Sequence[ConfigMap], namespace: str | None) -> ConfigMap | None:
    """Return the one in the job's namespace; one without a namespace fits every job.

    Raises:
        ManifestError: there are several.
    """
    fitting = [
        found for found in named if None in (found.namespace, namespace) or found.namespace == namespace
    ]
    if len(fitting) > 1:
        places = "; ".join(found.where for found in fitting)
        raise ManifestError(f"The ConfigMap of the posts must be given once; it is in: {places}.")
    return fitting[0] if fitting else None
