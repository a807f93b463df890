"""OpenAI's wire format of text."""

from collections.abc import AsyncIterator

import pytest

from tts_app.engines.openai_wire import (
    body_of,
    chat_logprobs,
    completion_logprobs,
    delta_of,
    event_data,
    streamed_event_data,
    usage_of,
    without_defaults,
)
from tts_app.engines.text import Delta, EngineStoppedError, TextRequest, TokenLogprob, Usage

HI = ({"role": "user", "content": "Hi."},)
TOOL = {"type": "function", "function": {"name": "book"}}


def test_body_of_a_conversation_has_its_messages_and_options() -> None:
    request = TextRequest(
        messages=HI, max_tokens=9, seed=3, stop=("x",), logprobs=2, schema={}, tools=(TOOL,)
    )
    assert body_of(request) == {
        "stream": True,
        "n": 1,
        "temperature": 1.0,
        "top_p": 1.0,
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
        "max_tokens": 9,
        "seed": 3,
        "stop": ["x"],
        "response_format": {"type": "json_object"},
        "messages": [{"role": "user", "content": "Hi."}],
        "logprobs": True,
        "top_logprobs": 2,
        "tools": [TOOL],
    }


def test_without_defaults_leaves_what_was_asked_for() -> None:
    body = without_defaults(body_of(TextRequest(HI, top_p=0.9, n=2, frequency_penalty=0.5)))
    assert (body["top_p"], body["n"], body["frequency_penalty"]) == (0.9, 2, 0.5)
    assert "presence_penalty" not in body
    plain = without_defaults(body_of(TextRequest(HI)))
    assert plain == {"stream": True, "temperature": 1.0, "messages": list(HI)}


def test_body_of_a_prompt_has_no_messages_and_a_number_of_logprobs() -> None:
    body = body_of(TextRequest(prompt="Once", logprobs=2))
    assert (body["prompt"], body["logprobs"]) == ("Once", 2)
    assert not {"messages", "top_logprobs", "max_tokens", "seed", "stop", "tools"} & body.keys()


@pytest.mark.parametrize(
    ("choice", "delta"),
    [
        ({"index": 1, "delta": {"content": "a"}}, Delta(1, "a")),
        ({"text": "a", "finish_reason": "length"}, Delta(0, "a", finish="length")),
        ({"delta": {"content": "a"}, "finish_reason": ""}, Delta(text="a")),
        ({"delta": {"reasoning_content": "hm"}}, Delta(reasoning="hm")),
        ({"delta": {"reasoning": "hm"}}, Delta(reasoning="hm")),
        ({"delta": {"content": None, "tool_calls": [TOOL]}}, Delta(tool_calls=(TOOL,))),
    ],
)
def test_delta_of_reads_chat_and_completion_choices(choice: dict[str, object], delta: Delta) -> None:
    assert delta_of(choice) == delta


def test_delta_of_refuses_an_unknown_finish_reason() -> None:
    with pytest.raises(EngineStoppedError, match="unknown reason: abort"):
        delta_of({"text": "", "finish_reason": "abort"})


def test_usage_of_reads_usage_without_a_cache() -> None:
    assert usage_of({"prompt_tokens": 3, "completion_tokens": 4}) == Usage(3, 4, 0)
    cached = {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}
    assert usage_of(cached) == Usage(3, 0, 2)


def test_logprobs_are_read_from_chats_and_completions() -> None:
    entry = {"token": "a", "logprob": -1.0, "bytes": [97]}
    other = {"token": "b", "logprob": -2.0, "bytes": None}
    chat = {"content": [{**entry, "top_logprobs": [entry, other]}]}
    a, b = TokenLogprob("a", -1.0, (97,)), TokenLogprob("b", -2.0)
    assert list(chat_logprobs(chat)) == [TokenLogprob("a", -1.0, (97,), (a, b))]
    assert list(chat_logprobs(chat, 1)) == [TokenLogprob("a", -1.0, (97,), (a,))]
    completion = {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": [{"a": -1.0}]}
    assert list(completion_logprobs(completion)) == [TokenLogprob("a", -1.0, (97,), (a,))]


def test_event_data_ends_at_line_feeds_alone() -> None:
    """JSON may hold U+2028, at which Python's splitlines() would cut."""
    assert list(event_data('data: {"a": "x\u2028y"}\n\n: comment\ndata: [DONE]\n\n')) == ['{"a": "x\u2028y"}']


async def test_streamed_event_data_joins_cut_bytes() -> None:
    async def parts() -> AsyncIterator[bytes]:
        whole = 'data: "é"\n\ndata: 2\n\ndata: [DONE]\n\ndata: 3\n\n'.encode()
        for byte in whole:
            yield bytes([byte])

    assert [data async for data in streamed_event_data(parts())] == ['"é"', "2"]


async def test_streamed_event_data_raises_when_it_breaks_off() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"data: 1\n\nda"

    with pytest.raises(EOFError):
        [data async for data in streamed_event_data(parts())]


def test_joined_deltas_are_one_delta() -> None:
    parts = [Delta(1, "a", tokens=1), Delta(1, "b", tokens=2, finish="stop"), Delta(1, usage=Usage(1, 3))]
    assert Delta.joined(parts) == Delta(1, "ab", tokens=3, finish="stop", usage=Usage(1, 3))
