"""OmniVoice."""

from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from tts_app.resources.engines.spec import EngineSpec, LicenseNote, Parameters, Runtime

LANGUAGES = MappingProxyType(
    {
        "en": "en",
        "es": "es",
        "hi": "hi",
        "ur": "ur",
        "ar-SA": "ars",  # Najdi
        "ar-EG": "arz",
        "ar-AE": "afb",  # Gulf
        "ar-001": "arb",  # the standard language
    }
)
"""OmniVoice's own identifiers, by language or locale.

Another one would be spoken without any identifier, so it is refused. That of Arabic alone (`ar`) is none.
"""


class OmniVoiceParameters(Parameters):
    """The engine's own settings."""

    max_batch: Annotated[int, Field(ge=1, le=64)] | None = None
    """Most segments of one call; memory grows with it. Default: 8 on a GPU; 1 on a CPU, where larger batches
    bring nothing."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Type that the language model computes in. Default: float16 on a GPU, float32 on a CPU."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Cores that torch computes on, where it does so on a CPU."""


class OmniVoiceVoiceParameters(Parameters):
    """A voice's own settings."""

    speed: Annotated[float, Field(gt=0, le=4, allow_inf_nan=False)] = 1.0
    """Tempo of the voice, by which that of a request is multiplied."""
    steps: Annotated[int, Field(ge=4, le=128)] = 32
    """Steps in which the sound is filled in: more take longer."""
    guidance_scale: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 2.0
    """How closely it follows text and voice; 0: guidance is off."""
    position_temperature: Annotated[float, Field(ge=0, le=20, allow_inf_nan=False)] = 5.0
    """How much chance there is in what is filled in first; 0: none, so that the seed means nothing."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the random numbers: the same text, voice and seed give the same sound."""


SPEC = EngineSpec(
    name="omnivoice",
    task="speech",
    title="OmniVoice, by a clip or a description of the voice: all locales, for non-commercial use",
    adapter="tts_app.engines.omnivoice.engine:OmniVoiceEngine",
    runtimes=(Runtime("torch", "tts-playground-omnivoice", built=False),),
    quantizations=frozenset({"none", "int8", "int4", "auto"}),
    parameters=OmniVoiceParameters,
    licenses=(
        # Its authors name no version of the license.
        LicenseNote("OmniVoice", "LicenseRef-CC-BY-NC", "Qwen3-0.6B (Apache-2.0)"),
        LicenseNote("its audio tokenizer", "LicenseRef-Boson-Higgs-Audio-2-Community"),
    ),
    voice_kinds=("reference", "description"),
    follows_instructions=True,
    speaks=frozenset(LANGUAGES),
    voice_parameters=OmniVoiceVoiceParameters,
    # Estimated from the sizes of the files, with 2 GiB for a batch of 8 on top; nobody has judged int4.
    gpu_memory={"none": 4.0, "int8": 3.6},
)
