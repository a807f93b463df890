"""vLLM, and how the GPUs of one replica are shared out: said once, for checks, Serve and pods.

`parameters` are a list of what is allowed. Much of what vLLM takes besides names Python code to run, a file
to read or an address to call, and a replica runs with the rights of the whole Ray cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from tts_app.resources.engines.spec import EngineSpec, LicenseNote, Parameters, Runtime


def _inside(path: str) -> str:
    """Return `path` if it stays inside the source's files, as far as its text says."""
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in path or "://" in path:
        raise ValueError(
            "must be a path inside the source's files, such as adapters/mine: no `/` at the front, no `..`"
        )
    return path


def _jinja(template: str) -> str:
    """Return `template` if it is one: vLLM reads a file where it is the path of one."""
    if "{{" not in template and "{%" not in template:
        raise ValueError("must be the template itself, in Jinja, and no path of a file")
    return template


PositiveInt = Annotated[int, Field(ge=1)]
InsideSource = Annotated[str, AfterValidator(_inside)]
BuiltIn = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
"""A name that vLLM looks up among its own: no path, and nothing to import."""
_NO_DRAFT = ("ngram", "mtp")
"""Methods of speculation that need no model of their own."""


class SpeculativeParameters(Parameters):
    """How tokens are guessed ahead."""

    method: Literal["ngram", "mtp", "draft_model", "eagle", "eagle3", "medusa", "mlp_speculator"]
    """Who guesses: `ngram` the prompt, `mtp` layers of the model's own, the others a `model`."""
    num_speculative_tokens: PositiveInt
    """Tokens that are guessed at a time."""
    model: InsideSource | None = None
    """Folder of the model that guesses, inside the source's files."""
    draft_tensor_parallel_size: PositiveInt | None = None
    """GPUs that share each layer of the model that guesses."""
    prompt_lookup_max: PositiveInt | None = None
    """Longest sequence of tokens that `ngram` looks for."""
    prompt_lookup_min: PositiveInt | None = None
    """Shortest sequence of tokens that `ngram` looks for."""

    @model_validator(mode="after")
    def _has_what_guesses(self) -> Self:
        if (self.model is None) != (self.method in _NO_DRAFT):
            needs = "has no" if self.method in _NO_DRAFT else "needs a"
            raise ValueError(f"method {self.method} {needs} `model`")
        return self


class StructuredOutputsParameters(Parameters):
    """How answers are made to follow a schema."""

    backend: Literal["auto", "xgrammar", "guidance", "outlines", "lm-format-enforcer"] = "auto"
    """Library that follows the schema."""
    disable_any_whitespace: bool = False
    """Whether such answers have no white space between their parts: with xgrammar and guidance."""


class VllmParameters(Parameters):
    """The engine's own settings, by vLLM's names. What is left out is as vLLM has it."""

    nodes: PositiveInt = 1
    """Nodes, and pods, of one replica; each has the same part of `resources`."""
    pipeline_parallel_size: PositiveInt | None = None
    """Stages that the layers are cut into. Default: `nodes`, for little goes from stage to stage."""
    tensor_parallel_size: PositiveInt | None = None
    """GPUs that share each layer. Default: what is left, so that the two make `resources.gpu`."""
    enable_expert_parallel: bool | None = None
    """Whether the experts of a mixture are on different GPUs, each whole."""
    disable_custom_all_reduce: bool | None = None
    """Whether GPUs exchange sums by NCCL alone."""

    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] | None = None
    """Type that it computes in."""
    load_format: Literal["safetensors", "fastsafetensors", "runai_streamer", "mistral"] = "safetensors"
    """How the weights are read. All read safetensors alone: other files of weights can hold code."""
    config_format: Literal["auto", "hf", "mistral"] | None = None
    """Whose form the model's configuration has."""
    tokenizer_mode: Literal["auto", "hf", "slow", "mistral"] | None = None
    """Which tokenizer reads the model's vocabulary."""
    generation_config: Literal["auto", "vllm"] | None = None
    """Where sampling's defaults are from: the model's own file, or vLLM."""
    model_impl: Literal["auto", "vllm", "transformers"] | None = None
    """Whose implementation of the model runs."""
    seed: int | None = None
    """Seed of the random numbers of requests that have none."""
    max_logprobs: Annotated[int, Field(ge=-1)] | None = None
    """Most alternatives per token that a request gets probabilities of; -1: no limit."""

    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of a GPU's memory that it uses."""
    kv_cache_dtype: (
        Literal["auto", "float16", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_ds_mla", "nvfp4"] | None
    ) = None
    """How the key-value cache is stored."""
    kv_cache_memory_bytes: PositiveInt | None = None
    """Bytes of a GPU's memory for the key-value cache, instead of what `gpu_memory_utilization` leaves."""
    kv_offloading_size: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """GiB of the node's memory for parts of the key-value cache that the GPUs have no room for."""
    cpu_offload_gb: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """GiB of weights per GPU that stay in the node's memory."""
    block_size: PositiveInt | None = None
    """Tokens in a block of the key-value cache."""
    enable_prefix_caching: bool = True
    """Whether prompts that begin alike are read once."""

    max_num_batched_tokens: PositiveInt | None = None
    """Most tokens that a step computes, those of prompts included."""
    enable_chunked_prefill: bool | None = None
    """Whether a long prompt is read in several steps, beside the answers under way."""
    scheduling_policy: Literal["fcfs", "priority"] | None = None
    """Which request is next."""
    async_scheduling: bool | None = None
    """Whether the next step is planned while the GPUs compute."""
    attention_backend: Literal["FLASH_ATTN", "FLASHINFER", "TRITON_ATTN"] | None = None
    """What computes attention."""
    enforce_eager: bool | None = None
    """Whether steps are run as they are, without recorded CUDA graphs: a faster start, slower answers."""
    cudagraph_capture_sizes: list[PositiveInt] | None = None
    """Numbers of tokens whose steps are recorded as CUDA graphs."""
    max_cudagraph_capture_size: PositiveInt | None = None
    """Most tokens of a step that is recorded as a CUDA graph."""
    speculative_config: SpeculativeParameters | None = None
    """How tokens are guessed ahead."""

    chat_template: Annotated[str, AfterValidator(_jinja)] | None = None
    """Jinja template of a conversation, instead of the model's own."""
    chat_template_content_format: Literal["auto", "string", "openai"] | None = None
    """How a message's content is given to the template."""
    tool_call_parser: BuiltIn | None = None
    """Name of one of vLLM's own parsers; with one, the model calls tools."""
    enable_auto_tool_choice: bool | None = None
    """Whether the model chooses when to call tools. Default: with a `tool_call_parser`."""
    reasoning_parser: BuiltIn | None = None
    """Name of one of vLLM's own parsers; with one, what the model thinks is told apart from its answer."""
    structured_outputs_config: StructuredOutputsParameters | None = None
    """How answers are made to follow a schema."""

    lora: InsideSource | None = None
    """Folder of an adapter, inside the source's files: the model answers with it."""
    max_lora_rank: Literal[1, 8, 16, 32, 64, 128, 256, 320, 512] | None = None
    """Highest rank that the adapter may have."""
    lora_dtype: Literal["auto", "float16", "bfloat16"] | None = None
    """Type that the adapter is computed in."""
    fully_sharded_loras: bool | None = None
    """Whether all of the adapter is shared out over the GPUs of a layer, not half of it."""

    limit_mm_per_prompt: dict[Literal["image", "video", "audio"], Annotated[int, Field(ge=0)]] | None = None
    """Most images, videos and sounds of a prompt; 0 saves the memory that they would need."""
    mm_processor_cache_gb: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """GiB of the node's memory for images and the like that were prepared already."""
    mm_encoder_tp_mode: Literal["weights", "data"] | None = None
    """What the GPUs of a layer share of the encoder of images: its weights, or the images."""


SPEC = EngineSpec(
    name="vllm",
    task="text",
    title="vLLM, on NVIDIA GPUs",
    adapter="tts_app.engines.vllm.engine:VllmEngine",
    runtimes=(Runtime("vllm", "tts-playground-vllm", built=False),),
    quantizations=frozenset({"none", "fp8", "gptq-int4", "awq-int4"}),
    parameters=VllmParameters,
    fields={
        "model": "source",
        "served_model_name": "metadata.name",
        "max_model_len": "contextLength",
        "max_num_seqs": "replicas.targetOngoingRequests",
        "quantization": "quantization",
    },
    licenses=(LicenseNote("any model", "model"),),
    gpu_only=True,
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a model are: `tensor_parallel` x `pipeline_parallel` GPUs on `nodes` nodes."""

    nodes: int
    """Nodes, and pods, that one replica takes; each has as many GPUs as the others."""
    tensor_parallel: int
    """GPUs that share each layer."""
    pipeline_parallel: int
    """Stages that the layers are cut into."""
    gpus_per_worker: float
    """1; less where the whole model is in a part of one GPU."""

    @property
    def workers(self) -> int:
        """Processes of vLLM, each with its GPU."""
        return self.tensor_parallel * self.pipeline_parallel


_LAYOUT = ("nodes", "pipeline_parallel_size", "tensor_parallel_size")


def layout(gpus: float, parameters: Mapping[str, Any]) -> Layout:
    """Return how `gpus` GPUs, the replica's, are shared out. `parameters` are as VllmParameters has them.

    Raises:
        ValueError: the numbers do not go together.
    """
    # The others may be those of a model that an older version let in.
    ours = {name: parameters[name] for name in _LAYOUT if name in parameters}
    settings = VllmParameters.model_validate(ours)
    nodes = settings.nodes
    pipeline = settings.pipeline_parallel_size or nodes
    if 0 < gpus < 1:
        if nodes * pipeline * (settings.tensor_parallel_size or 1) > 1:
            raise ValueError(f"resources.gpu is {gpus:g}: part of a GPU cannot be spread over several")
        return Layout(1, 1, 1, gpus)
    if gpus < 1 or gpus % 1:
        raise ValueError(
            f"engine vllm needs a whole number of GPUs, or less than one; resources.gpu is {gpus:g}"
        )
    tensor = settings.tensor_parallel_size or max(1, int(gpus) // pipeline)
    if tensor * pipeline != gpus:
        raise ValueError(
            f"resources.gpu must be tensor_parallel_size x pipeline_parallel_size; it is {gpus:g}, and they "
            f"are {tensor} and {pipeline}"
        )
    if gpus % nodes:
        raise ValueError(
            f"resources.gpu must be a multiple of parameters.nodes; they are {gpus:g} and {nodes}"
        )
    return Layout(nodes, tensor, pipeline, 1)
