"""Kokoro-82M and the checkpoints that were trained from it: on onnxruntime, and in torch."""

from typing import Annotated, Literal

from pydantic import Field

from tts_app.resources.engines.spec import EngineSpec, LicenseNote, Parameters, Runtime


class KokoroParameters(Parameters):
    """The engine's own settings."""

    runtime: Literal["auto", "onnxruntime", "torch"] = "auto"
    """What computes: `onnxruntime` one segment a call, `torch` up to `max_batch`. `auto` is torch where
    `resources.gpu` is set and the quantization is `none` or `fp16`, and onnxruntime otherwise. Torch computes
    `fp16` in float32 where it has no GPU."""
    alphabet: Literal["kokoro", "arabic"] = "kokoro"
    """Sounds that the checkpoint was trained on. `arabic`: it has those of Arabic, so its Arabic is not
    written with the nearest sounds that Kokoro-82M knows."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Cores that a call uses when it is alone. Default: up to 4 for int8, where the samples are the
    same on any number of threads; 1 for the others, whose samples differ by rounding. In torch on a CPU:
    cores of every call; default: all."""
    max_batch: Annotated[int, Field(ge=1, le=32)] | None = None
    """Most segments of one call in torch. Default: 32 on a GPU; 1 on a CPU, where larger batches are slower.
    On onnxruntime a call has one segment."""
    cuda_graphs: bool = True
    """Whether torch records its work on a GPU, by lengths, and replays it."""


class KokoroVoiceParameters(Parameters):
    """A voice's own settings."""

    speed: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Tempo of the voice, by which that of a request is multiplied."""


SPEC = EngineSpec(
    name="kokoro",
    task="speech",
    title="Kokoro-82M, on CPUs and GPUs",
    adapter="tts_app.engines.kokoro.engine:KokoroEngine",
    runtimes=(
        Runtime("onnxruntime", "tts-playground-kokoro", bundles=("kokoro-82m/int8",)),
        Runtime(
            "torch",
            "tts-playground-kokoro-torch",
            built=False,
            quantizations=frozenset({"none", "fp16"}),
            gpu=True,
        ),
    ),
    quantizations=frozenset({"none", "fp16", "int8"}),
    parameters=KokoroParameters,
    licenses=(LicenseNote("Kokoro-82M", "Apache-2.0", "StyleTTS 2 (MIT), with ISTFTNet's decoder"),),
    voice_kinds=("speaker",),
    alphabet="kokoro",
    voice_parameters=KokoroVoiceParameters,
    audio_per_core=1.37,  # on the two cores of docs/benchmarks-posts.md
)
