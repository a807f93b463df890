"""What is known of an engine: pure data, readable without the engine's own packages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tts_app.resources.faults import faults

Task = Literal["speech", "text"]
VoiceKind = Literal["speaker", "reference", "description"]
"""The field of a voice that says what it sounds like."""


class Parameters(BaseModel):
    """Base of an engine's own settings, the `parameters` of a resource. Unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Runtime:
    """A way to run an engine, with an image of its own."""

    name: str
    """The library that computes, such as onnxruntime."""
    image: str
    """Repository of the image; its tag is the product's version."""
    built: bool = True
    """Whether `make images` builds the image. Only such an image is an operator's default."""
    bundles: tuple[str, ...] = ()
    """Models that the image carries, by their address without `package://`."""
    quantizations: frozenset[str] | None = None
    """Those that it can run; None: all of the engine's."""
    gpu: bool = False
    """Whether `runtime: auto` means it for a model that has a GPU."""

    def runs(self, quantization: str) -> bool:
        """Return whether it can run weights of that quantization."""
        return self.quantizations is None or quantization in self.quantizations


@dataclass(frozen=True, slots=True)
class LicenseNote:
    """The license of a model that the engine runs, and of the model that it was made from."""

    model: str
    license: str
    """SPDX identifier, or `model` where each model has its own."""
    base: str = ""
    """Model that it was trained or converted from, with that one's license."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """An engine."""

    name: str
    task: Task
    title: str
    """What it is, in a few words."""
    adapter: str
    """Import path of its class, as `module:Class`."""
    runtimes: tuple[Runtime, ...]
    """The default one first."""
    quantizations: frozenset[str]
    parameters: type[Parameters]
    """Schema of a resource's `parameters`."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The engine's own settings that the resource has a field for: the field's name by the setting's."""
    licenses: tuple[LicenseNote, ...]

    voice_kinds: tuple[VoiceKind, ...] = ()
    """How a voice is given to a speech engine."""
    alphabet: str | None = None
    """The phonemes that a speech engine reads; None: it reads text."""
    speaks: frozenset[str] = frozenset()
    """Languages, and locales of which it speaks no others; empty: it depends on the model's files."""
    voice_parameters: type[Parameters] = Parameters
    """Schema of a voice's `parameters`, and of those of a request."""
    follows_instructions: bool = False
    """Whether it follows a request's `instructions`: in words, how to speak."""
    audio_per_core: float | None = None
    """Seconds of audio that one core makes a second, measured; None: nobody has measured it."""

    gpu_memory: Mapping[str, float] = field(default_factory=dict)
    """GiB of free GPU memory that each quantization needs among which `auto` chooses, the best one first."""
    gpu_only: bool = False
    threads_parameter: str = ""
    """Parameter that holds the number of threads; on a cluster it is set from `resources.cpu`."""

    @property
    def runtime(self) -> Runtime:
        """The default runtime."""
        return self.runtimes[0]

    def runtime_of(self, parameters: Mapping[str, Any], quantization: str, gpus: float) -> Runtime:
        """Return the runtime of a model with these `parameters`, weights and GPUs.

        `parameters.runtime` names it. With `auto`, or without that parameter, it is the default one; with a
        GPU, the first one that is made for GPUs and can run the weights.
        """
        asked = parameters.get("runtime", "auto")
        if asked == "auto":
            for_gpus = (runtime for runtime in self.runtimes if runtime.gpu and runtime.runs(quantization))
            return next(for_gpus, self.runtime) if gpus > 0 else self.runtime
        return next((runtime for runtime in self.runtimes if runtime.name == asked), self.runtime)

    def loaded_parameters(
        self, parameters: Mapping[str, Any], quantization: str, gpus: float
    ) -> dict[str, Any]:
        """Return a model's `parameters` as its engine is loaded with them.

        The engine does not see the GPUs that a model asks for, so `runtime` is the one of `runtime_of`. It is
        left out where it is the default one.
        """
        runtime = self.runtime_of(parameters, quantization, gpus)
        others = {name: value for name, value in parameters.items() if name != "runtime"}
        return others if runtime is self.runtime else {**others, "runtime": runtime.name}

    def image_key(self, runtime: Runtime) -> str:
        """Return the name of a runtime's image in `images.engines`: `kokoro`, or `kokoro-torch`."""
        return self.name if runtime is self.runtime else f"{self.name}-{runtime.name}"

    @property
    def clones(self) -> bool:
        """Whether it imitates the voice of a clip."""
        return "reference" in self.voice_kinds

    def locale_faults(self, locale: str) -> list[str]:
        """Return that the engine does not speak `locale`; an empty list where it does."""
        if not self.speaks or self.speaks & {locale, locale.partition("-")[0]}:
            return []
        return [f"engine {self.name} does not speak {locale}; it speaks: {', '.join(sorted(self.speaks))}"]

    def parameter_faults(self, parameters: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with a resource's `parameters`; an empty list where nothing is."""
        doubled = [name for name in self.fields if name in parameters]
        others = {name: value for name, value in parameters.items() if name not in self.fields}
        return [
            *(f"parameters.{name} is said by {self.fields[name]}: remove it" for name in doubled),
            *_faults(self.name, self.parameters, others),
        ]

    def voice_faults(self, parameters: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with a voice's `parameters`; an empty list where nothing is."""
        return _faults(f"a voice of {self.name}", self.voice_parameters, parameters)


def _faults(whose: str, schema: type[Parameters], parameters: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with `parameters` of `whose`, one text a parameter."""
    try:
        schema.model_validate(dict(parameters))
    except ValidationError as error:
        known = ", ".join(schema.model_fields) or "none"
        return [f"parameters.{fault}; {whose} has: {known}" for fault in faults(error)]
    return []
