"""Which of a service's VoiceModels are served, and why the others, or some of their avatars, are not."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tts_app.resources import VoiceModel
from tts_operator.objects import Manifest


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one VoiceModel."""

    model: VoiceModel | None
    """The model as it is served, without the avatars that another one has; None: it is not served."""
    reason: str = ""
    """Why it is not served, in one CamelCase word."""
    message: str = ""
    """What to change about it."""
    taken: tuple[tuple[str, str], ...] = ()
    """Avatars that another VoiceModel speaks, each with that one's name."""


def select(manifests: Iterable[Manifest], engines: Collection[str]) -> dict[str, Verdict]:
    """Return a verdict for each VoiceModel of one service, by name. `engines` are those that have an image.

    Of two that offer the same avatar the older one has it, and of two of one age the first by name: what is
    served already is never taken over by what comes later.
    """
    verdicts: dict[str, Verdict] = {}
    owners: dict[str, str] = {}
    for manifest in sorted(manifests, key=_age):
        name = manifest["metadata"]["name"]
        verdicts[name] = _verdict(manifest, engines, owners)
    return dict(sorted(verdicts.items()))


def served(verdicts: Mapping[str, Verdict]) -> tuple[VoiceModel, ...]:
    """Return the models that are served, by name."""
    return tuple(verdict.model for _, verdict in sorted(verdicts.items()) if verdict.model is not None)


def _verdict(manifest: Manifest, engines: Collection[str], owners: dict[str, str]) -> Verdict:
    try:
        model = VoiceModel.model_validate(written(manifest))
    except ValidationError as error:
        return Verdict(None, "InvalidSpec", explain(error))
    name, engine = model.name, model.spec.engine
    if engine not in engines:
        text = (
            f"There is no image of engine {engine!r}: name one in images.engines.{engine} of the Playground."
        )
        return Verdict(None, "ImageMissing", text)
    taken = tuple((v.avatar, owners[v.avatar]) for v in model.spec.voices if v.avatar in owners)
    voices = [voice for voice in model.spec.voices if voice.avatar not in owners]
    if not voices:
        return Verdict(None, "AvatarsTaken", _explain_taken(taken), taken)
    owners.update({voice.avatar: name for voice in voices})
    if taken:
        model = model.model_copy(update={"spec": model.spec.model_copy(update={"voices": voices})})
    return Verdict(model, message=_explain_taken(taken) if taken else "", taken=taken)


def _age(manifest: Manifest) -> tuple[str, str]:
    metadata = manifest["metadata"]
    return metadata.get("creationTimestamp") or "", metadata["name"]


def written(manifest: Manifest) -> dict[str, Any]:
    """Return what a user wrote of a resource: no status, which may be a newer operator's, no server's
    metadata but labels.
    """
    metadata = {
        key: manifest["metadata"][key]
        for key in ("name", "namespace", "labels")
        if key in manifest["metadata"]
    }
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": metadata} | {
        "spec": manifest.get("spec")
    }


def explain(error: ValidationError) -> str:
    """Return what is wrong with a resource, field by field."""
    problems = []
    for detail in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in detail["loc"])
        problems.append(f"{where}: {detail['msg']}" if where else detail["msg"])
    return "; ".join(problems)


def _explain_taken(taken: tuple[tuple[str, str], ...]) -> str:
    avatars = ", ".join(f"{avatar} (by {owner})" for avatar, owner in taken)
    return f"Spoken by another VoiceModel of the service already: {avatars}. Remove them here or there."
