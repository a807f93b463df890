"""VoxCPM2."""

from typing import Annotated

from pydantic import Field

from tts_app.resources.engines.spec import EngineSpec, LicenseNote, Parameters, Runtime


class VoxCpmParameters(Parameters):
    """The engine's own settings."""

    compile: bool = False
    """Whether torch compiles the model on a GPU: minutes at the start and a C compiler in the image, and more
    speech a second afterwards. Not with a quantization."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Cores that torch computes on, where it does so on a CPU."""


class VoxCpmVoiceParameters(Parameters):
    """A voice's own settings."""

    steps: Annotated[int, Field(ge=1, le=100)] = 10
    """Steps of diffusion for each piece of sound: more take longer."""
    guidance_scale: Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)] = 2.0
    """How closely it follows text and voice."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the random numbers: the same text, voice and seed give the same sound."""


SPEC = EngineSpec(
    name="voxcpm",
    task="speech",
    title="VoxCPM2, by a clip or a description of the voice: 48 kHz",
    adapter="tts_app.engines.voxcpm.engine:VoxCpmEngine",
    runtimes=(Runtime("torch", "tts-playground-voxcpm", built=False),),
    quantizations=frozenset({"none", "int8", "auto"}),
    parameters=VoxCpmParameters,
    licenses=(LicenseNote("VoxCPM2", "Apache-2.0", "MiniCPM-4 (Apache-2.0)"),),
    voice_kinds=("reference", "description"),
    follows_instructions=True,
    speaks=frozenset({"en", "es", "hi", "ar"}),
    voice_parameters=VoxCpmVoiceParameters,
    # 8 GB is published (VoxCPM's README); what int8 needs is an estimate.
    gpu_memory={"none": 8.0, "int8": 6.5},
)
