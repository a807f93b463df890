"""What the operator reports: the `status` of each kind.

Unknown fields are ignored: a newer operator may have written them.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from tts_app.resources.base import Resource
from tts_app.resources.locales import Locale
from tts_app.resources.rules import Unique

Count = Annotated[int, Field(ge=0)]
Percent = Annotated[int, Field(ge=0, le=100)]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A moment, in RFC 3339."""
Phase = Literal["Pending", "Running", "Suspended", "Succeeded", "PartiallyFailed", "Failed"]


class Reported(Resource):
    """Base of every part of a status."""

    model_config = ConfigDict(extra="ignore")


class Condition(Reported):
    """One aspect of the resource's state, as Kubernetes' own kinds report it."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=316)]
    """The aspect: Ready, Progressing, Degraded and the like."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", max_length=1024)
    ]
    """Why, in one word for programs."""
    message: Annotated[str, StringConstraints(max_length=32768)]
    """Why, and what can be done about it, for people."""
    last_transition_time: Time
    """When `status` last changed."""
    observed_generation: Count | None = None
    """The generation of the resource that this was found for."""


class Status(Reported):
    """What every kind reports."""

    observed_generation: Count | None = None
    """The generation of the resource that this status is about."""
    conditions: Annotated[list[Condition], Unique(("type",))] = []
    """The state: one condition for each aspect."""


class Served(Status):
    """What a kind reports that is served on a Ray cluster."""

    url: str | None = None
    """Address of the service's API inside the cluster."""
    ray_service: str | None = None
    """Name of the RayService that serves it."""
    ray_cluster: str | None = None
    """Name of the RayCluster that serves it now."""
    dashboard_url: str | None = None
    """Address of Ray's dashboard for administrators, where the Playground has `ray.dashboard`."""


class Download(Reported):
    """How far the model's files have been fetched into the cache."""

    percent: Percent = 0
    """Bytes that are there, in per cent of all."""
    bytes: Count = 0
    """Bytes that are there."""
    total_bytes: Count | None = None
    """Bytes there will be, where the source tells."""


class ModelStatus(Served):
    """What a model reports."""

    replicas: Count | None = None
    """Copies of the model that are wanted now."""
    ready_replicas: Count | None = None
    """Copies of the model that serve requests."""
    download: Download | None = None
    """How far the model's files have been fetched, while that goes on."""


class TextModelStatus(ModelStatus):
    """What a TextModel reports."""


class VoiceModelStatus(ModelStatus):
    """What a VoiceModel reports."""

    locales: Annotated[list[Locale], Unique()] = []
    """Locales that the model speaks, sorted."""
    avatars: Count | None = None
    """How many avatars this model speaks, without those that another model of the service speaks."""


class Progress(Reported):
    """How many of the job's items are done."""

    total: Count = 0
    """Items that the job has: posts times avatars."""
    done: Count = 0
    """Items whose audio is in the output."""
    failed: Count = 0
    """Items that failed after every retry."""
    skipped: Count = 0
    """Items whose audio was in the output before the job began; they count as done too."""
    percent: Percent = 0
    """Items done or failed, in per cent of all."""
    summary: str = "0/0"
    """`done/total`, for `kubectl get`."""


class Failure(Reported):
    """An item that failed."""

    post: Count
    """Id of the post."""
    avatar: str
    """Id of the avatar, such as female_en-US."""
    reason: str
    """Why, in one word for programs."""
    message: Annotated[str, StringConstraints(max_length=1024)]
    """Why, for people."""


class TTSJobStatus(Status):
    """What a TTSJob reports."""

    phase: Phase | None = None
    """The job's phase; Succeeded, PartiallyFailed (some items failed) and Failed are final."""
    progress: Progress | None = None
    """How many of the job's items are done."""
    failures: Annotated[list[Failure], Field(max_length=10)] = []
    """The first ten items that failed; the output's ledger has them all."""
    start_time: Time | None = None
    """When the job first ran, or first ran again after it was suspended: its deadline counts from here."""
    completion_time: Time | None = None
    """When the job ended, well or not."""
    ray_job: str | None = None
    """Name of the RayJob that does the work."""
    failed_attempts: Count | None = None
    """RayJobs that failed; after each the operator starts another, up to a limit."""


class ModelCount(Reported):
    """How many models a service has."""

    total: Count = 0
    """VoiceModels and TextModels of the service."""
    ready: Count = 0
    """Those that are Ready."""
    summary: str = "0/0"
    """`ready/total`, for `kubectl get`."""


class PlaygroundStatus(Served):
    """What a Playground reports."""

    models: ModelCount | None = None
    """How many models the service has, and how many of them are ready."""
