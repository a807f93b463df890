"""Which of a service's models are served, and why the others, or some of their avatars, are not."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import ValidationError

from tts_app.resources import MODELS, Model, VoiceModel
from tts_app.resources.engines import ENGINES, engines_of
from tts_app.resources.engines.spec import Task
from tts_app.resources.faults import of_parameters
from tts_app.resources.licensing import license_fault
from tts_app.resources.locales import explain_unreadable
from tts_operator.objects import Manifest, Ref, ref_of
from tts_operator.reasons import Reason

LICENSE_FORBIDS: Final = "LicenseForbids"
"""Why a model is not served, however it was served before."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens with one VoiceModel or TextModel."""

    model: Model | None
    """The model as it is served, without the avatars that another model has; None: it is not served."""
    reason: Reason = "AsExpected"
    """Why it is not served, or is served only as before; AsExpected where it is served as it is."""
    message: str = ""
    """What to change about it."""
    taken: tuple[tuple[str, str], ...] = ()
    """Avatars that another VoiceModel speaks, each with the name of that model."""

    @property
    def is_outdated(self) -> bool:
        """Whether the model is served as before, because its resource is not valid now."""
        return self.model is not None and self.reason != "AsExpected"


def select(
    manifests: Iterable[Manifest],
    images: Collection[str],
    previous: Mapping[Ref, Model],
    *,
    commercial: bool = False,
) -> dict[Ref, Verdict]:
    """Return a verdict for each model of one service. `images` are the names of the images that
    there are, as `images.engines` has them.

    `commercial`: whether the service is used commercially.

    `previous` are the models as they are served now: a model that is not valid any more stays as it is there.
    If two models offer the same avatar, or have the same name, the older one gets it; at the same age, the
    first by name and kind. So a later model never takes over what is served already.
    """
    verdicts: dict[Ref, Verdict] = {}
    owners: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for manifest in sorted(manifests, key=_age):
        ref = ref_of(manifest)
        verdict = verdicts[ref] = _verdict(manifest, images, previous, owners, kinds, commercial)
        if verdict.model is not None:
            kinds[ref.name] = ref.kind.name
    return verdicts


def served(verdicts: Mapping[Ref, Verdict]) -> tuple[Model, ...]:
    """Return the models that are served, by name."""
    models = [verdict.model for verdict in verdicts.values() if verdict.model is not None]
    return tuple(sorted(models, key=lambda model: model.name))


def _verdict(
    manifest: Manifest,
    images: Collection[str],
    previous: Mapping[Ref, Model],
    owners: dict[str, str],
    kinds: Mapping[str, str],
    commercial: bool,
) -> Verdict:
    """Return the verdict on a model. `owners` are the models by avatar so far, `kinds` the kinds by name."""
    try:
        model = MODELS[manifest["kind"]].model_validate(written(manifest))
    except ValidationError as error:
        reason: Reason = _reason(manifest, error)
        message = explain(error)
    else:
        unreadable = model.spec.unreadable_locales if isinstance(model, VoiceModel) else []
        if not unreadable:
            if model.spec.image_key not in images and ref_of(manifest) in previous:
                model = _on_its_default_runtime(model, images)
            return _verdict_on(model, images, owners, kinds, commercial)
        reason, message = "LocaleUnreadable", explain_unreadable(unreadable)
    before = previous.get(ref_of(manifest))
    kept = Verdict(None) if before is None else _verdict_on(before, images, owners, kinds, commercial)
    return replace(kept, reason=reason, message=message)


def _verdict_on(
    model: Model,
    images: Collection[str],
    owners: dict[str, str],
    kinds: Mapping[str, str],
    commercial: bool,
) -> Verdict:
    """Return the verdict on a model that is valid."""
    name = model.name
    if forbidden := license_fault(model, commercial=commercial):
        return Verdict(None, LICENSE_FORBIDS, forbidden)
    if model.spec.image_key not in images:
        return Verdict(None, "ImageMissing", _explain_missing(model))
    if name in kinds:
        text = (
            f"A {kinds[name]} of the service is called {name!r} too, and was there before: each model is an "
            "application of its own name. Give this one another name."
        )
        return Verdict(None, "NameTaken", text)
    return _speaks(model, owners) if isinstance(model, VoiceModel) else Verdict(model)


def _on_its_default_runtime(model: Model, images: Collection[str]) -> Model:
    """Return a model that is served already on the default runtime of its engine, if that has an image.

    By its GPU it may be meant for a runtime that the version which served it did not have.
    """
    spec = model.spec
    if spec.engine not in images or spec.parameters.get("runtime", "auto") != "auto":
        return model
    parameters = {**spec.parameters, "runtime": ENGINES[spec.engine].runtime.name}
    return model.model_copy(update={"spec": spec.model_copy(update={"parameters": parameters})})


def _explain_missing(model: Model) -> str:
    """Return what to do about an image that there is not."""
    engine, key = model.spec.engine, model.spec.image_key
    where = f"name one in images.engines.{key} of the Playground"
    if key == engine:
        return f"There is no image of engine {engine!r}: {where}."
    default = ENGINES[engine].runtime.name
    return (
        f"There is no image of engine {engine!r} for what this model runs on, by its parameters and its GPU: "
        f"{where}, or set parameters.runtime: {default}."
    )


def _reason(manifest: Manifest, error: ValidationError) -> Reason:
    """Return why a model that is not valid is not served."""
    if _has_unknown_engine(manifest):
        return "EngineUnknown"
    return "ParameterNotAllowed" if of_parameters(error) else "InvalidSpec"


def _has_unknown_engine(manifest: Manifest) -> bool:
    """Return whether a model names an engine that this version lacks, as a stored resource may."""
    task: Task = "speech" if manifest["kind"] == VoiceModel.__name__ else "text"
    engine = (manifest.get("spec") or {}).get("engine")
    return engine is not None and engine not in engines_of(task)


def _speaks(model: VoiceModel, owners: dict[str, str]) -> Verdict:
    """Return the verdict on a VoiceModel, which gets the avatars that no model in `owners` speaks."""
    taken = tuple((v.avatar, owners[v.avatar]) for v in model.spec.voices if v.avatar in owners)
    voices = [voice for voice in model.spec.voices if voice.avatar not in owners]
    if not voices:
        return Verdict(None, "AvatarsTaken", _explain_taken(taken), taken)
    owners.update({voice.avatar: model.name for voice in voices})
    if taken:
        model = model.model_copy(update={"spec": model.spec.model_copy(update={"voices": voices})})
    return Verdict(model, message=_explain_taken(taken) if taken else "", taken=taken)


def _age(manifest: Manifest) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return metadata.get("creationTimestamp") or "", metadata["name"], manifest["kind"]


def written(manifest: Manifest) -> dict[str, Any]:
    """Return a user's part of a resource: no status, which may be a newer operator's, and none of the
    server's metadata except labels.
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
