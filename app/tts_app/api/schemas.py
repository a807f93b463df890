"""What requests hold and answers look like."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from tts_app.api.requests import Forgiving, Strict, without_nulls
from tts_app.audio.formats import SAMPLE_RATES
from tts_app.language.markup import InputFormat, Urls

AudioFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


def _proper(text: str) -> str:
    """Refuse what is not text: null bytes, and halves of surrogate pairs, which JSON can hold."""
    if "\0" in text:
        raise ValueError("it must not hold null bytes")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("it must not hold half a surrogate pair: that is no Unicode text")
    return text


def _proper_values(value: JsonValue) -> JsonValue:
    """Refuse texts in JSON that are none, at any depth."""
    if isinstance(value, str):
        _proper(value)
    elif isinstance(value, list):
        for element in value:
            _proper_values(element)
    elif isinstance(value, dict):
        for name, element in value.items():
            _proper(name)
            _proper_values(element)
    return value


Text = Annotated[str, AfterValidator(_proper)]
Speed = Annotated[
    float,
    Field(ge=0.25, le=4.0, allow_inf_nan=False, description="Tempo, from 0.25 to 4; the pitch stays."),
]
Word = Annotated[Text, StringConstraints(max_length=100)]


def _voice_name(value: object) -> object:
    """Read a voice by its id, as OpenAI's newer clients write it."""
    if isinstance(value, dict):
        if set(value) != {"id"} or not isinstance(value["id"], str):
            raise ValueError('it must be a name, or an object {"id": "<name>"}')
        return value["id"]
    return value


VoiceName = Annotated[
    Word,
    BeforeValidator(_voice_name),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": 100},
                {
                    "type": "object",
                    "properties": {"id": {"type": "string", "maxLength": 100}},
                    "required": ["id"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


class WithOptions(Strict):
    """What both requests for speech say of how the text is spoken: see `speech_options`."""

    response_format: AudioFormat = "mp3"
    speed: Speed = 1.0
    sample_rate: Annotated[
        int | None,
        Field(
            description=f"Of the audio, in Hz: {', '.join(map(str, SAMPLE_RATES))}, as the format allows; "
            "the model's own where none is given."
        ),
    ] = None
    instructions: Annotated[
        Annotated[Text, StringConstraints(max_length=4096)] | None,
        Field(description="How to speak, in words: for models whose engine follows instructions."),
    ] = None
    volume: Annotated[
        float,
        Field(
            ge=0,
            le=2,
            allow_inf_nan=False,
            description="Factor of the loudness, from 0 (silence) to 2; 1 is -16 LUFS. Peaks are limited.",
        ),
    ] = 1.0
    input_format: Annotated[
        InputFormat, Field(description="What markup the text has; docs/reading.md says what is read of it.")
    ] = "text"
    urls: Annotated[
        Urls, Field(description="What is said of a bare web address: all of it, its domain, or nothing.")
    ] = "say"
    normalize: Annotated[
        bool,
        Field(description="False: the text is spoken as it is: markup, numbers and signs are not read."),
    ] = True
    parameters: Annotated[
        dict[Word, JsonValue],
        AfterValidator(_proper_values),
        Field(
            default_factory=dict,
            description="Settings of the model's engine: `/v1/models/{id}` has them.",
            max_length=64,
        ),
    ]

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, fields: Any) -> Any:
        return without_nulls(fields)

    @property
    def factor(self) -> float:
        """The factor of the loudness, by whatever name it was given."""
        return self.volume

    @property
    def is_normalized(self) -> bool:
        """Whether markup, numbers and signs are read, by whatever name that was said."""
        return self.normalize


class Normalization(Strict):
    """What Kokoro's servers are told of reading numbers and signs; the rest of it means nothing here."""

    normalize: bool = True


class SpokenRequest(WithOptions, Forgiving):
    """Who speaks and how, as OpenAI has it, with fields of other servers that mean something here."""

    model: Annotated[
        Word, Field(description="`tts-1`, `tts-1-hd`, `gpt-4o-mini-tts`, or a model of `/v1/models`.")
    ] = "tts-1"
    voice: Annotated[
        VoiceName,
        Field(description="An avatar such as `female_en-US`, or an OpenAI voice such as `nova`."),
    ]
    language: Annotated[
        Word | None,
        Field(
            description="A language such as `ar`, a locale, or `auto`: the text's. If the voice is of "
            "another one, the avatar of that one and of its gender speaks. If there is none, this is ignored."
        ),
    ] = None
    lang_code: Annotated[
        Word | None, Field(description="The same, as Kokoro's servers call it: also its letters, as `b`.")
    ] = None
    volume_multiplier: Annotated[
        float | None,
        Field(ge=0, le=2, allow_inf_nan=False, description="`volume`, as Kokoro's servers call it."),
    ] = None
    normalization_options: Annotated[
        Normalization | None, Field(description="Its `normalize`, as Kokoro's servers have it.")
    ] = None

    @property
    def factor(self) -> float:
        """The factor of the loudness; `volume` is the one that counts if both are given."""
        given = "volume" in self.model_fields_set or self.volume_multiplier is None
        return self.volume if given else self.volume_multiplier or 0.0

    @property
    def is_normalized(self) -> bool:
        """Whether markup, numbers and signs are read: not if either field says no."""
        return self.normalize and (self.normalization_options or Normalization()).normalize


class SpeechRequest(SpokenRequest):
    """OpenAI's request for speech."""

    input: Annotated[Text, Field(description="The text to speak.")]
    stream_format: Annotated[
        Literal["audio", "sse"], Field(description="The bare audio, or server-sent events that carry it.")
    ] = "audio"
    stream: Annotated[
        bool, Field(description="False: the audio is sent whole, its length known, once all of it is made.")
    ] = True


class DurableRequest(WithOptions):
    """A speech to be made and kept."""

    text: Annotated[Text, Field(description="The text to speak.")]
    language: Annotated[
        Word | None,
        Field(
            description="A language such as `ar`, a locale such as `ar-EG`, or `auto`: the text's. `auto` "
            "may stand beside `voice`: the avatar of the text's language and of the voice's gender speaks."
        ),
    ] = None
    dialect: Annotated[Word | None, Field(description="A locale (`en-GB`) or its region (`GB`).")] = None
    gender: Annotated[
        Literal["female", "male"] | None, Field(description="`female` where none is given.")
    ] = None
    voice: Annotated[
        Word | None, Field(description="An avatar, in place of language, dialect and gender.")
    ] = None
    model: Annotated[Word, Field(description="As in `/v1/audio/speech`.")] = "tts-1"


class VoiceFilter(BaseModel):
    """Filters of the list of voices."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Word | None = None
    locale: Word | None = None
    gender: Word | None = None
    model: Word | None = None


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str
    request_id: str | None


class ErrorAnswer(BaseModel):
    """The one form of errors."""

    error: ErrorBody


class SpeechLinks(BaseModel):
    """Where the rest of a speech is."""

    self: str
    audio: str
    events: str


class SpeechAnswer(BaseModel):
    """A durable speech."""

    id: str
    object: Literal["speech"] = "speech"
    status: Literal["queued", "running", "done", "failed"]
    created: str
    finished: str | None
    model: str
    voice: str
    locale: str
    response_format: str
    speed: float
    characters: int
    seconds: float | None
    bytes: int | None
    sha256: str | None
    error: str | None
    warnings: list[str] = []
    links: SpeechLinks


class SpeechPage(BaseModel):
    """Durable speeches, newest first."""

    object: Literal["list"] = "list"
    data: list[SpeechAnswer]
    has_more: bool
    next: str | None
    """`cursor` of the next page."""


class SpeechQuery(BaseModel):
    """Filters and page of the durable speeches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Literal["queued", "running", "done", "failed"] | None = None
    model: Word | None = None
    voice: Word | None = None
    start: Annotated[
        AwareDatetime | None, Field(alias="from", description="Requested at this time or later.")
    ] = None
    end: Annotated[AwareDatetime | None, Field(alias="to", description="Requested before this time.")] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=100)] = None


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "A parameter is wrong: `param` names it."},
    429: {"model": ErrorAnswer, "description": "Too much to do; `Retry-After` says when to come back."},
    503: {"model": ErrorAnswer, "description": "The model is not ready."},
}
