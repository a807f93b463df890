"""The TextModel resource: a language model that writes text."""

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, ValidationInfo, model_validator

from tts_app.resources.base import (
    NOT_THE_GATEWAYS_NAME,
    Column,
    CustomResource,
    License,
    Name,
    Quantization,
    Replicas,
    Resource,
    Source,
)
from tts_app.resources.engines import ENGINES, engines_of
from tts_app.resources.engines.vllm import Layout, layout
from tts_app.resources.faults import check_parameters
from tts_app.resources.quantities import Resources
from tts_app.resources.rules import OneOf, immutable, known_quantization, on_gpus
from tts_app.resources.status import TextModelStatus

_ENGINES = engines_of("text")


class TextModelSpec(Resource):
    """Which language model is served, and how."""

    rules = (
        *known_quantization(_ENGINES.values()),
        *on_gpus(_ENGINES.values()),
        immutable("service", "make a TextModel of another name in the other service and delete this one"),
    )

    service: Name = "playground"
    """Service that serves the model; models of one service share a Ray cluster and an address."""
    engine: Annotated[str, OneOf("engine", tuple(_ENGINES))]
    """Engine that runs the model."""
    source: Source
    """Where the model's files come from."""
    quantization: Quantization = "none"
    """How the weights are compressed; a GGUF file of llamacpp has its own compression and takes none."""
    license: License
    """What the model's weights may be used for."""
    context_length: Annotated[int, Field(ge=128, le=1 << 20)] = 4096
    """Tokens that a prompt and its answer may have together."""
    replicas: Replicas = Replicas()
    """How many copies of the model run."""
    resources: Resources = Resources()
    """What each copy asks of its node; of several nodes, where vllm's parameter `nodes` says so, together."""
    parameters: dict[str, JsonValue] = {}
    """The engine's own settings, such as vllm's `tensor_parallel_size`."""

    @property
    def image_key(self) -> str:
        """The name in `images.engines` of the image that it runs in."""
        return ENGINES[self.engine].image_key(ENGINES[self.engine].runtime)

    @property
    def layout(self) -> Layout | None:
        """How the GPUs of a replica are shared out, where vllm does that."""
        return layout(self.resources.gpus, self.parameters) if self.engine == "vllm" else None

    @model_validator(mode="after")
    def _check_parameters(self, info: ValidationInfo) -> Self:
        """Refuse what the API server cannot: it does not look into `parameters`."""
        check_parameters(ENGINES[self.engine].parameter_faults(self.parameters), info)
        _ = self.layout
        return self


class TextModel(CustomResource):
    """A language model, served as one Ray Serve application."""

    plural = "textmodels"
    short_name = "tm"
    columns = (
        Column("Service", ".spec.service"),
        Column("Engine", ".spec.engine"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
        Column("Replicas", ".status.readyReplicas", "integer"),
        Column("Context", ".spec.contextLength", "integer"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Quantization", ".spec.quantization", wide=True),
        Column("Message", '.status.conditions[?(@.type=="Ready")].message', wide=True),
    )
    rules = (*CustomResource.rules, NOT_THE_GATEWAYS_NAME)

    kind: Literal["TextModel"] = "TextModel"
    """Kind of the resource: TextModel."""
    spec: TextModelSpec
    """Which language model is served, and how."""
    status: TextModelStatus | None = None
    """What the operator found."""
