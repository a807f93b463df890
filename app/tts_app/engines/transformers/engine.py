"""Language models by torch and Hugging Face transformers: safetensors or GGUF, on a CPU or GPUs.

Answers that need nothing special are decoded together by the continuous batching of transformers. It has
no seed, grammar, penalty or alternatives per answer: a request with one of these gets its own `generate()`.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

import jinja2

from tts_app.engines.slots import Slots
from tts_app.engines.text import (
    ContextLengthError,
    Delta,
    EngineError,
    EngineStoppedError,
    TextCapabilities,
    TextLoad,
    TextRequest,
    Usage,
    check_request,
)
from tts_app.engines.transformers.answer import Answer
from tts_app.engines.transformers.choice import MAX_LOGPROBS, Grammars
from tts_app.engines.transformers.model import LoadedModel, load_model
from tts_app.engines.transformers.writing import (
    Stop,
    Task,
    TokenBatch,
    batch_name,
    broken,
    can_batch,
    is_plain,
    start_batching,
    write_alone,
    write_in_batch,
)

_CLOSED = "The engine is closed."


class TransformersEngine:
    """The `transformers` TextEngine."""

    def __init__(self, loaded: LoadedModel, context_length: int, slots: int) -> None:
        self._loaded: LoadedModel | None = loaded
        self._capabilities = TextCapabilities(
            context_length=context_length,
            slots=slots,
            chat=loaded.tokenizer.chat_template is not None,
            logprobs=MAX_LOGPROBS,
            json=True,
        )
        self._slots = Slots(slots)
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="transformers")
        self._batch = start_batching(loaded, context_length, slots) if can_batch(loaded) else None
        self._names = itertools.count()
        self._running: set[_Writing] = set()

    @classmethod
    def load(
        cls, files: Path, quantization: str, context_length: int, slots: int, parameters: Mapping[str, Any]
    ) -> Self:
        """Load the safetensors folder or GGUF file `files`. `parameters`: see TransformersParameters.

        Raises:
            EngineError: a file is missing or damaged, the files' quantization is another one or cannot run
                here, or a parameter is unknown or out of range.
        """
        return cls(load_model(files, quantization, context_length, parameters), context_length, slots)

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """Return the patterns of a hub repository's files: weights without code, and the tokeniser."""
        return ["*.json", "*.safetensors", "*.jinja", "tokenizer.model"]

    @property
    def capabilities(self) -> TextCapabilities:
        """What this engine can do with this model. It cannot call tools."""
        return self._capabilities

    @property
    def load_now(self) -> TextLoad:
        """How busy it is. Of the cache, what running answers hold counts."""
        held = sum(writing.cached_tokens for writing in self._running)
        return self._slots.load(held, self._capabilities.context_length)

    @property
    def broken(self) -> str | None:
        """Why it cannot write any more: the error that ended the thread of continuous batching."""
        return None if self._batch is None else broken(self._batch)

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        """Write; closing the generator stops the writing at the next token.

        `Usage.cached` is 0: transformers does not report what it took from its cache.

        Raises:
            ContextLengthError: the prompt is longer than the context.
            EngineError: the request asks for what the model cannot do.
            EngineStoppedError: the engine was closed, or broke.
        """
        task = await asyncio.to_thread(self._prepare, self._open(), request)
        await self._slots.take(request.n)
        started = 0
        try:
            writing = _Writing(task, self._open())
            self._running.add(writing)
            try:
                for index in range(request.n):
                    writing.stops[index] = self._start(writing, index)
                    started += 1
                async for delta in writing.deltas():
                    yield delta
            finally:
                writing.stop()
                self._running.discard(writing)
        finally:
            self._slots.give(request.n - started)  # each started answer gives its own slot back

    def close(self) -> None:
        """Stop all running answers and release the model. Blocks until the next token. Idempotent."""
        if self._loaded is None:
            return
        self._loaded = None
        self._slots.refuse(EngineStoppedError(_CLOSED))
        for writing in self._running:
            writing.fail(_CLOSED)
        self._threads.shutdown()
        if self._batch is not None:
            self._batch.stop(hard_stop=True)
            self._batch = None

    def _open(self) -> LoadedModel:
        if self._loaded is None:
            raise EngineStoppedError(_CLOSED)
        return self._loaded

    def _start(self, writing: "_Writing", index: int) -> Stop:
        loaded, task, done = self._open(), writing.task, partial(self._slots.give, 1)
        if self._batch is None or not is_plain(task.request):
            return write_alone(self._threads, loaded, task, index, writing.put, done)
        name = batch_name(task.request, next(self._names))
        return write_in_batch(self._batch, name, loaded, task, index, writing.put, done)

    def _prepare(self, loaded: LoadedModel, request: TextRequest) -> Task:
        """Check the request and read its prompt. Blocking."""
        self._check(request)
        chat = request.messages is not None
        text = _render(loaded.tokenizer, request.messages) if request.messages is not None else request.prompt
        try:
            prompt = loaded.tokenizer.backend_tokenizer.encode(text, add_special_tokens=not chat).ids
        except (TypeError, UnicodeEncodeError) as error:
            raise EngineError(f"The text is not valid Unicode: {error}.") from error
        left = self._capabilities.context_length - len(prompt)
        if left <= 0:
            raise ContextLengthError(
                f"The prompt takes {len(prompt)} tokens, and this model's context has only "
                f"{self._capabilities.context_length}, the answer included. Shorten it."
            )
        schema = request.schema
        grammars = [] if schema is None else [self._grammars.processor(schema) for _ in range(request.n)]
        return Task(request, prompt, min(request.max_tokens or left, left), grammars)

    @cached_property
    def _grammars(self) -> Grammars:
        loaded = self._open()
        return Grammars(loaded.tokenizer, loaded.model.config.get_text_config().vocab_size)

    def _check(self, request: TextRequest) -> None:
        check_request(request, self._capabilities)
        if request.tools:
            raise EngineError("The engine transformers cannot call tools; llamacpp and vllm can.")


def _render(tokenizer: Any, messages: Sequence[Mapping[str, Any]]) -> str:
    try:
        rendered: str = tokenizer.apply_chat_template(
            [{**message, "content": _text(message)} for message in messages],
            tokenize=False,
            add_generation_prompt=True,
        )
    except (jinja2.TemplateError, TypeError, KeyError) as error:
        raise EngineError(f"The model's chat template refuses the messages: {error}.") from error
    return rendered


def _text(message: Mapping[str, Any]) -> str:
    """Return the text of a message; its content may be in parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content or []
    if other := [part.get("type") for part in parts if part.get("type") != "text"]:
        raise EngineError(f"This engine reads text only: a message has a part of type {other[0]}.")
    return "".join(part["text"] for part in parts)


class _Writing:
    """The answers of one request, in the event loop."""

    def __init__(self, task: Task, loaded: LoadedModel) -> None:
        self.task = task
        self.stops: dict[int, Stop] = {}
        """For each started answer, the function that stops it."""
        tokenizer, request = loaded.tokenizer.backend_tokenizer, task.request
        self._answers = [
            Answer(index, tokenizer, loaded.ends, request.stop, task.prompt) for index in range(request.n)
        ]
        self._news: asyncio.Queue[TokenBatch] = asyncio.Queue()

    @property
    def cached_tokens(self) -> int:
        """Tokens that it holds in the cache of keys and values."""
        return sum(len(self.task.prompt) + answer.tokens for answer in self._answers if answer.finish is None)

    def put(self, news: TokenBatch) -> None:
        """Take what was written."""
        self._news.put_nowait(news)

    def fail(self, error: str) -> None:
        """End it with an error."""
        self.stop()
        self.put(TokenBatch(0, error=error))

    def stop(self) -> None:
        """Stop all answers."""
        for stop in self.stops.values():
            stop()

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """Yield what is written until all answers have ended, then their usage."""
        while any(answer.finish is None for answer in self._answers):
            for delta in self._read(await self._news.get()):
                yield delta
        yield Delta(usage=Usage(len(self.task.prompt), sum(answer.tokens for answer in self._answers)))

    def _read(self, first: TokenBatch) -> Iterator[Delta]:
        """Yield everything that is new, joined into one delta per answer."""
        news = [first]
        while not self._news.empty():
            news.append(self._news.get_nowait())
        for answer in self._answers:
            own = [item for item in news if item.index == answer.index]
            if failed := [item.error for item in own if item.error is not None]:
                raise EngineStoppedError(failed[0])
            tokens = [token for item in own for token in item.tokens]
            logprobs = [logprob for item in own for logprob in item.logprobs]
            delta = answer.take(tokens, any(item.ended for item in own), logprobs)
            if delta is not None:
                yield delta
            if answer.finish is not None:
                self.stops[answer.index]()
