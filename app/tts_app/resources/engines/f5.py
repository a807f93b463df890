"""F5-TTS and its fine-tunes."""

from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from tts_app.resources.engines.spec import EngineSpec, LicenseNote, Parameters, Runtime

Dialect = Literal[
    "UNK", "MSA", "SAU", "UAE", "ALG", "IRQ", "EGY", "MAR", "OMN", "TUN", "LEV", "SDN", "LBY"
]  # fmt: skip
DIALECTS: MappingProxyType[str, Dialect] = MappingProxyType(
    {
        "ar-001": "MSA",
        "ar-SA": "SAU",
        "ar-AE": "UAE",
        "ar-DZ": "ALG",
        "ar-IQ": "IRQ",
        "ar-EG": "EGY",
        "ar-MA": "MAR",
        "ar-OM": "OMN",
        "ar-TN": "TUN",
        "ar-JO": "LEV",
        "ar-LB": "LEV",
        "ar-PS": "LEV",
        "ar-SY": "LEV",
        "ar-SD": "SDN",
        "ar-LY": "LBY",
    }
)
"""Habibi's dialect of each locale; of any other one it is `UNK`, unknown."""


class F5Parameters(Parameters):
    """The engine's own settings."""

    dialects: bool = False
    """Whether the checkpoint speaks several Arabic dialects and reads a mark of one before the text: as
    Habibi's `Unified` does, and its `Specialized` ones do not."""
    max_batch: Annotated[int, Field(ge=1, le=64)] | None = None
    """Most segments of one call; memory grows with it. Default: 8 on a GPU; 1 on a CPU, where larger batches
    bring nothing."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Cores that torch computes on, where it does so on a CPU."""


class F5VoiceParameters(Parameters):
    """A voice's own settings."""

    dialect: Dialect | None = None
    """Dialect of a checkpoint with `dialects`. Default: that of the voice's locale."""
    speed: Annotated[float, Field(gt=0, le=4, allow_inf_nan=False)] = 1.0
    """Tempo of the voice, by which that of a request is multiplied."""
    steps: Annotated[int, Field(ge=4, le=128)] = 32
    """Steps in which the sound is made of noise: more take longer."""
    cfg_strength: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 2.0
    """How closely it follows text and clip; 0: guidance is off, and a call takes half the time."""
    sway: Annotated[float, Field(ge=-1, le=1.5, allow_inf_nan=False)] = -1.0
    """Sway sampling: below 0, more of the steps are early ones, which shape the words; 0: they are even."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the noise: the same text, voice and seed give the same sound."""


SPEC = EngineSpec(
    name="f5",
    task="speech",
    title="F5-TTS by a clip: Arabic dialects (Habibi), Arabic and English (SILMA)",
    adapter="tts_app.engines.f5.engine:F5Engine",
    runtimes=(Runtime("torch", "tts-playground-f5", built=False),),
    quantizations=frozenset({"none", "fp16"}),
    parameters=F5Parameters,
    licenses=(
        LicenseNote("SILMA TTS", "Apache-2.0"),
        LicenseNote("Habibi MSA, EGY, ALG, IRQ, MAR", "Apache-2.0"),
        LicenseNote("Habibi Unified, SAU, UAE", "CC-BY-NC-SA-4.0"),
        LicenseNote("Vocos, its vocoder", "MIT"),
    ),
    voice_kinds=("reference",),
    voice_parameters=F5VoiceParameters,
)
