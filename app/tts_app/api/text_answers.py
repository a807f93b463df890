"""Answers in OpenAI's forms: whole, and as server-sent events.

Thousands of events a second are written, so everything but the text is made once, when the stream begins.
"""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

from tts_app.engines.text import Delta, TokenLogprob, Usage

DONE = b"data: [DONE]\n\n"


def event(data: Mapping[str, Any]) -> bytes:
    """Return `data` as a server-sent event."""
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def usage_of(usage: Usage) -> dict[str, Any]:
    """Return what an answer took."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    }


class Answer:
    """One answer of several, put together from its deltas."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self.logprobs: list[TokenLogprob] = []
        self.tool_calls: dict[int, dict[str, Any]] = {}
        self.finish: str | None = None

    @property
    def text(self) -> str:
        """What was written."""
        return "".join(self._texts)

    @property
    def reasoning(self) -> str:
        """What was thought before it."""
        return "".join(self._reasoning)

    def add(self, delta: Delta) -> None:
        """Add what was written next."""
        self._texts.append(delta.text)
        self._reasoning.append(delta.reasoning)
        self.logprobs.extend(delta.logprobs)
        for part in delta.tool_calls:
            self._add_call(part)
        self.finish = delta.finish or self.finish

    def _add_call(self, part: Mapping[str, Any]) -> None:
        number = int(part.get("index", 0))
        call = self.tool_calls.setdefault(
            number, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = part.get("id") or call["id"]
        function = part.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""


class Chat:
    """An answer of `/v1/chat/completions`."""

    def __init__(self, model: str, with_usage: bool) -> None:
        self.id = f"chatcmpl-{secrets.token_hex(12)}"
        self.audio_id = f"audio_{secrets.token_hex(12)}"
        self.created = int(time.time())
        self._model = model
        self._begun = 0
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": model}
        self._head = f'data: {json.dumps(head)[:-1]}, "choices": '
        self._tail = (', "usage": null' if with_usage else "") + "}\n\n"

    def whole(
        self, answers: Mapping[int, Answer], usage: Usage | None, audio: bytes | None = None
    ) -> dict[str, Any]:
        """Return the whole answer; `audio` in Base64 where it was spoken."""
        choices = []
        for index, answer in sorted(answers.items()):
            message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
            if answer.tool_calls:
                message["content"] = answer.text or None
                message["tool_calls"] = [call for _, call in sorted(answer.tool_calls.items())]
            if answer.reasoning:
                message["reasoning_content"] = answer.reasoning
            if audio is not None:
                message["content"] = None
                message["audio"] = {
                    "id": self.audio_id,
                    "data": audio.decode("ascii"),
                    "transcript": answer.text,
                    "expires_at": self.created,
                }
            choices.append(
                {
                    "index": index,
                    "message": message,
                    "logprobs": _chat_logprobs(answer.logprobs),
                    "finish_reason": answer.finish,
                }
            )
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self._model,
            "choices": choices,
            **({} if usage is None else {"usage": usage_of(usage)}),
        }

    def delta(self, delta: Delta) -> bytes:
        """Return the event of a delta; before the first of an answer comes one with the role."""
        begin = self._begin(delta.index)
        if delta.logprobs or delta.tool_calls or delta.reasoning or (delta.finish and delta.text):
            fields: dict[str, Any] = {"content": delta.text} if delta.text or delta.logprobs else {}
            if delta.reasoning:
                fields["reasoning_content"] = delta.reasoning
            if delta.tool_calls:
                fields["tool_calls"] = list(delta.tool_calls)
            text = self._choice(delta.index, fields, delta.logprobs)
        elif delta.text:
            text = (
                f'{self._head}[{{"index": {delta.index}, "delta": {{"content": '
                f'{encode_basestring(delta.text)}}}, "logprobs": null, "finish_reason": null}}]{self._tail}'
            )
        else:
            text = ""
        end = self._choice(delta.index, {}, (), delta.finish) if delta.finish else ""
        return (begin + text + end).encode()

    def transcript(self, text: str) -> bytes:
        """Return the event of what is going to be spoken."""
        begin = self._begin(0)
        return (begin + self._choice(0, {"audio": {"id": self.audio_id, "transcript": text}})).encode()

    def audio(self, data: bytes) -> bytes:
        """Return the event of spoken audio, in Base64."""
        fields = {"audio": {"id": self.audio_id, "data": data.decode("ascii")}}
        return (self._begin(0) + self._choice(0, fields)).encode()

    def spoken(self, finish: str | None) -> bytes:
        """Return the events that end a spoken answer."""
        last = self._choice(0, {"audio": {"expires_at": self.created}})
        return (last + self._choice(0, {}, (), finish)).encode()

    def usage(self, usage: Usage) -> bytes:
        """Return the event of what it took."""
        return f'{self._head}[], "usage": {json.dumps(usage_of(usage))}}}\n\n'.encode()

    def _begin(self, index: int) -> str:
        """Return the events that open the answers up to `index`: OpenAI's client takes them in order only."""
        if index < self._begun:
            return ""
        opened = range(self._begun, index + 1)
        self._begun = index + 1
        return "".join(self._choice(number, {"role": "assistant", "content": ""}) for number in opened)

    def _choice(
        self,
        index: int,
        fields: Mapping[str, Any],
        logprobs: Sequence[TokenLogprob] = (),
        finish: str | None = None,
    ) -> str:
        choice = {
            "index": index,
            "delta": fields,
            "logprobs": _chat_logprobs(logprobs),
            "finish_reason": finish,
        }
        return f"{self._head}[{json.dumps(choice, ensure_ascii=False)}]{self._tail}"


class Completion:
    """An answer of `/v1/completions`."""

    def __init__(self, model: str, with_usage: bool) -> None:
        self._fields = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._head = f'data: {json.dumps(self._fields)[:-1]}, "choices": '
        self._tail = (', "usage": null' if with_usage else "") + "}\n\n"
        self._offsets: dict[int, int] = {}

    def whole(self, answers: Mapping[int, Answer], usage: Usage | None) -> dict[str, Any]:
        """Return the whole answer."""
        choices = [
            {
                "index": index,
                "text": answer.text,
                "logprobs": _completion_logprobs(answer.logprobs, 0),
                "finish_reason": answer.finish,
            }
            for index, answer in sorted(answers.items())
        ]
        return {**self._fields, "choices": choices} | ({} if usage is None else {"usage": usage_of(usage)})

    def delta(self, delta: Delta) -> bytes:
        """Return the event of a delta; nothing for a delta that holds only the usage."""
        if not (delta.text or delta.logprobs or delta.finish):
            return b""
        offset = self._offsets.get(delta.index, 0)
        # Count by the probabilities, not by the text: with stop strings a token's probability comes after its
        # text.
        self._offsets[delta.index] = offset + sum(map(_characters, delta.logprobs))
        logprobs = json.dumps(_completion_logprobs(delta.logprobs, offset)) if delta.logprobs else "null"
        return (
            f'{self._head}[{{"index": {delta.index}, "text": {encode_basestring(delta.text)}, '
            f'"logprobs": {logprobs}, "finish_reason": {json.dumps(delta.finish)}}}]{self._tail}'
        ).encode()

    def usage(self, usage: Usage) -> bytes:
        """Return the event of what it took."""
        return f'{self._head}[], "usage": {json.dumps(usage_of(usage))}}}\n\n'.encode()


def _chat_logprobs(logprobs: Sequence[TokenLogprob]) -> dict[str, Any] | None:
    if not logprobs:
        return None
    content = [_token(item) | {"top_logprobs": [_token(other) for other in item.top]} for item in logprobs]
    return {"content": content, "refusal": None}


def _token(item: TokenLogprob) -> dict[str, Any]:
    return {"token": item.token, "logprob": item.logprob, "bytes": list(item.bytes) or None}


def _characters(item: TokenLogprob) -> int:
    """Return how many characters begin in a token."""
    return sum(byte & 0xC0 != 0x80 for byte in item.bytes or item.token.encode())


def _completion_logprobs(logprobs: Sequence[TokenLogprob], offset: int) -> dict[str, Any] | None:
    if not logprobs:
        return None
    offsets = []
    for item in logprobs:
        offsets.append(offset)
        offset += _characters(item)
    return {
        "tokens": [item.token for item in logprobs],
        "token_logprobs": [item.logprob for item in logprobs],
        "top_logprobs": [{other.token: other.logprob for other in item.top} for item in logprobs],
        "text_offset": offsets,
    }
