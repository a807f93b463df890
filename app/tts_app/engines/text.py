"""What every text engine offers: the Protocol through which the rest of the app uses language models."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from tts_app.engines.base import EngineError

Finish = Literal["stop", "length", "tool_calls"]
"""Why an answer ended: by itself or at a stop string, at its limit of tokens, or with tool calls."""


@dataclass(frozen=True, slots=True)
class TextCapabilities:
    """What an engine can do, so that callers request nothing else."""

    context_length: int
    """Tokens that a prompt and its answer may have together."""
    slots: int
    """Answers that it writes at a time; others wait in its queue."""
    chat: bool = True
    """Whether the model has a chat template: without one it continues prompts only."""
    logprobs: int = 0
    """Most alternatives per token whose probability it reports."""
    json: bool = False
    """Whether it can make an answer follow JSON, and a JSON schema."""
    tools: bool = False


@dataclass(frozen=True, slots=True)
class TextRequest:
    """What to write: an answer to `messages`, or a continuation of `prompt`. Exactly one is given."""

    messages: tuple[Mapping[str, Any], ...] | None = None
    """As OpenAI's chat API has them: role, content, tool calls."""
    prompt: str | None = None
    max_tokens: int | None = None
    """Most tokens of each answer; None: up to the end of the context."""
    temperature: float = 1.0
    """0 chooses the most probable token each time."""
    top_p: float = 1.0
    seed: int | None = None
    """The same seed gives the same answer on the same engine if it writes nothing else at the time."""
    stop: tuple[str, ...] = ()
    """Strings that end an answer and are not part of it."""
    n: int = 1
    """Number of answers."""
    logprobs: int | None = None
    """Alternatives per token whose probabilities to report; None reports none, 0 only the chosen token's."""
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    schema: Mapping[str, Any] | None = None
    """JSON schema that the answer follows; an empty one means any JSON object."""
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    tenant: str | None = None
    """Whose it is: nothing that an engine kept of one tenant's requests serves another's. None: nobody's in
    particular, as in a program for one user."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token, the natural logarithm of its probability, and the tokens that it was chosen from."""

    token: str
    logprob: float
    bytes: tuple[int, ...] = ()
    top: tuple["TokenLogprob", ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a request used."""

    prompt: int
    completion: int
    """Of all answers together."""
    cached: int = 0
    """Tokens of the prompt that were in the cache."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What was written of one answer since the last delta; never cut inside a character."""

    index: int = 0
    """Number of the answer, from 0."""
    text: str = ""
    reasoning: str = ""
    """The reasoning of a model before it answers: not part of the answer, though its tokens count."""
    tokens: int = 0
    """Number of its tokens."""
    logprobs: tuple[TokenLogprob, ...] = ()
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    """In the form of OpenAI's deltas."""
    finish: Finish | None = None
    """Set in the last delta of an answer."""
    usage: Usage | None = None
    """Set in the last delta of the request."""

    @classmethod
    def joined(cls, parts: Sequence["Delta"]) -> "Delta":
        """Return deltas of one answer, in order and at least one, as one delta."""
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
    """The engine cannot read what the model wrote, such as a malformed tool call. A retry may succeed."""


class EngineStoppedError(EngineError):
    """The engine was closed, or broke, while it wrote; the request is not the cause."""


def check_request(request: TextRequest, capabilities: TextCapabilities) -> None:
    """Check what every engine requires of a request.

    Raises:
        EngineError: the request contradicts itself, or needs what the model cannot do.
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
    """What writes text: a TextEngine of this process, or a model behind an API."""

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
        """How busy it is; None where the engine itself publishes this and the rest of telemetry.text."""
        ...

    @property
    def broken(self) -> str | None:
        """Why it cannot write any more and must be loaded again; None while it can write."""
        ...

    def close(self) -> None:
        """Release the model; running answers end with EngineError. Idempotent."""
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
