"""The OpenAPI document: FastAPI's, with what it does not know of errors, keys, streams and files."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tts_app.api.answers import ChatCompletionChunk, SpeechAudioEvent, TextCompletion
from tts_app.api.batches import BatchAnswer
from tts_app.api.contents import SCHEMAS
from tts_app.api.schemas import ErrorAnswer, SpeechAnswer

_MODELS: tuple[type[BaseModel], ...] = (
    ChatCompletionChunk,
    TextCompletion,
    SpeechAudioEvent,
    SpeechAnswer,
    BatchAnswer,
    ErrorAnswer,
)
"""What server-sent events hold, and errors: FastAPI collects the models of a route's own answers alone."""
_KEY = "key"
_ANYWHERE = {
    400: "A parameter is wrong: `param` names it.",
    401: "The key or token is missing or not valid.",
    403: "The key or token does not allow that.",
    408: "The request took too long to arrive.",
    429: "Too much to do, or a quota is used up; `Retry-After` says when to come back.",
    431: "The headers are too large.",
    500: "Something went wrong here; the log has the `request_id`.",
    503: "Something that the answer needs is away; `Retry-After` says when to come back.",
}
"""The errors of every route under /v1."""
_WITH_BODY = {413: "The body is too large.", 415: "The body is not of the type that the route takes."}
_WITH_PATH = {404: "There is no such thing, or it is another tenant's."}


def operation_id(route: APIRoute) -> str:
    """Return the id of a route's operation: the name of its function, which no other route has."""
    return route.name


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Return FastAPI's document, made whole: every error of a route, in the one form, and its key."""
    schemas = document["components"]["schemas"]
    _, found = models_json_schema(
        [(model, "serialization") for model in _MODELS], ref_template=f"{SCHEMAS}{{model}}"
    )
    for name, schema in found["$defs"].items():
        schemas.setdefault(name, schema)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete_operation(path, operation)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = {
        _KEY: {
            "type": "http",
            "scheme": "bearer",
            "description": "A key or token. A playground without keys asks for none.",
        }
    }
    return document


def _complete_operation(path: str, operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    responses.pop("422", None)  # FastAPI's own errors: ours have 400
    if path.startswith("/v1/"):
        operation["security"] = [{_KEY: []}, {}]
        for status, description in _errors(path, operation):
            content = {"application/json": {"schema": {"$ref": f"{SCHEMAS}{ErrorAnswer.__name__}"}}}
            responses.setdefault(str(status), {"description": description, "content": content})
    operation["responses"] = dict(sorted(responses.items()))


def _errors(path: str, operation: Mapping[str, Any]) -> Iterable[tuple[int, str]]:
    yield from _ANYWHERE.items()
    if "requestBody" in operation:
        yield from _WITH_BODY.items()
    if re.search(r"\{\w+\}", path):
        yield from _WITH_PATH.items()


def install(app: FastAPI) -> None:
    """Make `app` serve the whole document."""
    of_fastapi = app.openapi

    def openapi() -> dict[str, Any]:
        document = of_fastapi()  # which is kept, and made anew where routes were added
        return document if "securitySchemes" in document["components"] else complete(document)

    app.openapi = openapi  # type: ignore[method-assign]
