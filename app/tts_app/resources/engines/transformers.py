"""Hugging Face transformers."""

from typing import Annotated, Literal

from pydantic import Field

from tts_app.resources.engines.spec import EngineSpec, LicenseNote, Parameters, Runtime


class TransformersParameters(Parameters):
    """The engine's own settings."""

    device_map: str | dict[str, int | str] | None = None
    """Where the layers are, as transformers takes it. Default: on the GPUs, if there are any."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] | None = None
    """Type that it computes in. Default: the files' own on a GPU, and float32 on a CPU."""
    continuous_batching: bool = True
    """Whether answers that ask for nothing special are decoded together; else each by a generate() alone, as
    all are where the model is on several devices."""
    batch_tokens: Annotated[int, Field(ge=16)] = 512
    """Tokens that continuous batching computes at a time, those of prompts included."""
    cuda_graphs: bool = True
    """Whether one GPU that holds the whole model replays the steps of continuous batching as recorded."""
    compile: bool = False
    """Whether torch compiles the model: minutes at the first answers, and more tokens a second afterwards."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Cores that torch computes on, where it does so on a CPU."""
    gptq_backend: str | None = None
    """What computes GPTQ and AWQ weights, as gptqmodel names it: `gptq_triton` is ready at once. Default:
    what is fastest on this machine, which may be compiled for minutes at the first start."""
    chat_template: str | None = None
    """Jinja template of a conversation, instead of the model's own."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Sampling chooses among so many tokens; 0: among all."""


SPEC = EngineSpec(
    name="transformers",
    task="text",
    title="Hugging Face transformers, on CPUs and GPUs",
    adapter="tts_app.engines.transformers.engine:TransformersEngine",
    runtimes=(Runtime("torch", "tts-playground-transformers", built=False),),
    quantizations=frozenset({"none", "int8", "int4", "gptq-int4", "awq-int4"}),
    parameters=TransformersParameters,
    licenses=(LicenseNote("any model", "model"),),
)
