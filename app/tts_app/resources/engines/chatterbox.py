"""Chatterbox Multilingual."""

from typing import Annotated

from pydantic import Field

from tts_app.resources.engines.spec import EngineSpec, LicenseNote, Parameters, Runtime

LANGUAGES = frozenset(
    {
        "ar",
        "da",
        "de",
        "el",
        "en",
        "es",
        "fi",
        "fr",
        "hi",
        "it",
        "ko",
        "ms",
        "nl",
        "no",
        "pl",
        "pt",
        "sv",
        "sw",
        "tr",
    }
)
"""Those whose text the package reads alone. Chinese, Japanese, Hebrew and Russian would need other ones."""


class ChatterboxParameters(Parameters):
    """The engine's own settings."""

    check_alignment: bool | None = None
    """Whether the model's attention is watched, and a call ended that repeats itself or goes on behind its
    text. Default: with weights of version 2 alone; its authors took it out with version 3."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Cores that torch computes on, where it does so on a CPU."""


class ChatterboxVoiceParameters(Parameters):
    """A voice's own settings."""

    exaggeration: Annotated[float, Field(ge=0.25, le=2, allow_inf_nan=False)] = 0.5
    """How much feeling there is in the voice; 0.5: as in the clip. Much of it makes speech faster."""
    cfg_weight: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    """How closely it follows the text: less makes speech slower; 0 for a clip in another language, whose
    accent is then left behind."""
    temperature: Annotated[float, Field(ge=0.05, le=5, allow_inf_nan=False)] = 0.8
    """How much chance there is in the choice of each token."""
    repetition_penalty: Annotated[float, Field(ge=1, le=2, allow_inf_nan=False)] | None = None
    """How much less probable a token becomes by its use. Default: as its authors have it, 2 for version 2
    and 1.2 for later weights."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the random numbers: the same text, voice and seed give the same sound."""


SPEC = EngineSpec(
    name="chatterbox",
    task="speech",
    title="Chatterbox Multilingual by a clip: expressive, its sound watermarked",
    adapter="tts_app.engines.chatterbox.engine:ChatterboxEngine",
    runtimes=(Runtime("torch", "tts-playground-chatterbox", built=False),),
    quantizations=frozenset({"none"}),
    parameters=ChatterboxParameters,
    licenses=(LicenseNote("Chatterbox Multilingual", "MIT"),),
    voice_kinds=("reference",),
    speaks=LANGUAGES,
    voice_parameters=ChatterboxVoiceParameters,
)
