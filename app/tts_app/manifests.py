"""Reads custom resources from YAML files, and finds the embedded samples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from tts_app.resources import API_VERSION, TTSJob, VoiceModel

_PACKAGE = Path(__file__).parent
_Kind = TypeVar("_Kind", VoiceModel, TTSJob)


class ManifestError(ValueError):
    """A file does not hold valid resources; the message names the file, the document and the field."""


def samples_folder() -> Path:
    """Return the folder of the sample manifests: inside the installed package, or in the checkout."""
    installed = _PACKAGE / "samples"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "manifests" / "samples"


def embedded_posts() -> Path:
    """Return the file of the embedded posts, 100 of a hotel group."""
    return samples_folder() / "posts" / "hospitality-100.jsonl"


def load_voice_models(paths: Sequence[Path] = ()) -> list[VoiceModel]:
    """Return the VoiceModels of `paths`, or of the embedded sample where there are none.

    Raises:
        ManifestError: a file cannot be read, is not YAML, or a resource in it is not valid.
    """
    models: list[VoiceModel] = []
    for path in paths or [samples_folder() / "embedded.yaml"]:
        models += [_voice_model(document, where) for where, document in _documents(path)]
    _check_names(models)
    return models


def load_batch(paths: Sequence[Path] = ()) -> tuple[TTSJob, list[VoiceModel]]:
    """Return the one TTSJob of `paths` and their VoiceModels: the embedded sample's where they have none.

    Without paths it is the embedded job: 100 posts of a hotel group.

    Raises:
        ManifestError: a file cannot be read, a resource is not valid, or there is not exactly one TTSJob.
    """
    jobs: list[TTSJob] = []
    models: list[VoiceModel] = []
    for path in paths or [samples_folder() / "ttsjob-hospitality-100.yaml"]:
        for where, document in _documents(path):
            if isinstance(document, dict) and document.get("kind") == "TTSJob":
                jobs.append(_valid(TTSJob, document, where))
            else:
                models.append(_voice_model(document, where))
    if len(jobs) != 1:
        raise ManifestError(f"A batch is one TTSJob; the files have {len(jobs)}.")
    _check_names(models)
    return jobs[0], models or load_voice_models()


def parse_voice_model(text: str, where: str) -> VoiceModel:
    """Return the VoiceModel that `text` is, in YAML or JSON; `where` says in an error where it came from.

    Raises:
        ManifestError: it is not one.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ManifestError(f"{where} is not YAML: {error}") from error
    return _voice_model(document, where)


def _check_names(models: Sequence[VoiceModel]) -> None:
    names = [model.name for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ManifestError(f"VoiceModel names must be unique; given twice: {', '.join(twice)}.")


def _documents(path: Path) -> list[tuple[str, Any]]:
    """Return the non-empty documents of a YAML file, each with words that say where it is."""
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"Cannot read {path}: {error}.") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{path} is not YAML: {error}") from error
    found = [(f"{path}, document {n}", d) for n, d in enumerate(documents, 1) if d is not None]
    if not found:
        raise ManifestError(f"{path} is empty: it needs at least one VoiceModel.")
    return found


def _voice_model(document: Any, where: str) -> VoiceModel:
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind != "VoiceModel":
        raise ManifestError(f"{where}: expected kind VoiceModel of {API_VERSION}, found {kind!r}.")
    return _valid(VoiceModel, document, where)


def _valid(kind: type[_Kind], document: Any, where: str) -> _Kind:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors())
        raise ManifestError(f"{where}: {faults}.") from error
