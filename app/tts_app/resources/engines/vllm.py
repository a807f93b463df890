"""vLLM, and how the GPUs of one replica are shared out: said once, for checks, Serve and pods."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from tts_app.resources.engines.spec import EngineSpec, LicenseNote, Parameters, Runtime

PositiveInt = Annotated[int, Field(ge=1)]


class VllmParameters(Parameters):
    """The engine's own settings; beside these, every argument that vLLM knows."""

    model_config = ConfigDict(extra="allow")

    nodes: PositiveInt = 1
    """Nodes, and pods, of one replica; each has the same part of `resources`."""
    pipeline_parallel_size: PositiveInt | None = None
    """Stages that the layers are cut into. Default: `nodes`, for little goes from stage to stage."""
    tensor_parallel_size: PositiveInt | None = None
    """GPUs that share each layer. Default: what is left, so that the two make `resources.gpu`."""
    enable_prefix_caching: bool = True
    """Whether prompts that begin alike are read once."""
    tool_call_parser: str | None = None
    """vLLM's name of a parser; with one, the model calls tools."""
    lora: str | None = None
    """Folder of an adapter, inside the source's files: the model answers with it."""


SPEC = EngineSpec(
    name="vllm",
    task="text",
    title="vLLM, on NVIDIA GPUs",
    adapter="tts_app.engines.vllm.engine:VllmEngine",
    runtimes=(Runtime("vllm", "tts-playground-vllm", built=False),),
    quantizations=frozenset({"none", "fp8", "gptq-int4", "awq-int4"}),
    parameters=VllmParameters,
    licenses=(LicenseNote("any model", "model"),),
    gpu_only=True,
)

_SAID_OTHERWISE = {
    "model": "source",
    "served_model_name": "metadata.name",
    "max_model_len": "contextLength",
    "max_num_seqs": "replicas.targetOngoingRequests",
    "quantization": "quantization",
}
"""vLLM's own arguments that the resource has a field for."""


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


def layout(gpus: float, parameters: Mapping[str, Any]) -> Layout:
    """Return how `gpus` GPUs, the replica's, are shared out. `parameters` are as VllmParameters has them.

    Raises:
        ValueError: the numbers do not go together, or a parameter is given that the resource has a field for.
    """
    for name, field in _SAID_OTHERWISE.items():
        if name in parameters:
            raise ValueError(f"parameters.{name} is said by {field}: remove it")
    if parameters.get("trust_remote_code"):
        raise ValueError("parameters.trust_remote_code would run the source's own code: no model may have it")
    settings = VllmParameters.model_validate(dict(parameters))
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
