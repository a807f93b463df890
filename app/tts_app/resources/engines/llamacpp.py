"""llama.cpp."""

from typing import Annotated, Literal

from pydantic import Field

from tts_app.resources.engines.spec import EngineSpec, LicenseNote, Parameters, Runtime

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]


class LlamaCppParameters(Parameters):
    """The engine's own settings, by llama.cpp's names."""

    n_threads: Annotated[int, Field(ge=1)] | None = None
    """Cores that it computes on. Default: all that the process may use; on a cluster `resources.cpu`."""
    n_batch: Annotated[int, Field(ge=1)] = 2048
    """Tokens of prompts that are read between two looks at whether a caller has left."""
    n_ubatch: Annotated[int, Field(ge=1)] = 512
    """Tokens that are computed at a time."""
    n_gpu_layers: Annotated[int, Field(ge=-1)] = -1
    """Layers on the GPU; -1: all, where the build of llama.cpp has a GPU."""
    flash_attn: Literal["auto", "on", "off"] = "auto"
    """Whether it computes attention by FlashAttention."""
    cache_type_k: CacheType = "f16"
    """How the keys of the cache are stored; q8_0 halves their memory."""
    cache_type_v: CacheType = "f16"
    """How the values of the cache are stored."""
    cache_ram_mib: Annotated[int, Field(ge=0)] = 0
    """Memory for prompts of earlier conversations, beside the slots, in MiB. Keep 0 for a model of several
    tenants: the time of an answer may show that another's prompt was alike."""
    chat_template: str | None = None
    """Jinja template of a conversation, instead of the model's own."""
    top_k: Annotated[int, Field(ge=0)] = 40
    """Sampling chooses among so many tokens; 0: among all."""
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Sampling leaves out tokens less probable than this share of the most probable one's probability."""


SPEC = EngineSpec(
    name="llamacpp",
    task="text",
    title="llama.cpp: GGUF files, on CPUs",
    adapter="tts_app.engines.llamacpp.engine:LlamaCppEngine",
    runtimes=(Runtime("llama.cpp", "tts-playground-llamacpp", bundles=("smollm2-135m-instruct/q4_1",)),),
    quantizations=frozenset({"none"}),
    parameters=LlamaCppParameters,
    licenses=(LicenseNote("SmolLM2-135M-Instruct", "Apache-2.0"), LicenseNote("any other model", "model")),
    threads_parameter="n_threads",
)
