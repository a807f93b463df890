"""llama.cpp by `xllamacpp`: GGUF files, on a CPU or a GPU, with continuous batching.

llama.cpp's server runs in this process and decodes all answers together. A call of it blocks its thread and
passes each token to a callback in that thread. So every request that is being answered has a thread. The
event loop takes what the threads pass on in batches: one wake-up may bring many tokens.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from tts_app.engines.llamacpp.reuse import PromptReuse
from tts_app.engines.llamacpp.server import LlamaCppServer, start_server
from tts_app.engines.openai_wire import body_of, chat_logprobs, delta_of
from tts_app.engines.slots import Slots
from tts_app.engines.text import (
    ContextLengthError,
    Delta,
    EngineError,
    EngineStoppedError,
    Finish,
    TextCapabilities,
    TextLoad,
    TextRequest,
    TokenLogprob,
    UnreadableAnswerError,
    Usage,
    check_request,
)

MAX_LOGPROBS = 20
_SEEDS = 2**32 - 1
"""Number of seeds: the greatest number of 32 bits means a random seed."""
_UNREADABLE = "The model produced output that does not match the expected"
"""The beginning of llama.cpp's error about a fault of the model, not of llama.cpp."""
_CLOSED = "The engine is closed."


class LlamaCppEngine:
    """The `llamacpp` TextEngine."""

    def __init__(self, started: LlamaCppServer, slots: int) -> None:
        self._parameters = started.parameters
        self._server: Any = started.server
        self._slots = Slots(slots)
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="llamacpp")
        self._running: set[_Answer] = set()
        self._reuse = PromptReuse()
        self._capabilities = TextCapabilities(
            context_length=started.context_length,
            slots=slots,
            chat=started.chat,
            logprobs=MAX_LOGPROBS,
            json=True,
            tools=started.tools,
        )

    @classmethod
    def load(
        cls, files: Path, quantization: str, context_length: int, slots: int, parameters: Mapping[str, Any]
    ) -> Self:
        """Load the GGUF file that `files` is or holds. `parameters`: see LlamaCppParameters.

        Raises:
            EngineError: the file is missing or damaged, or a parameter is unknown or out of range.
        """
        if quantization != "none":
            raise EngineError(
                f"A GGUF file has its own compression: quantization is none, not {quantization}."
            )
        return cls(start_server(files, context_length, slots, parameters), slots)

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """Return the pattern of a hub repository's GGUF files; several models in one are refused."""
        return ["*.gguf"]

    @property
    def capabilities(self) -> TextCapabilities:
        """What this engine can do with this model."""
        return self._capabilities

    @property
    def load_now(self) -> TextLoad:
        """How busy it is. Only running answers count as use of the cache; what idle slots keep is free."""
        held = sum(answer.cached_tokens for answer in self._running)
        return self._slots.load(held, self._capabilities.context_length)

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        """Write; closing the generator stops the writing at the next token, or the next batch of a prompt.

        With `logprobs`, a piece of text made of several tokens has one entry: that of its last token.

        Raises:
            ContextLengthError: the prompt is longer than the context.
            EngineError: the request asks for what the model cannot do.
            UnreadableAnswerError: the model wrote a malformed tool call.
            EngineStoppedError: the engine was closed, or broke.
        """
        body = self._body(request)
        answer = _Answer(request)
        body["cache_prompt"] = await self._reuse.enter(answer, request.tenant)
        try:
            await self._slots.take(request.n)
        except BaseException:
            self._reuse.begun(answer)
            raise
        if self._server is None:
            self._slots.give(request.n)
            raise EngineStoppedError(_CLOSED)
        handle = (
            self._server.handle_completions
            if request.messages is None
            else self._server.handle_chat_completions
        )
        call = asyncio.get_running_loop().run_in_executor(self._threads, answer.run, handle, body)
        self._running.add(answer)
        call.add_done_callback(lambda _: self._end(answer, request.n))
        try:
            while not answer.ended:
                await answer.changed()
                self._reuse.begun(answer)
                for delta in answer.take():
                    yield delta
        finally:
            answer.stopped = True

    @property
    def broken(self) -> str | None:
        """Why it cannot write any more. None here: llama.cpp reports this only in its answers."""
        return None

    def close(self) -> None:
        """Stop all running answers and release the model. Blocks until the next token. Idempotent."""
        for answer in self._running:
            answer.stopped = answer.cut_off = True
        self._slots.refuse(EngineStoppedError(_CLOSED))
        self._threads.shutdown()
        self._server = None

    def _end(self, answer: "_Answer", slots: int) -> None:
        self._running.discard(answer)
        self._reuse.begun(answer)
        self._slots.give(slots)
        answer.wake()

    def _body(self, request: TextRequest) -> dict[str, Any]:
        """Return the request in the form of llama.cpp's server."""
        self._check(request)
        body = body_of(request) | {
            "timings_per_token": True,  # the only place with the number of a chunk's tokens
            "return_progress": True,  # else no chunk comes, and no caller can cancel, while a prompt is read
            "top_k": self._parameters.top_k,
            "min_p": self._parameters.min_p,
        }
        if request.seed is not None:
            body["seed"] = request.seed % _SEEDS
        if request.logprobs is not None:
            name = "logprobs" if request.messages is None else "top_logprobs"
            body[name] = max(1, request.logprobs)
        if request.messages is None and request.schema is not None:
            del body["response_format"]
            body["json_schema"] = dict(request.schema) or {"type": "object"}
        if isinstance(request.tool_choice, Mapping):
            body |= _only_tool(request.tools, request.tool_choice["function"]["name"])
        try:
            json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise EngineError(f"The text is not valid Unicode: {error.reason}.") from None
        except (TypeError, ValueError) as error:
            raise EngineError(f"The request cannot be written as JSON: {error}.") from error
        return body

    def _check(self, request: TextRequest) -> None:
        check_request(request, self._capabilities)
        if request.tools and request.messages is None:
            raise EngineError("Tools are for messages, not for a prompt.")
        if request.tools and not self._capabilities.tools:
            raise EngineError("This model's chat template has no place for tools.")
        if request.tools and request.logprobs is not None:
            raise EngineError(
                "The engine llamacpp gives no probabilities together with tools: leave one of the two out."
            )
        for pattern in _patterns(request.schema or {}):
            if not (pattern.startswith("^") and pattern.endswith("$")):
                raise EngineError(
                    f"The engine llamacpp holds whole strings to a pattern, from ^ to $, and not {pattern!r}."
                )


def _only_tool(tools: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Return the choice of one tool by name. llama.cpp has none: the request gets this tool alone."""
    return {
        "tools": [dict(tool) for tool in tools if tool["function"]["name"] == name],
        "tool_choice": "required",
    }


def _patterns(schema: object) -> Iterator[str]:
    """Yield the patterns of a JSON schema and of those in it; llama.cpp drops some silently."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key == "pattern" and isinstance(value, str):
                yield value
            else:
                yield from _patterns(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            yield from _patterns(value)


class _Answer:
    """One call of the server. Chunks come in its thread; `changed` and `take` belong to the event loop."""

    def __init__(self, request: TextRequest) -> None:
        self.stopped = False
        """The caller wants no more of it."""
        self.cut_off = False
        """The engine is closing while it runs."""
        self.ended = False
        """Everything was taken."""
        self._loop = asyncio.get_running_loop()
        self._alternatives = request.logprobs
        self._chunks: deque[Mapping[str, Any]] = deque()
        self._waking = False
        self._awake = asyncio.Event()
        self._returned = False
        self._prompt = 0
        self._cached: int | None = None
        self._tokens = [0] * request.n
        self._stops = bool(request.stop)
        self._held: dict[int, tuple[int, tuple[TokenLogprob, ...]]] = {}
        """For each answer: how many tokens it had, and the probabilities of the last ones."""

    @property
    def cached_tokens(self) -> int:
        """Tokens that it holds in the cache of keys and values."""
        return self._prompt + sum(self._tokens)

    def run(self, handle: Callable[..., None], body: Mapping[str, Any]) -> None:
        """Call the server, in a thread. Exceptions are passed on like the server's own errors."""
        try:
            if not self.stopped:
                handle(body, self._receive)
        except (RuntimeError, ValueError, TypeError) as error:
            self._chunks.append({"error": {"message": str(error), "code": 400}})

    def _receive(self, chunk: Mapping[str, Any]) -> bool:
        """Take a chunk in the server's thread; return whether to stop."""
        self._chunks.append(chunk)
        if not (self._waking or self.stopped):
            self._waking = True
            self._loop.call_soon_threadsafe(self._wake_up)
        return self.stopped

    def _wake_up(self) -> None:
        self._waking = False
        self._awake.set()

    def wake(self) -> None:
        """Signal that the call has returned."""
        self._returned = True
        self._awake.set()

    async def changed(self) -> None:
        """Wait until there is something to take."""
        await self._awake.wait()
        self._awake.clear()

    def take(self) -> Iterator[Delta]:
        """Yield what was written since the last time: at most one delta per answer, and the usage at the end.

        Raises:
            EngineError: the server refused the request, the model's tool call is malformed, or the engine was
                closed.
        """
        if self.cut_off:
            raise EngineStoppedError(_CLOSED)
        returned = self._returned  # read before the chunks: later chunks belong to the next call
        deltas: dict[int, Delta] = {}
        while self._chunks:
            chunk = self._chunks.popleft()
            if "error" in chunk:
                raise _error(chunk["error"])
            if "prompt_progress" in chunk:
                self._prompt = chunk["prompt_progress"]["processed"]
                continue
            for choice in chunk["choices"]:
                index = choice.get("index", 0)
                delta = self._delta(index, choice, chunk.get("timings"))
                deltas[index] = Delta.joined([deltas[index], delta]) if index in deltas else delta
        yield from (delta for delta in deltas.values() if delta != Delta(index=delta.index))
        if returned:
            self.ended = True
            if self._cached is None:
                raise EngineStoppedError("llama.cpp stopped without an answer.")
            yield Delta(usage=Usage(self._prompt, sum(self._tokens), self._cached))

    def _delta(self, index: int, choice: Mapping[str, Any], timings: Mapping[str, Any] | None) -> Delta:
        before = self._tokens[index]
        if timings is not None:
            self._tokens[index] = timings["predicted_n"]
            self._prompt = timings["cache_n"] + timings["prompt_n"]
            cached = timings["cache_n"]
            self._cached = cached if self._cached is None else min(self._cached, cached)
        delta = delta_of(choice, self._tokens[index] - before)
        return replace(delta, logprobs=self._reportable(index, self._logprobs(choice), delta.finish))

    def _reportable(
        self, index: int, logprobs: tuple[TokenLogprob, ...], finish: Finish | None
    ) -> tuple[TokenLogprob, ...]:
        """Return what can be reported now: never a token that completes a stop string, nor a part of one.

        Where the answer ends and no further token came, the last token completed a stop string.
        """
        if not self._stops:
            return logprobs
        at, held = self._held.get(index, (0, ()))
        self._held[index] = self._tokens[index], logprobs
        if finish is None:
            return held
        return logprobs if finish == "stop" and at == self._tokens[index] else held + logprobs

    def _logprobs(self, choice: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
        if self._alternatives is None:
            return ()
        found = chat_logprobs(choice.get("logprobs") or {}, self._alternatives)
        return tuple(token for token in found if token.token)  # else its text is held back, or it has none


def _error(error: Mapping[str, Any]) -> EngineError:
    """Return the server's error as an exception for our callers."""
    if error.get("type") == "exceed_context_size_error":
        return ContextLengthError(
            f"The prompt takes {error['n_prompt_tokens']} tokens, and this model's context has only "
            f"{error['n_ctx']}, the answer included. Shorten it."
        )
    message = str(error.get("message", error))
    if message.startswith(_UNREADABLE):
        return UnreadableAnswerError(
            f"The model wrote what cannot be read, such as a broken call of a tool: {message}. Ask again."
        )
    if error.get("code", 500) >= 500:
        return EngineStoppedError(f"llama.cpp failed: {message}.")
    return EngineError(f"llama.cpp refuses the request: {message.rstrip('.')}.")
