"""The VoiceModel resource: an engine, its weights and the avatars that it speaks."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from tts_app.resources.locales import Gender, Locale

API_VERSION: Final = "ttsplayground.dev/v1alpha1"

EngineName = Literal["kokoro", "chatterbox", "omnivoice", "habibi", "parler", "vits"]
Quantization = Literal["none", "int8", "fp16", "fp8", "int4", "gptq-int4", "awq-int4"]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]{0,45}[a-z0-9])?$")]
"""A DNS-1035 label of at most 47 characters: it becomes part of KubeRay's names."""

QUANTIZATIONS: dict[str, frozenset[str]] = {
    "kokoro": frozenset({"none", "fp16", "int8"}),
    "vits": frozenset({"none", "int8"}),
    "chatterbox": frozenset({"none", "int8", "int4"}),
    "omnivoice": frozenset({"none", "int8", "int4"}),
    "habibi": frozenset({"none", "int8", "int4"}),
    "parler": frozenset({"none", "int8", "int4"}),
}
CLONING_ENGINES = frozenset({"chatterbox", "omnivoice", "habibi"})


class Resource(BaseModel):
    """Base of every part of a custom resource: camelCase in YAML, unknown fields refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Metadata(Resource):
    """The part of Kubernetes' object metadata that matters here; other fields are kept as they are."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)

    name: Name
    namespace: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Source(Resource):
    """Where a model's files come from."""

    uri: Annotated[str, StringConstraints(pattern=r"^(hf|s3|gs|pvc|file|package)://.+")]
    revision: str | None = None
    """A commit or version: pins what `uri` names. `hf://` must have one."""
    sha256: dict[str, Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]] = {}
    """SHA-256 of files by their path inside the source; a named file that differs is refused."""

    @model_validator(mode="after")
    def _hub_is_pinned(self) -> Self:
        if self.uri.startswith("hf://") and not self.revision:
            raise ValueError("an hf:// source needs `revision`, the commit that pins it")
        return self


class License(Resource):
    """What a model's or voice's weights may be used for."""

    spdx: str
    commercial_use: bool


class Consent(Resource):
    """Proof that the speaker of a reference clip agreed to be cloned."""

    id: str
    by: str
    date: str


class VoiceReference(Resource):
    """A clip that a cloning engine imitates."""

    uri: str
    transcript: str
    consent: Consent


class Measured(Resource):
    """Figures of `make quality` for one voice (docs/quality.md says how they are taken)."""

    metric: Literal["wer", "cer"]
    plain: Annotated[float, Field(ge=0)]
    """Word or character error rate of a Whisper-small round trip on plain sentences, 0-1."""
    stress: Annotated[float, Field(ge=0)]
    """The same on sentences full of numbers, dates, names and tags."""
    dnsmos: Annotated[float, Field(ge=1, le=5)]
    """DNSMOS overall (OVRL), 1-5."""
    f0: Annotated[float, Field(gt=0)]
    """Median fundamental frequency in Hz."""


class Voice(Resource):
    """One avatar (locale and gender) and what the engine speaks it with."""

    locale: Locale
    gender: Gender
    speaker: str | None = None
    reference: VoiceReference | None = None
    description: str | None = None
    quality: Literal["production", "preview"] = "preview"
    approximation: str | None = None
    """Says so where the voice is an accent or an approximation of the locale, and of what kind."""
    gain: Annotated[float, Field(ge=-24, le=24)] = 0.0
    """Decibels that bring this voice to -16 LUFS, measured; a stream is levelled with it."""
    parameters: dict[str, JsonValue] = {}
    """The engine's own per-voice settings, such as `speed`."""
    license: License | None = None
    """Where it differs from the model's."""
    measured: Measured | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [k for k in ("speaker", "reference", "description") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(
                f"voice {self.avatar} needs exactly one of speaker, reference, description; it has "
                + (" and ".join(given) or "none")
            )
        return self

    @property
    def avatar(self) -> str:
        """The avatar id, such as `female_en-US`."""
        return f"{self.gender}_{self.locale}"


class Replicas(Resource):
    """How many copies of the model run, and when there are more."""

    min: Annotated[int, Field(ge=0)] = 1
    max: Annotated[int, Field(ge=1)] = 1
    target_ongoing_requests: Annotated[float, Field(gt=0)] = 2

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"replicas.min ({self.min}) must not exceed replicas.max ({self.max})")
        return self


class Resources(Resource):
    """What one replica asks of its node, as Kubernetes quantities."""

    cpu: Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?m?$")] = "1"
    memory: Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?([KMGTP]i?)?$")] = "1Gi"
    gpu: Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?$")] = "0"

    @property
    def cpus(self) -> float:
        """CPU cores as a number."""
        return float(self.cpu[:-1]) / 1000 if self.cpu.endswith("m") else float(self.cpu)

    @property
    def gpus(self) -> float:
        """GPUs as a number."""
        return float(self.gpu)

    @property
    def memory_bytes(self) -> int:
        """Memory in bytes."""
        units = {s + i: b ** (n + 1) for n, s in enumerate("KMGTP") for i, b in (("", 1000), ("i", 1024))}
        for suffix, factor in sorted(units.items(), key=lambda u: -len(u[0])):
            if self.memory.endswith(suffix):
                return int(float(self.memory.removesuffix(suffix)) * factor)
        return int(float(self.memory))


class VoiceModelSpec(Resource):
    """What a user writes under `spec`."""

    service: Name = "playground"
    engine: EngineName
    source: Source
    quantization: Quantization = "none"
    license: License
    voices: Annotated[list[Voice], Field(min_length=1)]
    replicas: Replicas = Replicas()
    resources: Resources = Resources()
    parameters: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        avatars = [voice.avatar for voice in self.voices]
        twice = sorted({a for a in avatars if avatars.count(a) > 1})
        if twice:
            raise ValueError(f"voices must be unique by locale and gender; given twice: {', '.join(twice)}")
        allowed = QUANTIZATIONS[self.engine]
        if self.quantization not in allowed:
            raise ValueError(
                f"engine {self.engine} has no quantization {self.quantization}; allowed: "
                + ", ".join(sorted(allowed))
            )
        if self.engine not in CLONING_ENGINES and any(v.reference for v in self.voices):
            raise ValueError(f"engine {self.engine} does not clone: use `speaker`, not `reference`")
        return self


class VoiceModel(Resource):
    """A model and its voices, served as one Ray Serve application."""

    api_version: Literal["ttsplayground.dev/v1alpha1"] = API_VERSION
    kind: Literal["VoiceModel"] = "VoiceModel"
    metadata: Metadata
    spec: VoiceModelSpec
    status: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.metadata.name
