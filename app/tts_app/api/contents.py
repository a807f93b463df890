"""What the OpenAPI document says of answers that are no JSON: streams of events, and files."""

from typing import Any

from pydantic import BaseModel

from tts_app.audio.formats import FORMATS

SCHEMAS = "#/components/schemas/"


def events_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the content of an answer whose server-sent events each hold a `model` in JSON.

    The stream is a string, which generators of clients understand; `contentSchema` says what is in its events
    (JSON Schema 2020-12, validation, section 8.5). The model must be one of those that `openapi` adds.
    """
    schema = {
        "type": "string",
        "description": f"Server-sent events: the data of each is a {model.__name__}.",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": f"{SCHEMAS}{model.__name__}"},
    }
    return {"text/event-stream": {"schema": schema}}


def binary(*media_types: str) -> dict[str, Any]:
    """Return the content of an answer that is a file of one of these types."""
    return {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types}


def audio() -> dict[str, Any]:
    """Return the content of an answer that is audio of any format."""
    return binary(*(audio_format.media_type for audio_format in FORMATS.values()))
