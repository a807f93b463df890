"""What requests for text hold: those of OpenAI's fields that an engine here can honor."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tts_app.api.requests import Forgiving, Strict, without_nulls
from tts_app.api.schemas import Text, VoiceName, Word
from tts_app.engines.text import TextRequest

Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=1, le=1 << 20)]
Stop = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
MOST_ANSWERS = 16


def _joined_parts(value: object) -> object:
    """Join a message's content that comes in parts, as OpenAI's clients may send it, into one text."""
    if not isinstance(value, list):
        return value
    texts = []
    for part in value:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text" or not isinstance(part.get("text"), str):
            raise ValueError('a part must be {"type": "text", "text": "..."}: models here read text only')
        texts.append(part["text"])
    return "\n".join(texts)


def _tool_choice(value: Any) -> Any:
    named = isinstance(value, dict) and set(value) == {"type", "function"} and value["type"] == "function"
    function = value["function"] if named else None
    if value in ("none", "auto", "required") or (
        isinstance(function, dict) and set(function) == {"name"} and isinstance(function["name"], str)
    ):
        return value
    raise ValueError(
        'it must be "none", "auto", "required" or {"type": "function", "function": {"name": "..."}}'
    )


def _wrong(param: str, reason: str) -> PydanticCustomError:
    """Return the error of a parameter that does not go with another one."""
    return PydanticCustomError("value_error", "{reason}", {"param": param, "reason": reason})


def _stops(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _one_prompt(value: object) -> object:
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], str):
            return value[0]
        raise ValueError("it must be one text: several prompts, or tokens, are not taken")
    return value


ToolChoice = Annotated[
    Any, AfterValidator(_tool_choice), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]})
]
Content = Annotated[Text, BeforeValidator(_joined_parts), WithJsonSchema({"type": "string"})]
Stops = Annotated[list[Stop], Field(max_length=4), BeforeValidator(_stops)]


class FunctionCall(Strict):
    """A function that the model wants called."""

    name: Word
    arguments: Text


class ToolCall(Strict):
    """A call of a tool, of an earlier answer."""

    id: Word
    type: Literal["function"] = "function"
    function: FunctionCall


class Message(Strict):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content | None = None
    name: Word | None = None
    refusal: Text | None = None
    reasoning_content: Text | None = None
    """What the model thought before this answer of its own."""
    tool_calls: list[ToolCall] | None = None
    tool_call_id: Word | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Message":
        if self.content is None and not self.tool_calls:
            raise _wrong("content", f"a message of role {self.role!r} needs `content`")
        if self.reasoning_content is not None and self.role != "assistant":
            raise _wrong("reasoning_content", "`reasoning_content` goes with the role 'assistant' only")
        return self

    def written(self) -> dict[str, Any]:
        """Return the message in the form that chat templates know."""
        message = self.model_dump(exclude_none=True, exclude={"refusal"})
        if self.role == "developer":
            message["role"] = "system"
        return message


class Function(Strict):
    """A function that the model may want called."""

    name: Word
    description: Text | None = None
    parameters: Annotated[dict[str, Any], Field(default_factory=dict)]
    strict: bool | None = None


class Tool(Strict):
    """A tool that the model may want used."""

    type: Literal["function"]
    function: Function


class NamedSchema(Strict):
    """A JSON schema."""

    name: Word
    description: Text | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema", default_factory=dict)]
    strict: bool | None = None


class ResponseFormat(Strict):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None

    @model_validator(mode="after")
    def _schema_where_it_belongs(self) -> "ResponseFormat":
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise _wrong("json_schema", "`json_schema` goes with the type json_schema, and only with it")
        return self

    @property
    def schema_asked(self) -> dict[str, Any] | None:
        """The schema that the answer must keep to: empty for any object."""
        if self.type == "text":
            return None
        return {} if self.json_schema is None else self.json_schema.schema_


class StreamOptions(Strict):
    """What a stream has beside the text."""

    include_usage: bool = False
    include_obfuscation: Annotated[Literal[False], Field(description="Nothing is padded here.")] = False


class AudioOptions(Strict):
    """How the answer is spoken."""

    voice: VoiceName
    format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm16"]


class TextBase(Forgiving):
    """What both ways to ask for text have in common."""

    model: Annotated[Word, Field(description="A model of `/v1/models` that has the capability `text`.")]
    max_tokens: Tokens | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    stop: Stops | None = None
    n: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] = 1
    frequency_penalty: Penalty = 0.0
    presence_penalty: Penalty = 0.0
    stream: bool = False
    stream_options: StreamOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, fields: Any) -> Any:
        return without_nulls(fields)

    @model_validator(mode="after")
    def _options_of_a_stream(self) -> "TextBase":
        if self.stream_options is not None and not self.stream:
            raise _wrong("stream_options", "`stream_options` goes with `stream: true` only")
        return self

    @property
    def with_usage(self) -> bool:
        """Whether the stream ends with what it took."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatRequest(TextBase):
    """OpenAI's request for the next message of a conversation."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=10_000)]
    max_completion_tokens: Tokens | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(max_length=128, default_factory=list)]
    tool_choice: ToolChoice = None
    modalities: Annotated[
        list[Literal["text", "audio"]], Field(min_length=1, default_factory=lambda: ["text"])
    ]
    audio: AudioOptions | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> "ChatRequest":
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise _wrong("max_tokens", "give one of `max_tokens` and `max_completion_tokens`")
        if self.top_logprobs is not None and not self.logprobs:
            raise _wrong("top_logprobs", "`top_logprobs` goes with `logprobs: true` only")
        if self.tool_choice is not None and not self.tools:
            raise _wrong("tool_choice", "`tool_choice` goes with `tools` only")
        if isinstance(self.tool_choice, dict):
            chosen, known = self.tool_choice["function"]["name"], [tool.function.name for tool in self.tools]
            if chosen not in known:
                raise _wrong("tool_choice", f"{chosen[:60]!r} is none of `tools`: {', '.join(known)[:200]}")
        if "text" not in self.modalities:
            raise _wrong("modalities", '`modalities` must be ["text"] or ["text", "audio"]')
        if self.speaks != (self.audio is not None):
            raise _wrong("audio", '`audio` goes with `modalities: ["text", "audio"]`, and only with it')
        if self.speaks and (self.n > 1 or self.logprobs or self.schema_asked is not None):
            raise _wrong(
                "modalities",
                "a spoken answer is one: without `n`, `logprobs` and a `response_format` of JSON",
            )
        return self

    @property
    def speaks(self) -> bool:
        """Whether the answer is to be spoken too."""
        return "audio" in self.modalities

    @property
    def schema_asked(self) -> dict[str, Any] | None:
        """The JSON schema that the answer must keep to."""
        return None if self.response_format is None else self.response_format.schema_asked

    @property
    def engine_request(self) -> TextRequest:
        """What the engine is asked."""
        return TextRequest(
            messages=tuple(message.written() for message in self.messages),
            max_tokens=self.max_tokens or self.max_completion_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            stop=tuple(self.stop or ()),
            n=self.n,
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            schema=self.schema_asked,
            tools=tuple(tool.model_dump(exclude_none=True) for tool in self.tools),
            tool_choice=self.tool_choice,
        )


class CompletionRequest(TextBase):
    """OpenAI's older request: how a text goes on."""

    prompt: Annotated[
        Text,
        StringConstraints(min_length=1),
        BeforeValidator(_one_prompt),
        WithJsonSchema({"type": "string"}),
    ]
    max_tokens: Tokens | None = 16
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None

    @property
    def engine_request(self) -> TextRequest:
        """What the engine is asked."""
        return TextRequest(
            prompt=self.prompt,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            stop=tuple(self.stop or ()),
            n=self.n,
            logprobs=self.logprobs,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
        )
