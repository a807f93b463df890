"""The OpenAPI document says what every route answers, and generators make clients of it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tts_app.api import answers
from tts_app.api.answers import Documented
from tts_app.api.app import ROUTERS, create_app

METHODS = ("get", "put", "post", "delete", "patch")
ERROR = {"$ref": "#/components/schemas/ErrorAnswer"}
BINARY = {"type": "string", "format": "binary"}
WITHOUT_BODY = {"204", "304"}


@pytest.fixture
async def document(start: Any) -> dict[str, Any]:
    api = await start()
    found: dict[str, Any] = (await api.client.get("/openapi.json")).json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each operation by its method and path."""
    for path, methods in document["paths"].items():
        assert set(methods) <= set(METHODS)
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def says_something(document: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether a schema says what a value looks like, and not only that it is an object or a list."""
    if "$ref" in schema:
        return says_something(document, document["components"]["schemas"][schema["$ref"].split("/")[-1]])
    if "anyOf" in schema:
        return all(says_something(document, option) for option in schema["anyOf"])
    match schema.get("type"):
        case "object":
            values = schema.get("additionalProperties")
            return bool(schema.get("properties")) or (isinstance(values, dict) and bool(values))
        case "array":
            return says_something(document, schema["items"])
        case None:
            return "const" in schema or "enum" in schema
    return True


async def test_the_document_is_valid(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


async def test_every_served_route_is_in_the_document(document: dict[str, Any]) -> None:
    routes = [route for router in ROUTERS for route in router.routes if route.include_in_schema]
    served = {f"{method} {route.path}" for route in routes for method in route.methods}
    assert served == {name for name, _ in operations(document)}


async def test_every_operation_has_an_id_that_reads_well(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    assert [each for each in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)+", each) or "_v1_" in each] == []


async def test_schemas_have_names_that_read_well(document: dict[str, Any]) -> None:
    assert [name for name in document["components"]["schemas"] if not re.fullmatch(r"[A-Za-z]+", name)] == []


async def test_every_answer_says_what_it_holds(document: dict[str, Any]) -> None:
    lacking = []
    for name, operation in operations(document):
        answered = {status for status in operation["responses"] if status.startswith("2")}
        assert answered, name
        for status, answer in operation["responses"].items():
            assert answer["description"], f"{name} {status}"
            contents = answer.get("content", {})
            if status in WITHOUT_BODY:
                assert not contents, f"{name} {status}"
            elif not contents:
                lacking.append(f"{name} {status}")
            for media_type, content in contents.items():
                if not says_something(document, content.get("schema", {})):
                    lacking.append(f"{name} {status} {media_type}")
    assert lacking == []


async def test_every_error_has_the_one_form(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert answer["content"] == {"application/json": {"schema": ERROR}}, f"{name} {status}"
    assert "HTTPValidationError" not in json.dumps(document)
    assert '"422"' not in json.dumps(document)


async def test_every_route_says_which_errors_it_has(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        if "/v1/" not in name:
            continue
        expected = {"400", "401", "403", "429", "500", "503"}
        expected |= {"413", "415"} if "requestBody" in operation else set()
        expected |= {"404"} if "{" in name else set()
        assert expected <= set(operation["responses"]), name
        assert {"key": []} in operation["security"], name


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("POST /v1/audio/speech", "SpeechAudioEvent"),
        ("POST /v1/chat/completions", "ChatCompletionChunk"),
        ("POST /v1/completions", "TextCompletion"),
        ("GET /v1/speech/{speech_id}/events", "SpeechAnswer"),
        ("GET /v1/batches/{batch_id}/events", "BatchAnswer"),
    ],
)
async def test_streams_of_events_say_what_an_event_holds(
    document: dict[str, Any], name: str, events: str
) -> None:
    content = dict(operations(document))[name]["responses"]["200"]["content"]
    schema = content["text/event-stream"]["schema"]
    assert schema["type"] == "string", "generated clients give the stream as it is"
    assert schema["contentSchema"] == {"$ref": f"#/components/schemas/{events}"}
    assert events in document["components"]["schemas"]


@pytest.mark.parametrize(
    ("name", "media_types"),
    [
        ("POST /v1/audio/speech", {"audio/mpeg", "audio/ogg", "audio/aac", "audio/flac"}),
        ("GET /v1/speech/{speech_id}/audio", {"audio/mpeg", "audio/wav"}),
        ("GET /v1/batches/{batch_id}/archive", {"application/zip"}),
    ],
)  # fmt: skip
async def test_files_are_binary(document: dict[str, Any], name: str, media_types: set[str]) -> None:
    content = dict(operations(document))[name]["responses"]["200"]["content"]
    assert media_types <= set(content)
    assert all(content[media_type] == {"schema": BINARY} for media_type in media_types)


def parsed(stream: str) -> list[Any]:
    """The data of server-sent events, but for the mark of the end."""
    lines = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


CHAT = {"model": "writer", "messages": [{"role": "user", "content": "Hello"}]}
SPOKEN = {"modalities": ["text", "audio"], "audio": {"voice": "female_en-US", "format": "mp3"}}


@pytest.mark.parametrize(
    ("path", "body", "form"),
    [
        ("/v1/chat/completions", CHAT, answers.ChatCompletion),
        ("/v1/chat/completions", {**CHAT, **SPOKEN}, answers.ChatCompletion),
        ("/v1/completions", {"model": "writer", "prompt": "Hello"}, answers.TextCompletion),
        ("/v1/audio/voices", None, answers.CatalogueVoicesAnswer),
        ("/v1/audio/models", None, answers.SpeakingModelsAnswer),
        ("/v1/models", None, answers.ModelsAnswer),
        ("/v1/models/kokoro", None, answers.ModelAnswer),
        ("/v1/models/writer", None, answers.ModelAnswer),
        ("/v1/models/tts-1", None, answers.ModelAnswer),
        ("/healthz", None, answers.HealthAnswer),
        ("/readyz", None, answers.ReadinessAnswer),
    ],
)
async def test_answers_are_as_the_document_says(
    api: Any, path: str, body: dict[str, Any] | None, form: type[Documented]
) -> None:
    answer = await (api.client.get(path) if body is None else api.client.post(path, json=body))
    assert answer.status_code == 200, answer.text
    form.model_validate_json(answer.text)


@pytest.mark.parametrize(
    ("path", "body", "form"),
    [
        ("/v1/chat/completions", CHAT, answers.ChatCompletionChunk),
        ("/v1/chat/completions", {**CHAT, **SPOKEN}, answers.ChatCompletionChunk),
        ("/v1/completions", {"model": "writer", "prompt": "Hello"}, answers.TextCompletion),
        (
            "/v1/audio/speech",
            {"input": "Hello there", "voice": "female_en-US", "stream_format": "sse"},
            answers.SpeechAudioEvent,
        ),
    ],
)
async def test_events_are_as_the_document_says(
    api: Any, path: str, body: dict[str, Any], form: type[Documented]
) -> None:
    streamed = {**body, "stream": True} if "audio/speech" not in path else body
    streamed |= {"stream_options": {"include_usage": True}} if "audio/speech" not in path else {}
    answer = await api.client.post(path, json=streamed)
    assert answer.status_code == 200, answer.text
    events = parsed(answer.text)
    assert len(events) > 2
    for event in events:
        form.model_validate(event)


async def test_a_field_that_is_not_documented_is_found() -> None:
    with pytest.raises(ValueError, match="surprise"):
        answers.HealthAnswer.model_validate({"status": "ok", "surprise": 1})


async def test_a_route_that_is_added_later_is_completed_too(api: Any) -> None:
    app = create_app(api.context)
    before = app.openapi()
    assert app.openapi() is before

    @app.get("/v1/later")
    async def get_later(number: int) -> answers.HealthAnswer:
        raise NotImplementedError

    later = app.openapi()["paths"]["/v1/later"]["get"]["responses"]
    assert "422" not in later
    assert later["401"]["content"] == {"application/json": {"schema": ERROR}}
