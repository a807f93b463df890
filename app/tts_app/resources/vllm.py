"""How the GPUs of one replica of a `vllm` model are shared out: said once, for checks, Serve and pods."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    """Return how `gpus` GPUs, the replica's, are shared out.

    `parameters` may say `nodes` (default 1), `pipeline_parallel_size` (default: the nodes, for little goes
    from stage to stage) and `tensor_parallel_size` (default: what is left).

    Raises:
        ValueError: the numbers do not go together, or a parameter is given that the resource has a field for.
    """
    for name, field in _SAID_OTHERWISE.items():
        if name in parameters:
            raise ValueError(f"parameters.{name} is said by {field}: remove it")
    if parameters.get("trust_remote_code"):
        raise ValueError("parameters.trust_remote_code would run the source's own code: no model may have it")
    nodes = _number(parameters, "nodes", 1)
    pipeline = _number(parameters, "pipeline_parallel_size", nodes)
    if 0 < gpus < 1:
        if nodes * pipeline * _number(parameters, "tensor_parallel_size", 1) > 1:
            raise ValueError(f"resources.gpu is {gpus:g}: part of a GPU cannot be spread over several")
        return Layout(1, 1, 1, gpus)
    if gpus < 1 or gpus % 1:
        raise ValueError(
            f"engine vllm needs a whole number of GPUs, or less than one; resources.gpu is {gpus:g}"
        )
    tensor = _number(parameters, "tensor_parallel_size", max(1, int(gpus) // pipeline))
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


def _number(parameters: Mapping[str, Any], name: str, default: int) -> int:
    value = parameters.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"parameters.{name} must be a whole number from 1; it is {value!r}")
    return value
