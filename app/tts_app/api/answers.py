"""What answers look like that routes write themselves: for the OpenAPI document. Tests hold answers to it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue


class Documented(BaseModel):
    """Base of descriptions: an answer has no field that its description lacks."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LicenseAnswer(Documented):
    """The license of a model or voice."""

    spdx: str
    commercial_use: bool


class MeasuredAnswer(Documented):
    """Figures of a voice's quality: docs/quality.md."""

    source: str | None
    metric: str
    plain: float | None
    stress: float | None
    dnsmos: float | None
    f0: float | None


class CatalogueVoiceAnswer(Documented):
    """A voice that can be asked for."""

    id: str
    name: str
    locale: str
    language: str
    gender: str
    model: str
    engine: str
    quality: str
    approximation: str | None
    measured: MeasuredAnswer | None
    license: LicenseAnswer


class NamedVoice(Documented):
    """A voice as Open WebUI reads it."""

    id: str
    name: str


class CatalogueVoicesAnswer(Documented):
    """The voices that can be asked for."""

    object: Literal["list"]
    data: list[CatalogueVoiceAnswer]
    voices: list[NamedVoice]


class ModelAnswer(Documented):
    """A model, or one of OpenAI's names for those that speak: these have the first fields only."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    capabilities: list[Literal["speech", "text"]]
    engine: str = ""
    quantization: str = ""
    revision: str | None = None
    license: LicenseAnswer | None = None
    context_length: int | None = None
    """Of a model that writes: tokens."""
    locales: list[str] = []
    """Of a model that speaks, as the rest."""
    clones: bool = False
    follows_instructions: bool = False
    parameters: dict[str, JsonValue] = {}
    """The JSON schema of each of a request's `parameters`."""


class ModelsAnswer(Documented):
    """Models."""

    object: Literal["list"]
    data: list[ModelAnswer]


class NamedModel(Documented):
    """A model as Open WebUI reads it."""

    id: str


class SpeakingModelsAnswer(ModelsAnswer):
    """Models that speak."""

    models: list[NamedModel]


class HealthAnswer(Documented):
    """The API is up."""

    status: Literal["ok"]


class LoadAnswer(Documented):
    """What a model has to do."""

    running: int
    waiting: int


class ReadinessAnswer(Documented):
    """Every model answers. Models and quotas are told to callers who are known."""

    status: Literal["ready"]
    models: dict[str, LoadAnswer] = {}
    quotas: str = ""


class TokenDetails(Documented):
    """Of the tokens that were read."""

    cached_tokens: int


class TokenUsage(Documented):
    """What an answer took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: TokenDetails


class CalledFunction(Documented):
    """A function that the model wants called, and its arguments in JSON."""

    name: str
    arguments: str


class CalledTool(Documented):
    """A call of a tool."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class TokenAlternative(Documented):
    """A token and how probable it was."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenChoice(TokenAlternative):
    """The token that was chosen, and what could have been."""

    top_logprobs: list[TokenAlternative]


class ChatLogprobs(Documented):
    """The tokens of a message."""

    content: list[TokenChoice]
    refusal: None


class MessageAudio(Documented):
    """A message as it is spoken; `data` is Base64."""

    id: str
    data: str
    transcript: str
    expires_at: int


class ChatMessageAnswer(Documented):
    """A message that was written."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    tool_calls: list[CalledTool] = []
    reasoning_content: str = ""
    audio: MessageAudio | None = None


class ChatChoice(Documented):
    """One of the answers."""

    index: int
    message: ChatMessageAnswer
    logprobs: ChatLogprobs | None
    finish_reason: str | None


class ChatCompletion(Documented):
    """An answer of `/v1/chat/completions`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: TokenUsage | None = None


class AudioDelta(Documented):
    """The next piece of a spoken message: words, audio in Base64, or at last when it expires."""

    id: str = ""
    transcript: str = ""
    data: str = ""
    expires_at: int = 0


class ChatDelta(Documented):
    """What came next of a message."""

    role: Literal["assistant"] = "assistant"
    content: str | None = None
    reasoning_content: str = ""
    tool_calls: list[dict[str, Any]] = []
    """Parts of calls: `index` says of which."""
    audio: AudioDelta | None = None


class ChatChunkChoice(Documented):
    """What came next of one of the answers."""

    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None
    finish_reason: str | None


class ChatCompletionChunk(Documented):
    """An event of `/v1/chat/completions`."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: TokenUsage | None = None


class CompletionLogprobs(Documented):
    """The tokens of a text."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class CompletionChoice(Documented):
    """One of the answers."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: str | None


class TextCompletion(Documented):
    """An answer of `/v1/completions`, or an event of it."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: TokenUsage | None = None


class SpeechUsage(Documented):
    """Characters and bytes, as OpenAI names them."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class SpeechAudioEvent(Documented):
    """An event of `/v1/audio/speech` with `stream_format: sse`: audio in Base64, and at last the usage."""

    type: Literal["speech.audio.delta", "speech.audio.done"]
    audio: str = ""
    usage: SpeechUsage | None = None


class BatchFailure(Documented):
    """An item that failed."""

    post: int
    avatar: str
    reason: str
    message: str


class BatchItem(Documented):
    """A file of a batch."""

    number: int
    post: int
    voice: str
    locale: str
    gender: str
    file: str
    status: Literal["pending", "done", "failed"]
    reason: str = ""
    """Why it failed, in a word, and `message` in a sentence."""
    message: str = ""
