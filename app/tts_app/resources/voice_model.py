"""The VoiceModel resource: an engine, its weights and the avatars that it speaks."""

import hashlib
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, ValidationInfo, model_validator

from tts_app.resources.base import (
    NOT_THE_GATEWAYS_NAME,
    Column,
    CustomResource,
    License,
    Name,
    Quantization,
    Replicas,
    Resource,
    Source,
    SourceUri,
    Text,
)
from tts_app.resources.engines import ENGINES, engines_of
from tts_app.resources.engines.spec import Runtime
from tts_app.resources.faults import check_parameters
from tts_app.resources.locales import Gender, Locale, is_readable
from tts_app.resources.quantities import Resources
from tts_app.resources.rules import (
    OneOf,
    Rule,
    Unique,
    exactly_one,
    immutable,
    inside_claim,
    known_quantization,
    known_voice_kinds,
)
from tts_app.resources.status import VoiceModelStatus

_ENGINES = engines_of("speech")
_MOST_VOICES = 200
"""Twice the locales that a job may name: each may have two genders."""


class Consent(Resource):
    """Proof that the speaker of a reference clip agreed to be cloned."""

    id: Text
    """Where the proof can be found: the number of a contract or form."""
    by: Text
    """Who agreed."""
    date: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    """When, as year-month-day."""


class VoiceReference(Resource):
    """A clip that a cloning engine imitates."""

    rules = (inside_claim(),)

    uri: SourceUri
    """Address of the clip."""
    transcript: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    """The words that are spoken in the clip."""
    consent: Consent
    """Proof that the speaker agreed to be cloned; a clip without it is refused."""

    @property
    def key(self) -> str:
        """What replicas know the clip by before they have read it: a digest of its address and transcript."""
        return hashlib.sha256(f"reference\n{self.uri}\n{self.transcript}".encode()).hexdigest()


class Measured(Resource):
    """Figures of one voice, as `ttsp models evaluate` takes them (docs/models.md), or as published."""

    rules = (
        Rule(
            "figures need plain, stress, dnsmos and f0; only those with `source: published` may lack some",
            cel="(has(self.source) && self.source == 'published') || "
            "(has(self.plain) && has(self.stress) && has(self.dnsmos) && has(self.f0))",
            holds=lambda found: (
                found.source == "published" or None not in (found.plain, found.stress, found.dnsmos, found.f0)
            ),
        ),
    )

    source: Literal["measured", "published"] | None = None
    """Whether they were measured with this product or are a publication's; default: measured."""
    metric: Literal["wer", "cer"]
    """What the error rates count: words (wer) or characters (cer)."""
    plain: Annotated[float, Field(ge=0)] | None = None
    """Word or character error rate of a Whisper-small round trip on plain sentences, 0-1."""
    stress: Annotated[float, Field(ge=0)] | None = None
    """The same on sentences full of numbers, dates, names and tags."""
    dnsmos: Annotated[float, Field(ge=1, le=5)] | None = None
    """DNSMOS overall (OVRL), 1-5."""
    f0: Annotated[float, Field(gt=0)] | None = None
    """Median fundamental frequency in Hz."""
    similarity: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Of a voice that imitates a clip, the cosine of the two speakers' embeddings, -1 to 1."""


class Voice(Resource):
    """One avatar (locale and gender) and what the engine speaks it with."""

    rules = (
        exactly_one("a voice", speaker="speaker", reference="reference", description="description"),
        Rule(
            "a voice with published figures is a preview: `quality: production` needs measured ones",
            cel="self.quality != 'production' || !has(self.measured) || !has(self.measured.source) || "
            "self.measured.source != 'published'",
            holds=lambda voice: (
                voice.quality != "production"
                or voice.measured is None
                or voice.measured.source != "published"
            ),
        ),
    )

    locale: Locale
    """Language that the voice speaks and, where it matters, script and region: a BCP-47 tag such as fr-FR."""
    gender: Gender
    """Gender of the voice."""
    speaker: Text | None = None
    """A speaker that the model knows, by the engine's own name; kokoro blends them too: a*0.5+b*0.5."""
    reference: VoiceReference | None = None
    """A clip of a voice to imitate, where the engine clones."""
    description: Text | None = None
    """The voice in words, where the engine makes one from them."""
    quality: Literal["production", "preview"] = "preview"
    """Whether the voice is fit for production, by what was measured."""
    approximation: Text | None = None
    """How the voice approximates the locale, such as another accent; default: it does not."""
    gain: Annotated[float, Field(ge=-24, le=24)] = 0.0
    """Decibels that bring this voice to -16 LUFS, measured; a stream is levelled with it."""
    parameters: dict[str, JsonValue] = {}
    """The engine's own per-voice settings, such as `speed`."""
    license: License | None = None
    """The voice's licence, where it differs from the model's."""
    measured: Measured | None = None
    """Figures of this voice."""

    @property
    def avatar(self) -> str:
        """The avatar id, such as `female_en-US`."""
        return f"{self.gender}_{self.locale}"


class VoiceModelSpec(Resource):
    """Which model is served, with which voices, and how."""

    rules = (
        *known_quantization(_ENGINES.values()),
        *known_voice_kinds(_ENGINES.values()),
        immutable("service", "make a VoiceModel of another name in the other service and delete this one"),
    )

    service: Name = "playground"
    """Service that serves the model; models of one service share a Ray cluster and an address."""
    engine: Annotated[str, OneOf("engine", tuple(_ENGINES))]
    """Engine that runs the model."""
    source: Source
    """Where the model's files come from."""
    quantization: Quantization = "none"
    """How the weights are compressed; each engine has its own choice."""
    license: License
    """What the model's weights may be used for."""
    voices: Annotated[
        list[Voice],
        Field(min_length=1, max_length=_MOST_VOICES),
        Unique(("gender", "locale")),
    ]
    """The avatars that the model speaks, each at most once."""
    replicas: Replicas = Replicas()
    """How many copies of the model run."""
    resources: Resources = Resources()
    """What each copy asks of its node."""
    parameters: dict[str, JsonValue] = {}
    """The engine's own settings, such as `threads`."""

    @property
    def runtime(self) -> Runtime:
        """What computes: by `parameters`, and by whether the model has a GPU."""
        return ENGINES[self.engine].runtime_of(self.parameters, self.quantization, self.resources.gpus)

    @property
    def image_key(self) -> str:
        """The name in `images.engines` of the image that it runs in."""
        return ENGINES[self.engine].image_key(self.runtime)

    @property
    def loaded_parameters(self) -> dict[str, JsonValue]:
        """The engine's settings as it is loaded with them (EngineSpec.loaded_parameters)."""
        gpus = self.resources.gpus
        return ENGINES[self.engine].loaded_parameters(self.parameters, self.quantization, gpus)

    @property
    def unreadable_locales(self) -> list[str]:
        """Locales whose text nothing can turn into the phonemes that the engine reads."""
        if ENGINES[self.engine].alphabet is None:
            return []
        return [voice.locale for voice in self.voices if not is_readable(voice.locale)]

    @model_validator(mode="after")
    def _check_parameters(self, info: ValidationInfo) -> Self:
        """Refuse what the API server cannot: it knows neither `parameters` nor an engine's languages."""
        engine = ENGINES[self.engine]
        found = engine.parameter_faults(self.parameters)
        for voice in self.voices:
            wrong = [*engine.locale_faults(voice.locale), *engine.voice_faults(voice.parameters)]
            found += [f"voice {voice.avatar}: {fault}" for fault in wrong]
        check_parameters(found, info)
        return self


class VoiceModel(CustomResource):
    """A speech model and its voices, served as one Ray Serve application."""

    plural = "voicemodels"
    short_name = "voice"
    columns = (
        Column("Service", ".spec.service"),
        Column("Engine", ".spec.engine"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
        Column("Replicas", ".status.readyReplicas", "integer"),
        Column("Avatars", ".status.avatars", "integer"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Locales", ".status.locales", wide=True),
        Column("Quantization", ".spec.quantization", wide=True),
        Column("Message", '.status.conditions[?(@.type=="Ready")].message', wide=True),
    )
    rules = (*CustomResource.rules, NOT_THE_GATEWAYS_NAME)

    kind: Literal["VoiceModel"] = "VoiceModel"
    """Kind of the resource: VoiceModel."""
    spec: VoiceModelSpec
    """Which model is served, with which voices, and how."""
    status: VoiceModelStatus | None = None
    """What the operator found."""
