"""OpenAI's wire format of text (chat completions and completions), as engines and other servers speak it.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from tts_app.engines.text import Delta, EngineStoppedError, Finish, TextRequest, TokenLogprob, Usage

_DONE = "[DONE]"
_ALWAYS = object()
_DEFAULTS = {"n": 1, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0}
_FINISH: Mapping[str, Finish] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


def body_of(request: TextRequest) -> dict[str, Any]:
    """Return the body of a streamed chat completion, or of a completion where the request has a prompt."""
    body: dict[str, Any] = {
        "stream": True,
        "n": request.n,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
    }
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.seed is not None:
        body["seed"] = request.seed
    if request.stop:
        body["stop"] = list(request.stop)
    if request.schema is not None:
        body["response_format"] = response_format(request.schema)
    if request.messages is None:
        body["prompt"] = request.prompt
        if request.logprobs is not None:
            body["logprobs"] = request.logprobs
        return body
    body["messages"] = [dict(message) for message in request.messages]
    if request.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": request.logprobs}
    if request.tools:
        body["tools"] = [dict(tool) for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = request.tool_choice
    return body


def without_defaults(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body without the fields that have OpenAI's default: some servers refuse these fields."""
    return {name: value for name, value in body.items() if _DEFAULTS.get(name, _ALWAYS) != value}


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form that makes an answer follow `schema`; an empty one means any JSON object."""
    if not schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema), "strict": True}}


def delta_of(choice: Mapping[str, Any], tokens: int = 0, logprobs: tuple[TokenLogprob, ...] = ()) -> Delta:
    """Return what a choice of a chunk, of either form, adds to its answer.

    `tokens` is its number of tokens and `logprobs` are their probabilities: servers report them elsewhere.

    Raises:
        EngineStoppedError: the answer ended neither by itself, nor at its limit, nor with tool calls.
    """
    written = choice.get("delta", choice)
    reason = choice.get("finish_reason") or None  # some servers write an empty one into each chunk
    if reason is not None and reason not in _FINISH:
        raise EngineStoppedError(f"The answer ended for an unknown reason: {reason}.")
    return Delta(
        index=choice.get("index", 0),
        text=written.get("content") or written.get("text") or "",
        reasoning=written.get("reasoning_content") or written.get("reasoning") or "",
        tokens=tokens,
        logprobs=logprobs,
        tool_calls=tuple(written.get("tool_calls") or ()),
        finish=None if reason is None else _FINISH[reason],
    )


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Return the tokens that a request used."""
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(usage["prompt_tokens"], usage.get("completion_tokens") or 0, cached)


def chat_logprobs(found: Mapping[str, Any], most: int | None = None) -> Iterator[TokenLogprob]:
    """Yield the probabilities of a chat chunk with at most `most` alternatives each, or all for None."""
    for entry in found.get("content") or ():
        yield _logprob(entry, tuple(map(_logprob, (entry.get("top_logprobs") or ())[:most])))


def completion_logprobs(found: Mapping[str, Any]) -> Iterator[TokenLogprob]:
    """Yield the probabilities of a chunk of a completion."""
    tops = found.get("top_logprobs") or []
    for number, token in enumerate(found.get("tokens") or ()):
        others = (tops[number] if number < len(tops) else None) or {}
        top = tuple(TokenLogprob(text, value, tuple(text.encode())) for text, value in others.items())
        yield TokenLogprob(token, found["token_logprobs"][number], tuple(token.encode()), top)


def _logprob(entry: Mapping[str, Any], top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
    return TokenLogprob(entry["token"], entry["logprob"], tuple(entry.get("bytes") or ()), top)


def event_data(lines: str) -> Iterator[str]:
    """Yield the data of server-sent events, without that of the event that ends the stream.

    Only a line feed ends a line: JSON may contain Unicode's other line breaks.
    """
    for line in lines.split("\n"):
        if line.startswith("data:") and (data := line.removeprefix("data:").strip()) != _DONE:
            yield data


async def streamed_event_data(parts: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Yield the data of server-sent events in a stream of bytes, up to the event that ends it.

    Raises:
        EOFError: the stream ended before that event.
        UnicodeDecodeError: it is not UTF-8.
    """
    rest = b""
    async for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            text = line.decode()
            if text.removeprefix("data:").strip() == _DONE and text.startswith("data:"):
                return
            for data in event_data(text):
                yield data
    raise EOFError
