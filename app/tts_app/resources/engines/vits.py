"""VITS by Hugging Face transformers: MMS-TTS and any other checkpoint of that form."""

from typing import Annotated

from pydantic import Field

from tts_app.resources.engines.spec import EngineSpec, LicenseNote, Parameters, Runtime


class VitsParameters(Parameters):
    """The engine's own settings."""

    max_batch: Annotated[int, Field(ge=1, le=64)] | None = None
    """Most segments of one call. Default: 16 on a GPU; 1 on a CPU, where larger batches
    bring nothing."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Cores that torch computes on, where it does so on a CPU."""


class VitsVoiceParameters(Parameters):
    """A voice's own settings."""

    speed: Annotated[float, Field(gt=0, le=4, allow_inf_nan=False)] = 1.0
    """Tempo of the voice, by which that of a request is multiplied."""
    noise_scale: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    """How much the sound varies with the seed; 0: not at all. Default: the checkpoint's own."""
    noise_scale_duration: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    """How much the rhythm varies with the seed; 0: not at all. Default: the checkpoint's own."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the random numbers: the same text and seed give the same sound."""


SPEC = EngineSpec(
    name="vits",
    task="speech",
    title="VITS by Hugging Face transformers, such as MMS-TTS: a checkpoint is a language",
    adapter="tts_app.engines.vits.engine:VitsEngine",
    runtimes=(Runtime("torch", "tts-playground-vits", built=False),),
    quantizations=frozenset({"none"}),
    parameters=VitsParameters,
    licenses=(LicenseNote("MMS-TTS", "CC-BY-NC-4.0"), LicenseNote("any other checkpoint", "model")),
    voice_kinds=("speaker",),
    voice_parameters=VitsVoiceParameters,
)
