"""The objects from which a service or a TTSJob is read, and how they name their owner."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tts_operator.objects import (
    CLAIM,
    DISRUPTION_BUDGET,
    HTTP_ROUTE,
    INGRESS,
    JOB,
    JOB_LABEL,
    MODELS,
    NETWORK_POLICY,
    PLAYGROUND,
    POD,
    POD_MONITOR,
    RAY_CLUSTER,
    RAY_JOB,
    RAY_SERVICE,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_LABEL,
    SERVICE_MONITOR,
    TTS_JOB,
    JobKey,
    Key,
    Kind,
    Manifest,
)

DEFAULT_SERVICE = "playground"
"""The service of a model that names none."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The objects of one kind that belong to services, or to TTSJobs."""

    kind: Kind
    owner: type[Key] | type[JobKey]
    by: Literal["name", "service", "label"]
    """Where the owner's name is: the object's own name, its `spec.service`, or the owner's label."""

    @property
    def label(self) -> str | None:
        """The label that the objects must have; None where all objects of the kind count."""
        if self.by != "label":
            return None
        return SERVICE_LABEL if self.owner is Key else JOB_LABEL

    def key_of(self, found: Manifest) -> Key | JobKey:
        """Return the owner of an object."""
        metadata = found["metadata"]
        if self.label is not None:
            name = metadata["labels"][self.label]
        elif self.by == "service":
            name = (found.get("spec") or {}).get("service", DEFAULT_SERVICE)
        else:
            name = metadata["name"]
        return self.owner(metadata["namespace"], name)

    def selectors(self, key: Key | JobKey) -> tuple[Mapping[str, str] | None, Mapping[str, str] | None]:
        """Return the label and field selectors with which the API server finds the objects of `key`."""
        _, name = key
        if self.label is not None:
            return {self.label: name}, None
        return None, {"spec.service" if self.by == "service" else "metadata.name": name}


_OF_SERVICES = (
    RAY_SERVICE,
    RAY_CLUSTER,
    POD,
    JOB,
    SERVICE_ACCOUNT,
    CLAIM,
    NETWORK_POLICY,
    DISRUPTION_BUDGET,
    SERVICE,
    POD_MONITOR,
    SERVICE_MONITOR,
    INGRESS,
    HTTP_ROUTE,
)
WATCHED: Final = (
    *(Watched(kind, Key, "service") for kind in MODELS),
    Watched(PLAYGROUND, Key, "name"),
    *(Watched(kind, Key, "label") for kind in _OF_SERVICES),
    Watched(TTS_JOB, JobKey, "name"),
    Watched(RAY_JOB, JobKey, "label"),
    Watched(POD, JobKey, "label"),
)
BY_OWNER: Final = {(watched.kind, watched.owner): watched for watched in WATCHED}
