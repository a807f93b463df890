"""Text as OpenAI's client asks for it, over ASGI, from a simulated model."""

import asyncio
import base64
import json
from typing import Any

import httpx
import openai
import pytest

from tts_app.engines.text import (
    ContextLengthError,
    Delta,
    TextCapabilities,
    TokenLogprob,
    UnreadableAnswerError,
    Usage,
)
from tts_app.serving.client import ModelUnavailableError
from tts_app.telemetry.metrics.speech import SpeechMetrics
from tts_app.telemetry.metrics.text import TextMetrics

CHAT = "/v1/chat/completions"
AUDIO = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "mp3"}}


@pytest.fixture
def client(api: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url="http://playground/v1", api_key="none needed", http_client=api.client, max_retries=0
    )


def ask(**changes: Any) -> dict[str, Any]:
    return {"model": "writer", "messages": [{"role": "user", "content": "Hello"}], **changes}


async def test_an_answer(api: Any, client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(**ask())
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "Hello there!")
    assert (choice.finish_reason, answer.model) == ("stop", "writer")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (
        7,
        3,
        10,
    )
    assert api.text_load == (0, 0)


@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_field_that_we_do_not_know_is_left_out_and_named(api: Any, path: str, stream: bool) -> None:
    asked = ask() if path == CHAT else {"model": "writer", "prompt": "Hello"}
    answer = await api.client.post(
        path, json=asked | {"user": "me", "logit_bias": {"1": 2}, "stream": stream}
    )
    assert answer.status_code == 200
    assert answer.headers["x-ignored-parameters"] == "user, logit_bias"


async def test_fields_within_messages_are_left_out_too(api: Any) -> None:
    message = {"role": "user", "content": "Hello", "cache_control": {"type": "ephemeral"}}
    tool = {"type": "function", "function": {"name": "f", "extra": 1}}
    answer = await api.client.post(CHAT, json=ask(messages=[message, message], tools=[tool]))
    assert answer.status_code == 200
    names = "messages.0.cache_control, messages.1.cache_control, tools.0.function.extra"
    assert answer.headers["x-ignored-parameters"] == names
    (request,) = api.writer.requests
    assert request.messages == ({"role": "user", "content": "Hello"},) * 2


async def test_a_stream(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(**ask(stream=True, stream_options={"include_usage": True}))
    chunks = [chunk async for chunk in stream]
    assert len({chunk.id for chunk in chunks}) == 1
    choices = [chunk.choices[0] for chunk in chunks[:-1]]
    assert choices[0].delta.role == "assistant"
    assert "".join(choice.delta.content or "" for choice in choices) == "Hello there!"
    assert [choice.finish_reason for choice in choices] == [None] * 4 + ["stop"]
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 10


async def test_a_stream_is_sent_as_it_is_written_and_ends_with_done(api: Any) -> None:
    api.writer.say('"Quotes"\n', "\\ العربية ", "🌊")
    answer = await api.client.post(CHAT, json=ask(stream=True))
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    texts = [json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines[:-1]]
    assert texts == ["", '"Quotes"\n', "\\ العربية ", "🌊", ""]
    assert "usage" not in json.loads(lines[0])


PART_B = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}


async def test_the_engine_is_asked_what_the_caller_asks(api: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    body = ask(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, PART_B]},
        ],
        max_completion_tokens=9,
        temperature=0,
        top_p=0.5,
        seed=3,
        stop="END",
        n=2,
        logprobs=True,
        top_logprobs=2,
        frequency_penalty=1,
        presence_penalty=-1,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        tools=[tool],
        tool_choice={"type": "function", "function": {"name": "f"}},
    )
    assert (await api.client.post(CHAT, json=body)).status_code == 200
    (request,) = api.writer.requests
    assert request.messages == (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a\nb"},
    )
    assert (request.max_tokens, request.temperature, request.top_p, request.seed) == (9, 0, 0.5, 3)
    assert (request.stop, request.n, request.logprobs) == (("END",), 2, 2)
    assert (request.frequency_penalty, request.presence_penalty) == (1, -1)
    assert (request.schema, request.tools) == (schema, (tool,))
    assert request.tool_choice == {"type": "function", "function": {"name": "f"}}


async def test_an_answer_goes_back_as_it_came(api: Any, client: openai.AsyncOpenAI) -> None:
    api.writer.deltas[0] = Delta(text="Hello", reasoning="A greeting.", tokens=3)
    first = await client.chat.completions.create(**ask())
    messages = [{"role": "user", "content": "Hello"}, first.choices[0].message]
    await client.chat.completions.create(
        model="writer", messages=[*messages, {"role": "user", "content": "?"}]
    )
    assert api.writer.requests[1].messages[1] == {
        "role": "assistant",
        "content": "Hello there!",
        "reasoning_content": "A greeting.",
    }


async def test_null_is_as_good_as_nothing(api: Any) -> None:
    body = ask(stop=None, temperature=None, max_tokens=None, tools=None, stream=None)
    assert (await api.client.post(CHAT, json=body)).status_code == 200
    assert api.writer.requests[0].temperature == 1.0


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"model": "nobody"}, "model", "unknown_model"),
        ({"model": "kokoro"}, "model", "unknown_model"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "user"}]}, "messages.0.content", "invalid_value"),
        ({"messages": [{"role": "god", "content": "x"}]}, "messages.0.role", "invalid_value"),
        (
            {"messages": [{"role": "user", "content": "x", "reasoning_content": "y"}]},
            "messages.0.reasoning_content",
            "invalid_value",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages.0.content",
            "invalid_value",
        ),
        ({"temperature": 2.1}, "temperature", "invalid_value"),
        ({"top_p": 0}, "top_p", "invalid_value"),
        ({"n": 0}, "n", "invalid_value"),
        ({"stop": ["a"] * 5}, "stop", "invalid_value"),
        ({"stop": ""}, "stop.0", "invalid_value"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens", "invalid_value"),
        ({"top_logprobs": 3}, "top_logprobs", "invalid_value"),
        ({"tool_choice": "auto"}, "tool_choice", "invalid_value"),
        (
            {
                "tools": [{"type": "function", "function": {"name": "f"}}],
                "tool_choice": {"type": "function", "function": {"name": "g"}},
            },
            "tool_choice",
            "invalid_value",
        ),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "invalid_value"),
        ({"modalities": ["audio"]}, "modalities", "invalid_value"),
        ({"modalities": ["text", "audio"]}, "audio", "invalid_value"),
        (AUDIO | {"n": 2}, "modalities", "invalid_value"),
        (AUDIO | {"audio": {"voice": "nobody", "format": "mp3"}}, "audio.voice", "unknown_voice"),
    ],
)
async def test_what_is_wrong_is_named(api: Any, changes: dict[str, Any], param: str, code: str) -> None:
    answer = await api.client.post(CHAT, json=ask(**changes))
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code), error
    assert error["message"]
    assert api.writer.requests == []


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"n": 5}, "n"),
        ({}, "messages"),
    ],
)
async def test_what_the_engine_cannot_do_is_refused(api: Any, changes: dict[str, Any], param: str) -> None:
    api.writer.capabilities_ = TextCapabilities(1000, 4, chat=param != "messages")
    error = (await api.client.post(CHAT, json=ask(**changes))).json()["error"]
    assert (error["param"], error["code"]) == (param, "unsupported_parameter")
    api.writer.capabilities_ = TextCapabilities(1000, 4, logprobs=1)
    several = (await api.client.post(CHAT, json=ask(n=5))).json()["error"]["message"]
    assert several == "Model 'writer' writes 4 answers at a time, and 'n' asks for 5."
    body = ask(logprobs=True, top_logprobs=2)
    assert (await api.client.post(CHAT, json=body)).json()["error"]["param"] == "top_logprobs"


async def test_logprobs_and_tool_calls(api: Any, client: openai.AsyncOpenAI) -> None:
    token = TokenLogprob("Hi", -0.5, (72, 105), (TokenLogprob("Ho", -1.5),))
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
    rest = {"index": 0, "function": {"arguments": ": 1}"}}
    api.writer.deltas = [
        Delta(text="Hi", tokens=1, logprobs=(token,)),
        Delta(tool_calls=(call,), tokens=3),
        Delta(tool_calls=(rest,), tokens=3, finish="tool_calls", usage=Usage(1, 7)),
    ]
    (choice,) = (await client.chat.completions.create(**ask(logprobs=True))).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    (reported,) = choice.logprobs.content
    assert (reported.token, reported.logprob, reported.bytes, reported.top_logprobs[0].token) == (
        "Hi",
        -0.5,
        [72, 105],
        "Ho",
    )
    assert choice.message.tool_calls is not None
    (made,) = choice.message.tool_calls
    assert made.type == "function"
    assert (made.id, made.function.name, made.function.arguments) == ("call_1", "f", '{"a": 1}')
    stream = await client.chat.completions.create(**ask(stream=True))
    parts = [
        part.function.arguments
        async for chunk in stream
        for part in chunk.choices[0].delta.tool_calls or []
        if part.function
    ]
    assert parts == ['{"a"', ": 1}"]


async def test_several_answers_stream_to_openais_client_in_whatever_order(
    api: Any, client: openai.AsyncOpenAI
) -> None:
    api.writer.deltas = [
        Delta(index=2, text="c", tokens=1),
        Delta(index=0, text="a", tokens=1),
        Delta(index=1, text="b", tokens=1),
        *(Delta(index=index, finish="stop") for index in range(3)),
        Delta(usage=Usage(7, 3)),
    ]
    async with client.chat.completions.stream(**ask(n=3)) as stream:
        answer = await stream.get_final_completion()
    assert [choice.message.content for choice in answer.choices] == ["a", "b", "c"]
    assert [choice.finish_reason for choice in answer.choices] == ["stop"] * 3


async def test_a_completion(api: Any, client: openai.AsyncOpenAI) -> None:
    token = TokenLogprob("Hello", -0.5, (), (TokenLogprob("Hey", -1.5),))
    api.writer.deltas[0] = Delta(text="Hello", tokens=1, logprobs=(token,))
    answer = await client.completions.create(model="writer", prompt="Say", logprobs=1)
    (choice,) = answer.choices
    assert (choice.text, choice.finish_reason) == ("Hello there!", "stop")
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == ["Hello"]
    assert choice.logprobs.top_logprobs == [{"Hey": -1.5}]
    assert (api.writer.requests[0].prompt, api.writer.requests[0].max_tokens) == ("Say", 16)
    stream = await client.completions.create(model="writer", prompt=["Say"], stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == "Hello there!"
    with pytest.raises(openai.BadRequestError) as refused:
        await client.completions.create(model="writer", prompt=["a", "b"])
    assert refused.value.param == "prompt"


async def test_the_offsets_of_tokens_count_characters(api: Any, client: openai.AsyncOpenAI) -> None:
    data = [b"a", b"\xd9", b"\x85", b"b"]
    tokens = [TokenLogprob(one.decode(errors="backslashreplace"), -1.0, tuple(one)) for one in data]
    api.writer.deltas[0] = Delta(text="aمb", tokens=4, logprobs=tuple(tokens))
    (choice,) = (await client.completions.create(model="writer", prompt="Say", logprobs=0)).choices
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == ["a", "\\xd9", "\\x85", "b"]
    assert choice.logprobs.text_offset == [0, 1, 2, 2]


async def test_the_offsets_of_tokens_that_are_told_late_are_the_same_in_a_stream(
    api: Any, client: openai.AsyncOpenAI
) -> None:
    """As where strings stop an answer: a probability is told once its token can complete none."""
    one, two = (TokenLogprob(word, -1.0, tuple(word.encode())) for word in (" one", " two"))
    api.writer.deltas = [
        Delta(text=" one", tokens=1),
        Delta(text=" two", tokens=1, logprobs=(one,)),
        Delta(finish="length", logprobs=(two,)),
        Delta(usage=Usage(7, 2)),
    ]
    stream = await client.completions.create(model="writer", prompt="Say", logprobs=0, stream=True)
    reported = [choice.logprobs async for chunk in stream for choice in chunk.choices if choice.logprobs]
    assert [logprobs.text_offset for logprobs in reported] == [[0], [4]]
    (choice,) = (await client.completions.create(model="writer", prompt="Say", logprobs=0)).choices
    assert choice.logprobs is not None
    assert choice.logprobs.text_offset == [0, 4]


async def test_usage_apart_comes_in_a_chunk_without_choices(api: Any, client: openai.AsyncOpenAI) -> None:
    api.writer.deltas = [
        Delta(text="Hi", tokens=1),
        Delta(tokens=1),
        Delta(finish="stop"),
        Delta(usage=Usage(7, 2)),
    ]
    for create, asked in (
        (client.completions.create, {"model": "writer", "prompt": "Say"}),
        (client.chat.completions.create, ask()),
    ):
        stream = await create(**asked, stream=True, stream_options={"include_usage": True})
        reported = [
            [choice.finish_reason for choice in chunk.choices] if chunk.choices else chunk.usage.total_tokens
            async for chunk in stream
        ]
        assert reported[-2:] == [["stop"], 9]


async def test_a_prompt_that_is_too_long(api: Any, client: openai.AsyncOpenAI) -> None:
    api.writer.error = ContextLengthError("The prompt has 2000 tokens, and the context 1000.")
    api.writer.deltas = [Delta(), Delta()]
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(**ask())
    assert refused.value.code == "context_length_exceeded"


async def test_an_answer_that_cannot_be_read_is_not_the_callers_fault(api: Any) -> None:
    api.writer.error = UnreadableAnswerError("The model wrote what cannot be read.")
    answer = await api.client.post(CHAT, json=ask())
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (500, "unreadable_answer", "server_error")
    assert error["message"] == "The model wrote what cannot be read."


async def test_a_model_that_loads(api: Any, client: openai.AsyncOpenAI) -> None:
    api.writer.down = True
    with pytest.raises(openai.InternalServerError, match="still being loaded") as refused:
        await client.chat.completions.create(**ask())
    assert refused.value.status_code == 503
    assert int(refused.value.response.headers["retry-after"]) > 0


async def test_what_fails_after_the_first_token_is_told_in_the_stream(
    api: Any, client: openai.AsyncOpenAI
) -> None:
    api.writer.error = ModelUnavailableError("Model 'writer' was lost while it wrote the answer.")
    stream = await client.chat.completions.create(**ask(stream=True))
    texts = []
    with pytest.raises(openai.APIError, match="was lost"):
        async for chunk in stream:
            texts.append(chunk.choices[0].delta.content)  # noqa: PERF401 - it breaks off, and these are kept
    assert texts == ["", "Hello"]
    assert api.text_load == (0, 0)


async def test_too_many_are_refused_and_callers_who_leave_free_their_place(api: Any, until: Any) -> None:
    api.writer.gate.clear()
    callers = [asyncio.create_task(api.client.post(CHAT, json=ask())) for _ in range(4)]
    await until(lambda: api.text_load == (2, 2))
    refused = await api.client.post(CHAT, json=ask())
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    for caller in callers[:2]:
        caller.cancel()
    await asyncio.wait(callers[:2])
    await until(lambda: api.text_load == (2, 0))
    api.writer.gate.set()
    answers = await asyncio.gather(*callers[2:])
    assert [answer.status_code for answer in answers] == [200, 200]
    assert api.text_load == (0, 0)


async def test_an_answer_is_spoken_sentence_by_sentence(api: Any, client: openai.AsyncOpenAI) -> None:
    api.writer.say("This is the first long sentence. ", "And this is ", "another one.")
    answer = await client.chat.completions.create(**ask(**AUDIO))
    (choice,) = answer.choices
    assert choice.message.content is None
    assert choice.message.audio is not None
    assert choice.message.audio.transcript == "This is the first long sentence. And this is another one."
    words = choice.message.audio.transcript.split()
    assert base64.b64decode(choice.message.audio.data).decode() == "".join(f"{word}@heart;" for word in words)
    assert api.load == api.text_load == (0, 0)


async def test_a_spoken_stream(api: Any) -> None:
    api.writer.say("This is the first long sentence. ", "And this is ", "another one.")
    api.writer.gate.set()
    body = ask(stream=True, stream_options={"include_usage": True}, **AUDIO)
    answer = await api.client.post(CHAT, json=body)
    events = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line and "[DONE]" not in line]
    reported = [e["choices"][0]["delta"].get("audio", {}) for e in events if e["choices"]]
    assert "".join(audio.get("transcript", "") for audio in reported).endswith("another one.")
    spoken = b"".join(base64.b64decode(audio["data"]) for audio in reported if "data" in audio)
    assert spoken.count(b"@heart;") == 11
    assert "expires_at" in reported[-2]
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"]["total_tokens"] == 10


async def test_where_nobody_can_speak_nothing_is_written(api: Any, until: Any) -> None:
    api.model.gate.clear()
    speech = {"model": "tts-1", "input": "one", "voice": "alloy"}
    speaking = [asyncio.create_task(api.client.post("/v1/audio/speech", json=speech)) for _ in range(4)]
    await until(lambda: api.load == (2, 2))
    refused = await api.client.post(CHAT, json=ask(**AUDIO))
    assert refused.status_code == 429
    assert api.writer.requests == []
    api.model.gate.set()
    await asyncio.gather(*speaking)


async def test_an_answer_that_cannot_be_spoken_is_still_written(api: Any, client: openai.AsyncOpenAI) -> None:
    api.writer.say("...")
    answer = await client.chat.completions.create(**ask(**AUDIO))
    assert answer.choices[0].message.audio is not None
    assert (answer.choices[0].message.audio.transcript, answer.choices[0].message.audio.data) == ("...", "")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """How requests ended that did not end well, and whether they were of text or of speech."""
    ends: list[tuple[str, str]] = []
    for kind, metrics in (("text", TextMetrics), ("speech", SpeechMetrics)):

        def failed(_self: object, _model: str, _priority: str, _reason: str, kind: str = kind) -> None:
            ends.append((kind, "failed"))

        def ended(_self: object, _model: str, _priority: str, outcome: str, kind: str = kind) -> None:
            ends.append((kind, outcome))

        monkeypatch.setattr(metrics, "failed", failed)
        monkeypatch.setattr(metrics, "ended", ended)
    return ends


async def test_what_ends_beside_a_failure_is_not_counted(api: Any, counted: list[tuple[str, str]]) -> None:
    api.writer.say("This is the first long sentence. And this is another one. ", "And a last one.")
    api.model.gate.clear()
    api.writer.error = ModelUnavailableError("Model 'writer' was lost.")
    assert (await api.client.post(CHAT, json=ask(**AUDIO))).status_code == 503
    assert counted == [("text", "failed")]
    counted.clear()
    api.writer.error, api.model.error = None, ModelUnavailableError("Model 'kokoro' was lost.")
    api.model.gate.set()
    api.writer.gate.clear()
    assert (await api.client.post(CHAT, json=ask(**AUDIO))).status_code == 503
    assert counted == [("speech", "failed")]
    assert api.load == api.text_load == (0, 0)


async def test_an_answer_without_a_word_is_no_failure_of_speech(
    api: Any, counted: list[tuple[str, str]]
) -> None:
    api.writer.say("...")
    assert (await api.client.post(CHAT, json=ask(**AUDIO))).status_code == 200
    assert counted == []
    nothing = {"model": "tts-1", "input": "...", "voice": "alloy"}
    assert (await api.client.post("/v1/audio/speech", json=nothing)).status_code == 200
    assert counted == []


async def test_a_caller_of_a_spoken_answer_who_leaves_stops_both(
    api: Any, until: Any, counted: list[tuple[str, str]]
) -> None:
    api.writer.say("This is the first long sentence. ", "And this is another one.")
    api.model.gate.clear()
    api.writer.gate.clear()
    caller = asyncio.create_task(api.client.post(CHAT, json=ask(**AUDIO)))
    await until(lambda: api.load == api.text_load == (1, 0))
    caller.cancel()
    with pytest.raises((asyncio.CancelledError, httpx.HTTPError)):
        await caller
    await until(lambda: api.load == api.text_load == (0, 0))
    assert sorted(counted) == [("speech", "abandoned"), ("text", "abandoned")]
