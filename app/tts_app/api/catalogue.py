"""What can be asked for: voices and models."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from tts_app.api.answers import CatalogueVoicesAnswer, ModelAnswer, ModelsAnswer, SpeakingModelsAnswer
from tts_app.api.deps import Context, Playground
from tts_app.api.errors import ApiError
from tts_app.api.resolve import OPENAI_MODELS, OPENAI_SNAPSHOTS, is_openai_model, voices_of
from tts_app.api.schemas import VoiceFilter
from tts_app.api.scopes import CATALOGUE, need
from tts_app.resources import TextModel, VoiceModel
from tts_app.resources.engines import ENGINES

router = APIRouter(tags=["catalogue"], dependencies=[need(*CATALOGUE)])


@router.get("/v1/audio/voices", responses={200: {"model": CatalogueVoicesAnswer}}, summary="List voices")
async def list_voices(wanted: Annotated[VoiceFilter, Query()], playground: Playground) -> dict[str, Any]:
    """List the voices, with their measured quality, their license, and what is only approximated.

    `voices` has the same ones as `data`, in the form that Open WebUI reads.
    """
    model = wanted.model
    catalogue = playground.service.catalogue if model is None else voices_of(playground.service, model)
    every = [voice.describe() for voice in catalogue]
    described = every
    for name, value in wanted.model_dump(exclude_none=True, exclude={"model"}).items():
        allowed = sorted({str(voice[name]) for voice in every})
        matching = {known.lower(): known for known in allowed}
        if value.lower() not in matching:
            raise ApiError(
                400,
                f"There is no {name} {value!r} here. Allowed: {', '.join(allowed)}.",
                param=name,
                code=f"unknown_{name}",
            )
        described = [voice for voice in described if voice[name] == matching[value.lower()]]
    named = [{"id": voice["id"], "name": voice["name"]} for voice in described]
    return {"object": "list", "data": described, "voices": named}


@router.get(
    "/v1/audio/models", responses={200: {"model": SpeakingModelsAnswer}}, summary="List models that speak"
)
async def list_speaking_models(playground: Playground) -> dict[str, Any]:
    """List the models that speak.

    `models` has the same ones as `data`, in the form that Open WebUI reads.
    """
    described = [_model(model) for model in playground.service.models] + _aliases(playground)
    return {"object": "list", "data": described, "models": [{"id": one["id"]} for one in described]}


@router.get("/v1/models", responses={200: {"model": ModelsAnswer}}, summary="List models")
async def list_models(playground: Playground) -> dict[str, Any]:
    """List the models in OpenAI's form, with what they can do."""
    described = [_model(model) for model in _models(playground)]
    return {"object": "list", "data": described + _aliases(playground)}


@router.get("/v1/models/{name}", responses={200: {"model": ModelAnswer}}, summary="Get model")
async def get_model(name: str, playground: Playground) -> dict[str, Any]:
    """Describe one model; for one that speaks, with the JSON schema of each of a request's `parameters`."""
    models = _models(playground)
    for model in models:
        if model.name == name:
            return _model(model)
    if is_openai_model(name) and playground.service.models:
        return _alias(name)
    allowed = ", ".join([*(model.name for model in models), *(one["id"] for one in _aliases(playground))])
    raise ApiError(
        404, f"There is no model {name[:60]!r}. There is: {allowed}.", param="model", code="unknown_model"
    )


def _models(playground: Context) -> list[VoiceModel | TextModel]:
    return sorted([*playground.service.models, *playground.text.models], key=lambda model: model.name)


def _aliases(playground: Context) -> list[dict[str, Any]]:
    """Return OpenAI's names for the models that speak here, if there are any."""
    names = (*OPENAI_MODELS, *OPENAI_SNAPSHOTS) if playground.service.models else ()
    return [_alias(name) for name in names]


def _alias(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "this playground: the model that has the voice speaks",
        "capabilities": ["speech"],
    }


def _model(model: VoiceModel | TextModel) -> dict[str, Any]:
    spec = model.spec
    described = {
        "id": model.name,
        "object": "model",
        "created": 0,
        "owned_by": spec.source.uri,
        "capabilities": ["text"] if isinstance(model, TextModel) else ["speech"],
        "engine": spec.engine,
        "quantization": spec.quantization,
        "revision": spec.source.revision,
        "license": {"spdx": spec.license.spdx, "commercial_use": spec.license.commercial_use},
    }
    if isinstance(model, TextModel):
        return described | {"context_length": model.spec.context_length}
    engine = ENGINES[spec.engine]
    return described | {
        "locales": sorted({voice.locale for voice in model.spec.voices}),
        "clones": engine.clones,
        "follows_instructions": engine.follows_instructions,
        "parameters": engine.voice_parameters.model_json_schema()["properties"],
    }
