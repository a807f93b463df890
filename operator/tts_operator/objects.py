"""Kubernetes objects as plain dicts: the kinds that the operator knows, and what identifies them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

Manifest = Mapping[str, Any]

GROUP: Final = "ttsplayground.dev"
FIELD_MANAGER: Final = "tts-operator"
"""Owner, in server-side apply, of the fields that the operator writes."""
SERVICE_LABEL: Final = f"{GROUP}/service"
"""On every child: the service that it is part of."""
MODEL_LABEL: Final = f"{GROUP}/model"
"""On a loader Job and its pods: the model whose files it fetches."""
JOB_LABEL: Final = f"{GROUP}/ttsjob"
"""On every child of a TTSJob and on its pods, which have no service label: the job's name."""
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
MANAGED_LABEL: Final = "app.kubernetes.io/managed-by"
APPLIED_ANNOTATION: Final = f"{GROUP}/applied"
"""Hash of the last applied manifest: it shows dropped fields, which a comparison with the object does not."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource type of the API."""

    api_version: str
    name: str
    plural: str

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]


VOICE_MODEL = Kind(f"{GROUP}/v1alpha1", "VoiceModel", "voicemodels")
TEXT_MODEL = Kind(f"{GROUP}/v1alpha1", "TextModel", "textmodels")
MODELS: Final = (VOICE_MODEL, TEXT_MODEL)
"""The kinds that are served: each model is an application of its own."""
PLAYGROUND = Kind(f"{GROUP}/v1alpha1", "Playground", "playgrounds")
TTS_JOB = Kind(f"{GROUP}/v1alpha1", "TTSJob", "ttsjobs")
RAY_JOB = Kind("ray.io/v1", "RayJob", "rayjobs")
RAY_SERVICE = Kind("ray.io/v1", "RayService", "rayservices")
RAY_CLUSTER = Kind("ray.io/v1", "RayCluster", "rayclusters")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
POD = Kind("v1", "Pod", "pods")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
INGRESS = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
SERVICE = Kind("v1", "Service", "services")
POD_MONITOR = Kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors")
SERVICE_MONITOR = Kind("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors")
JOB = Kind("batch/v1", "Job", "jobs")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
EVENT = Kind("events.k8s.io/v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")

KINDS: Final = {
    kind.name: kind
    for kind in (
        *MODELS,
        PLAYGROUND,
        TTS_JOB,
        RAY_JOB,
        RAY_SERVICE,
        RAY_CLUSTER,
        CONFIG_MAP,
        POD,
        SERVICE_ACCOUNT,
        CLAIM,
        NETWORK_POLICY,
        INGRESS,
        DISRUPTION_BUDGET,
        SERVICE,
        POD_MONITOR,
        SERVICE_MONITOR,
        JOB,
        HTTP_ROUTE,
        EVENT,
        LEASE,
    )
}


@dataclass(frozen=True, slots=True)
class Ref:
    """One object within a namespace."""

    kind: Kind
    name: str


class Key(NamedTuple):
    """A service."""

    namespace: str
    service: str


class JobKey(NamedTuple):
    """A TTSJob."""

    namespace: str
    job: str


def ref_of(manifest: Manifest) -> Ref:
    """Return the object that `manifest` describes."""
    return Ref(KINDS[manifest["kind"]], manifest["metadata"]["name"])


def labels(service: str) -> dict[str, str]:
    """Return the labels of every child of a service."""
    return {
        "app.kubernetes.io/name": "tts-playground",
        "app.kubernetes.io/instance": service,
        MANAGED_LABEL: FIELD_MANAGER,
        SERVICE_LABEL: service,
    }


def is_ours(live: Manifest) -> bool:
    """Return whether an object belongs to the operator."""
    return bool(live["metadata"].get("labels", {}).get(MANAGED_LABEL) == FIELD_MANAGER)


def manifest(
    kind: Kind, name: str, service: str, body: Mapping[str, Any], extra: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the manifest of a child of `service`, with the labels of every child, and `extra` ones."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {"name": name, "labels": {**(extra or {}), **labels(service)}},
        **body,
    }


def differences(desired: Any, live: Any, path: str = "") -> list[str]:
    """Return the paths, below `path`, where `live` lacks what is desired; anything more in it does not count.

    Lists must have the desired length, and match item by item. Empty and absent are the same: the server
    drops empty values.
    """
    if live is None and desired in (None, "", [], {}):
        return []
    if isinstance(desired, Mapping) and isinstance(live, Mapping):
        return [p for key in desired for p in differences(desired[key], live.get(key), f"{path}.{key}")]
    if isinstance(desired, list) and isinstance(live, list) and len(desired) == len(live):
        pairs = enumerate(zip(desired, live, strict=True))
        return [p for i, (new, old) in pairs for p in differences(new, old, f"{path}[{i}]")]
    return [] if desired == live else [path]


def rfc3339(moment: datetime, precision: Literal["seconds", "microseconds"] = "seconds") -> str:
    """Return a moment in UTC in the API's notation."""
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")
