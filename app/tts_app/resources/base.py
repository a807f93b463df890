"""What the kinds of custom resources share: their base classes, and the types of common fields."""

from typing import Annotated, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tts_app.resources.rules import Rule, inside_claim

GROUP: Final = "ttsplayground.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "ttsplayground.dev/v1alpha1"

Quantization = Literal["none", "int8", "fp16", "fp8", "int4", "gptq-int4", "awq-int4", "auto"]
"""`auto`: what fits into the free memory of the GPU, `none` first."""

_DNS_LABEL = r"^[a-z]([-a-z0-9]{0,45}[a-z0-9])?$"
Name = Annotated[
    str,
    StringConstraints(pattern=_DNS_LABEL),
    Field(json_schema_extra={"maxLength": 47}),
]
"""A DNS-1035 label of at most 47 characters: it becomes part of KubeRay's names."""
ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
"""The name of a Kubernetes object that is not ours, such as a Secret."""
ObjectKey = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]
"""A key in the data of a ConfigMap or Secret."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
"""A short text for people."""
VOICE_ID = r"^voice_[0-9a-f]{24}$"
VoiceId = Annotated[str, StringConstraints(pattern=VOICE_ID), Field(json_schema_extra={"maxLength": 30})]
"""The id of a cloned voice."""
SourceUri = Annotated[str, StringConstraints(pattern=r"^(hf|s3|gs|pvc|file|package)://.+", max_length=2048)]
"""Where model files and clips are read from."""
StorageUri = Annotated[str, StringConstraints(pattern=r"^(s3|gs|pvc|file)://.+", max_length=2048)]
"""Where posts are read from and audio is written to."""


class Resource(BaseModel):
    """Base of every part of a custom resource: camelCase in YAML, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """What must hold between the fields, here and in the API server alike."""

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        faults = [fault for rule in self.rules if (fault := rule.fault(self))]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the rules, as the API server reads them."""
        schema = handler(core_schema)
        if cls.rules:
            validations = [{"rule": rule.cel, "message": rule.message} for rule in cls.rules]
            handler.resolve_ref_schema(schema)["x-kubernetes-validations"] = validations
        return schema


class Column(NamedTuple):
    """A column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False
    """Whether only `-o wide` shows it."""


class Metadata(Resource):
    """The part of Kubernetes' object metadata that matters here; other fields are kept as they are."""

    model_config = ConfigDict(extra="allow")

    name: Name
    """Name of the resource: a DNS-1035 label of at most 47 characters."""
    namespace: str | None = None
    """Namespace of the resource."""
    labels: dict[str, str] = {}
    """Labels of the resource."""
    annotations: dict[str, str] = {}
    """Annotations of the resource."""


class CustomResource(Resource):
    """Base of the kinds: what a whole resource has, and how Kubernetes shows it."""

    plural: ClassVar[str]
    short_name: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "metadata.name must be a DNS-1035 label of at most 47 characters: lowercase letters, digits and "
            "'-', beginning with a letter and not ending with '-'",
            cel=f"self.metadata.name.matches('{_DNS_LABEL}')",
        ),
    )

    api_version: Literal["ttsplayground.dev/v1alpha1"] = API_VERSION
    """Version of the API: ttsplayground.dev/v1alpha1."""
    metadata: Metadata
    """Standard object metadata."""

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.metadata.name

    def written(self) -> dict[str, JsonValue]:
        """Return the resource as a user wrote it: without status, foreign metadata and what is left out."""
        manifest = self.model_dump(mode="json", by_alias=True, exclude={"status"}, exclude_none=True)
        return {**manifest, "metadata": {"name": self.name}}


NOT_THE_GATEWAYS_NAME = Rule(
    "a model must not be called 'gateway': that is the API's own application",
    cel="self.metadata.name != 'gateway'",
    holds=lambda model: model.name != "gateway",
)


class Source(Resource):
    """Where a model's files come from."""

    rules = (
        Rule(
            "an hf:// source needs `revision`, the commit that pins it",
            cel="!self.uri.startsWith('hf://') || has(self.revision)",
            holds=lambda source: not source.uri.startswith("hf://") or source.revision is not None,
        ),
        inside_claim(),
    )

    uri: SourceUri
    """Address of the files: hf://owner/repository, s3://, gs://, pvc://claim/path, file:// or package://."""
    revision: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    """A commit or version that pins what `uri` names; `hf://` must have one."""
    sha256: dict[str, Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]] = {}
    """SHA-256 of files by their path inside the source; a named file that differs is refused."""


class License(Resource):
    """What a model's or voice's weights may be used for."""

    spdx: Text
    """SPDX identifier of the licence, such as Apache-2.0."""
    commercial_use: bool
    """Whether the licence allows commercial use."""
    base: Text | None = None
    """Model that it was made from, with that one's licence, whose conditions it inherits."""


class Replicas(Resource):
    """How many copies of the model run, and when there are more."""

    rules = (
        Rule(
            "replicas.min must not exceed replicas.max",
            cel="self.min <= self.max",
            holds=lambda replicas: replicas.min <= replicas.max,
            found=lambda replicas: f"they are {replicas.min} and {replicas.max}",
        ),
    )

    min: Annotated[int, Field(ge=0, le=1000)] = 1
    """Copies that always run; 0 lets the model scale to zero when it is idle."""
    max: Annotated[int, Field(ge=1, le=1000)] = 1
    """Most copies that run at a time."""
    target_ongoing_requests: Annotated[float, Field(gt=0, le=10_000)] = 2
    """Requests that one copy is meant to serve at a time; above that another copy is started."""
