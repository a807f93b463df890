"""What every text engine offers: the Protocol that the rest of the app knows language models by."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from tts_app.engines.base import EngineError

Finish = Literal["stop", "length", "tool_calls"]
"""Why an answer ended: by itself or at a stop string, at its limit of tokens, or to have tools called."""


@dataclass(frozen=True, slots=True)
class TextCapabilities:
    """What an engine can do, so that callers ask it for nothing else."""

    context_length: int
    """Tokens that a prompt and its answer may have together."""
    slots: int
    """Answers that it writes at a time; more wait in it."""
    chat: bool = True
    """Whether the model has a chat template: without one it continues prompts only."""
    logprobs: int = 0
    """Most alternatives a token that it tells the probability of."""
    json: bool = False
    """Whether it can be held to JSON, and to a JSON schema."""
    tools: bool = False


@dataclass(frozen=True, slots=True)
class TextRequest:
    """What is to be written: an answer to `messages`, or how `prompt` goes on. Exactly one is given."""

    messages: tuple[Mapping[str, Any], ...] | None = None
    """As OpenAI's chat API has them: role, content, tool calls."""
    prompt: str | None = None
    max_tokens: int | None = None
    """Of each answer; up to the end of the context, without it."""
    temperature: float = 1.0
    """0: the most probable token each time."""
    top_p: float = 1.0
    seed: int | None = None
    """The same seed gives the same answer, on the same engine and with nothing else to write beside it."""
    stop: tuple[str, ...] = ()
    """Strings that end an answer and are not part of it."""
    n: int = 1
    """Answers wanted."""
    logprobs: int | None = None
    """Alternatives a token whose probabilities are told; None tells none, 0 the chosen token's."""
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    schema: Mapping[str, Any] | None = None
    """JSON schema that the answer keeps to; an empty one is any JSON object."""
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str | Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token, its natural logarithm of probability, and those that it was chosen among."""

    token: str
    logprob: float
    bytes: tuple[int, ...] = ()
    top: tuple["TokenLogprob", ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a request took."""

    prompt: int
    completion: int
    """Of all answers together."""
    cached: int = 0
    """Tokens of the prompt that did not have to be read again."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What was written of one answer since the last delta; never cut inside a character."""

    index: int = 0
    """Which of the answers."""
    text: str = ""
    reasoning: str = ""
    """What a model that thinks before it answers thought; not part of the answer, though its tokens count."""
    tokens: int = 0
    """How many tokens it is."""
    logprobs: tuple[TokenLogprob, ...] = ()
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    """As OpenAI's deltas have them."""
    finish: Finish | None = None
    """With the last delta of an answer."""
    usage: Usage | None = None
    """With the very last delta."""

    @classmethod
    def joined(cls, parts: Sequence["Delta"]) -> "Delta":
        """Return deltas of one answer, in order, as one; there is at least one."""
        return cls(
            index=parts[0].index,
            text="".join([part.text for part in parts]),
            reasoning="".join([part.reasoning for part in parts]),
            tokens=sum(part.tokens for part in parts),
            logprobs=tuple(item for part in parts for item in part.logprobs),
            tool_calls=tuple(item for part in parts for item in part.tool_calls),
            finish=next((part.finish for part in parts if part.finish), None),
            usage=next((part.usage for part in parts if part.usage), None),
        )


@dataclass(frozen=True, slots=True)
class TextLoad:
    """How busy an engine is."""

    running: int
    waiting: int
    cache: float
    """Share of the key-value cache in use, 0 to 1."""


class ContextLengthError(EngineError):
    """A prompt, or a prompt and its answer, is longer than the context."""


class UnreadableAnswerError(EngineError):
    """The model wrote what the engine cannot read, such as a broken call of a tool. Another try may do."""


class EngineStoppedError(EngineError):
    """The engine was closed, or broke, while it wrote: not the request's fault."""


def check_request(request: TextRequest, capabilities: TextCapabilities) -> None:
    """Check what every engine wants of a request.

    Raises:
        EngineError: the request contradicts itself, or asks for what the model cannot do.
    """
    if (request.messages is None) == (request.prompt is None):
        raise EngineError("A request has either messages or a prompt.")
    if request.messages is not None and not capabilities.chat:
        raise EngineError(
            "This model has no chat template: it continues a prompt, and cannot answer messages. "
            "Give it a prompt, or a template by its parameter chat_template."
        )
    if not (request.messages or request.prompt):
        raise EngineError("There is nothing to answer: the messages, or the prompt, are empty.")
    if request.max_tokens is not None and request.max_tokens < 1:
        raise EngineError(f"max_tokens must be at least 1, not {request.max_tokens}.")
    if request.n < 1:
        raise EngineError(f"n must be at least 1, not {request.n}.")
    if request.logprobs is not None and not 0 <= request.logprobs <= capabilities.logprobs:
        raise EngineError(f"logprobs must be from 0 to {capabilities.logprobs}, not {request.logprobs}.")


class Writer(Protocol):
    """What writes: a TextEngine of this process, or a model that is reached through an API."""

    @property
    def capabilities(self) -> TextCapabilities:
        """What it can do."""
        ...

    def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        """Write; closing the generator stops the writing. Raises ContextLengthError, EngineError."""
        ...


class TextEngine(Protocol):
    """An adapter of one family of language models. For one event loop; `generate` runs many at a time."""

    @classmethod
    def load(
        cls, files: Path, quantization: str, context_length: int, slots: int, parameters: Mapping[str, Any]
    ) -> Self:
        """Load the model from the folder or file `files`, to write `slots` answers at a time. Blocking.

        Each of the answers may have `context_length` tokens together with its prompt.

        Raises:
            EngineError: a file is missing or damaged, or a parameter is not one of the engine's.
        """
        ...

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """Return the patterns of the files that the engine needs of a hub repository."""
        ...

    @property
    def capabilities(self) -> TextCapabilities:
        """What this engine can do."""
        ...

    def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        """Write; closing the generator stops the writing at once.

        Raises:
            ContextLengthError: the prompt is longer than the context.
            EngineError: the request asks for what the engine cannot do.
            UnreadableAnswerError: the model wrote what the engine cannot read.
            EngineStoppedError: the engine was closed, or broke.
        """
        ...

    @property
    def load_now(self) -> TextLoad | None:
        """How busy it is; None where it publishes that itself, and all else that telemetry.text does."""
        ...

    @property
    def broken(self) -> str | None:
        """Why it cannot write any more and has to be loaded anew; None as long as it may write."""
        ...

    def close(self) -> None:
        """Release the model; what is being written ends with EngineError. Idempotent."""
        ...


__all__ = [
    "ContextLengthError",
    "Delta",
    "EngineError",
    "EngineStoppedError",
    "TextCapabilities",
    "TextEngine",
    "TextLoad",
    "TextRequest",
    "TokenLogprob",
    "UnreadableAnswerError",
    "Usage",
]
