"""Reads custom resources from YAML files, and finds the embedded samples."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from tts_app.resources import API_VERSION, MODELS, CustomResource, TextModel, TTSJob, VoiceModel
from tts_app.resources.faults import faults
from tts_app.resources.locales import explain_unreadable

_PACKAGE = Path(__file__).parent
_DEEPEST = 100
_MOST_REPEATED = 100_000
_Kind = TypeVar("_Kind", bound=CustomResource)


class ManifestError(ValueError):
    """A file does not hold valid resources; the message names the file, the document and the field."""


class _TooMuchError(Exception):
    """YAML that is too deep, or that stands for too much; the message names the line."""


class _BoundedLoader(yaml.SafeLoader):
    """Reads YAML that is no deeper than people write, and whose aliases stand for a bounded number of values.

    Some lines of nested aliases can stand for more values than any memory holds.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._depth = 0
        self._sizes: dict[int, int] = {}
        """Values that each finished node stands for, by its `id`: the document keeps its nodes alive."""
        self._repeated = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Return the next node, or the one that the next alias names."""
        where = f"line {self.peek_event().start_mark.line + 1}"  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._sizes:
                raise _TooMuchError(f"{where}: an alias is inside of what it stands for.")
            self._repeated += self._sizes[id(node)]
            if self._repeated > _MOST_REPEATED:
                most = f"{_MOST_REPEATED:,}"
                raise _TooMuchError(f"{where}: aliases stand for more than {most} values; write them out.")
            return node
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _TooMuchError(f"{where}: it is more than {_DEEPEST} levels deep; no resource is.")
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._sizes[id(node)] = 1 + sum(self._sizes[id(part)] for part in _parts(node))
        return node


def _parts(node: yaml.Node | None) -> Iterator[yaml.Node]:
    """Yield the nodes directly in a node."""
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair


def samples_folder() -> Path:
    """Return the folder of the sample manifests: inside the installed package, or in the checkout."""
    installed = _PACKAGE / "samples"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "manifests" / "samples"


def embedded_posts() -> Path:
    """Return the file of the embedded posts, 100 of a hotel group."""
    return samples_folder() / "posts" / "hospitality-100.jsonl"


def load_models(paths: Sequence[Path] = ()) -> list[VoiceModel | TextModel]:
    """Return the VoiceModels and TextModels of `paths`, or of the embedded samples without `paths`.

    Raises:
        ManifestError: a file cannot be read or is not YAML, a resource is not valid, or two have one name.
    """
    samples = [samples_folder() / "embedded.yaml", samples_folder() / "textmodel-smollm.yaml"]
    models = [_model(document, where) for path in paths or samples for where, document in _documents(path)]
    _check_names(models)
    return models


def load_voice_models(paths: Sequence[Path] = ()) -> list[VoiceModel]:
    """Return the VoiceModels among the models of `paths`, or the embedded ones without `paths`.

    Raises:
        ManifestError: as for `load_models`, or the files have only TextModels.
    """
    voices = [model for model in load_models(paths) if isinstance(model, VoiceModel)]
    if not voices:
        raise ManifestError(f"{_listed(paths)}: there is no VoiceModel, so nothing can speak.")
    return voices


def load_text_models(paths: Sequence[Path] = ()) -> list[TextModel]:
    """Return the TextModels among the models of `paths`, or the embedded one without `paths`.

    Raises:
        ManifestError: as for `load_models`, or the files have only VoiceModels.
    """
    texts = [model for model in load_models(paths) if isinstance(model, TextModel)]
    if not texts:
        raise ManifestError(f"{_listed(paths)}: there is no TextModel, so nothing can write.")
    return texts


def load_batch(paths: Sequence[Path] = ()) -> tuple[TTSJob, list[VoiceModel]]:
    """Return the one TTSJob of `paths` and their VoiceModels, or the embedded sample's where they have none.

    Without paths it is the embedded job: 100 posts of a hotel group. TextModels are checked and left out, so
    that a file may have everything of a service. So are ConfigMaps: the job's posts may be in one.

    Raises:
        ManifestError: a file cannot be read, a resource is not valid, or there is not exactly one TTSJob.
    """
    jobs: list[TTSJob] = []
    models: list[VoiceModel | TextModel] = []
    for path in paths or [samples_folder() / "ttsjob-hospitality-100.yaml"]:
        for where, document in listed_documents(path):
            kind = document.get("kind") if isinstance(document, dict) else None
            if kind == "TTSJob":
                jobs.append(_valid(TTSJob, document, where))
            elif kind != "ConfigMap":
                models.append(_model(document, where))
    if len(jobs) != 1:
        raise ManifestError(f"A batch is one TTSJob; the files have {len(jobs)}.")
    _check_names(models)
    return jobs[0], [m for m in models if isinstance(m, VoiceModel)] or load_voice_models()


def yaml_files(paths: Sequence[Path]) -> list[Path]:
    """Return `paths`, with each folder replaced by its YAML files, by name.

    Raises:
        ManifestError: a folder has none.
    """
    found: list[Path] = []
    for path in paths:
        inside = yaml_files_in(path) if path.is_dir() else [path]
        if not inside:
            raise ManifestError(f"{path} has no YAML file: neither .yaml nor .yml.")
        found += inside
    return found


def yaml_files_in(folder: Path) -> list[Path]:
    """Return the YAML files of a folder, by name, without those of its subfolders."""
    return sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml") and path.is_file())


def listed_documents(path: Path) -> list[tuple[str, Any]]:
    """Return the documents of a YAML file, each with a text that says where it is.

    A List, which `kubectl get -o yaml` prints, is replaced by its items.

    Raises:
        ManifestError: the file cannot be read, is empty or not YAML, or a List has no list of items.
    """
    found: list[tuple[str, Any]] = []
    for where, document in _documents(path):
        if not isinstance(document, dict) or document.get("kind") != "List":
            found.append((where, document))
            continue
        items = document.get("items")
        if not isinstance(items, list):
            raise ManifestError(f"{where}: a List needs `items`, a list of resources.")
        found += [(f"{where}, item {n}", item) for n, item in enumerate(items, 1)]
    return found


def parse_model(text: str, where: str) -> VoiceModel | TextModel:
    """Return the model that `text` describes, in YAML or JSON; errors name `where` it came from.

    Raises:
        ManifestError: it is not a model.
    """
    try:
        document = yaml.load(text, Loader=_BoundedLoader)  # noqa: S506 - a SafeLoader
    except _TooMuchError as error:
        raise ManifestError(f"{where}, {error}") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{where} is not YAML: {error}") from error
    return _model(document, where)


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))


def _check_names(models: Sequence[VoiceModel | TextModel]) -> None:
    names = [model.name for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ManifestError(f"Models need names of their own; given twice: {', '.join(twice)}.")


def _documents(path: Path) -> list[tuple[str, Any]]:
    """Return the non-empty documents of a YAML file, each with a text that says where it is."""
    try:
        documents = list(yaml.load_all(path.read_text(encoding="utf-8"), Loader=_BoundedLoader))
    except _TooMuchError as error:
        raise ManifestError(f"{path}, {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"Cannot read {path}: {error}.") from error
    except (yaml.YAMLError, ValueError) as error:  # PyYAML raises ValueError for a date such as 2026-13-01
        raise ManifestError(f"{path} is not YAML: {error}") from error
    found = [(f"{path}, document {n}", d) for n, d in enumerate(documents, 1) if d is not None]
    if not found:
        raise ManifestError(f"{path} is empty: it needs at least one VoiceModel or TextModel.")
    return found


def _model(document: Any, where: str) -> VoiceModel | TextModel:
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(kind, str) or kind not in MODELS:
        expected = " or ".join(MODELS)
        raise ManifestError(f"{where}: expected kind {expected} of {API_VERSION}, found {kind!r}.")
    model = _valid(MODELS[kind], document, where)
    if isinstance(model, VoiceModel) and (unreadable := model.spec.unreadable_locales):
        raise ManifestError(f"{where}: spec.voices: {explain_unreadable(unreadable)}")
    return model


def _valid(kind: type[_Kind], document: Any, where: str) -> _Kind:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise ManifestError(f"{where}: {'; '.join(faults(error))}.") from error
