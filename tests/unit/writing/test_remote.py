"""A playground's model as a writer, over a real connection to a simulated playground."""

from contextlib import asynccontextmanager

import pytest
from simulated_playground import HANGS_UP, SimulatedPlayground, refused, streamed

from tts_app.engines.remote import RemoteWriter
from tts_app.engines.text import ContextLengthError, EngineError, TextRequest

REQUEST = TextRequest(messages=({"role": "user", "content": "Hi"},), temperature=0.5)


@asynccontextmanager
async def connected(playground: SimulatedPlayground, model: str | None = None, path: str = ""):
    writer = await RemoteWriter.connect(playground.url + path, None, model)
    yield writer
    await writer.aclose()


async def written(playground: SimulatedPlayground, request: TextRequest = REQUEST):
    async with connected(playground) as writer:
        return [delta async for delta in writer.generate(request)]


async def test_remote_writer_streams_an_answer(playground: SimulatedPlayground) -> None:
    text = "नमस्ते \u2028 \x85 🙂 مرحبا"
    playground.answers = [streamed(*text, finish="length")]
    deltas = await written(playground)
    assert "".join(delta.text for delta in deltas) == text
    assert [delta.finish for delta in deltas if delta.finish] == ["length"]
    (usage,) = [delta.usage for delta in deltas if delta.usage]
    assert (usage.prompt, usage.completion) == (7, 3)


async def test_remote_writer_sends_requests_of_the_openai_api(playground: SimulatedPlayground) -> None:
    from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
    from pydantic import TypeAdapter

    schema = {"type": "object", "properties": {"post": {"type": "string"}}}
    await written(playground, TextRequest(messages=REQUEST.messages, max_tokens=9, seed=4, schema=schema))
    await written(playground)
    full, least = playground.asked
    for body in (full, least):
        TypeAdapter(CompletionCreateParamsStreaming).validate_python(body)
        assert body["stream"] is True
    assert (full["max_tokens"], full["seed"]) == (9, 4)
    assert full["response_format"]["json_schema"]["schema"] == schema
    assert not {"max_tokens", "seed", "response_format"} & least.keys()
    assert least["temperature"] == 0.5


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_remote_writer_finds_the_only_text_model(playground: SimulatedPlayground, path: str) -> None:
    async with connected(playground, path=path) as writer:
        assert writer.model == "smollm"
        assert writer.capabilities.context_length == 512


async def test_remote_writer_works_with_a_server_without_capabilities(
    playground: SimulatedPlayground,
) -> None:
    playground.models = {"data": [{"id": "gpt"}]}
    async with connected(playground) as writer:
        assert writer.model == "gpt"


@pytest.mark.parametrize(
    ("models", "model", "message"),
    [
        ({"data": [{"id": "a"}, {"id": "b"}]}, None, "Name it with --model: a, b"),
        ({"data": [{"id": "a"}]}, "z", "has no model 'z' that writes. It has: a"),
        ({"data": [{"id": "k", "capabilities": ["speech"]}]}, "k", "It has: none"),
        ({"data": []}, None, "--model: none"),
        ({"hello": 1}, None, "does not list models"),
        ([1], None, "does not list models"),
    ],
)
async def test_remote_writer_reports_a_missing_model_or_api(
    playground: SimulatedPlayground, models: object, model: str | None, message: str
) -> None:
    playground.models = models
    with pytest.raises(EngineError) as caught:
        async with connected(playground, model):
            pass
    assert message in str(caught.value)


async def test_remote_writer_refuses_invalid_unicode(playground: SimulatedPlayground) -> None:
    with pytest.raises(EngineError, match="not valid Unicode"):
        await written(playground, TextRequest(messages=({"role": "user", "content": "caf\udce9"},)))
    assert not playground.asked


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://", "http://:a", "smollm"])
async def test_remote_writer_refuses_a_wrong_address(url: str) -> None:
    with pytest.raises(EngineError, match="is no address"):
        await RemoteWriter.connect(url, None, None)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (refused(400, "Too long.", "context_length_exceeded"), ContextLengthError, "Too long."),
        (refused(400, "No such thing."), EngineError, "No such thing."),
        (refused(401, "Wrong key."), EngineError, "Wrong key. TTSP_API_KEY should hold the key."),
        (refused(503, "Still loading.", Retry_After="900"), EngineError, "Still loading."),
        ((500, {}, b"<html>"), EngineError, "answers 500 Internal Server Error"),
        ((200, {}, b"data: {\n\n"), EngineError, "no part of an answer"),
        ((200, {}, b"data: 1\n\n"), EngineError, "no part of an answer"),
        ((200, {}, b'data: {"error": {"message": "It broke."}}\n\n'), EngineError, "It broke."),
        ((200, {}, b"data: \xff\n\n"), EngineError, "sent what is not UTF-8"),
        (streamed("Half", done=False), EngineError, "broke off before the answer had ended"),
    ],
)
async def test_remote_writer_errors_repeat_those_of_the_api(
    playground: SimulatedPlayground, answer: tuple, kind: type[Exception], message: str
) -> None:
    playground.answers = [answer]
    with pytest.raises(kind) as caught:
        await written(playground)
    assert message in str(caught.value)


async def test_remote_writer_asks_a_busy_playground_again_when_told(playground: SimulatedPlayground) -> None:
    busy = refused(429, "Busy.", Retry_After="0.1")
    playground.answers = [busy, busy, streamed("Now")]
    assert "".join(delta.text for delta in await written(playground)) == "Now"
    assert len(playground.asked) == 3


async def test_remote_writer_raises_when_the_playground_goes_away(playground: SimulatedPlayground) -> None:
    playground.answers = [HANGS_UP]
    with pytest.raises(EngineError, match=playground.url):
        await written(playground)
