"""What the operators are measured with: VoiceModels spread over services, TTSJobs, KubeRay's word: pure."""

from dataclasses import dataclass
from typing import Any

from resources import API, CLUSTER, application, pod, serving, voice_model

LOCALES = ("en-US", "en-GB", "en-AU", "ar-SA", "ar-EG", "ar-AE", "es-ES", "hi-IN", "ur-PK")
AVATARS = tuple(f"{gender}_{locale}" for locale in LOCALES for gender in ("female", "male"))
VOICES = 2
"""Avatars of a model: no two models of a service may share one."""
MOST = len(AVATARS) // VOICES
"""Models that a service can have."""
OTHER_SPEAKER = "af_bella"

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """How many VoiceModels there are, and how they share services and namespaces."""

    name: str
    models: int
    models_a_service: int
    namespaces: int

    def __post_init__(self) -> None:
        if not 1 <= self.models_a_service <= MOST:
            raise ValueError(f"a service can have 1 to {MOST} of these models, not {self.models_a_service}")

    @property
    def services(self) -> int:
        """How many services there are."""
        return -(-self.models // self.models_a_service)

    def service(self, number: int) -> tuple[str, str]:
        """Return the namespace and the name of a service."""
        return f"bench-{number % self.namespaces}", f"s{number:04}"

    def namespace_names(self) -> list[str]:
        """Return the namespaces' names."""
        return [f"bench-{number}" for number in range(self.namespaces)]

    def model(self, number: int) -> Object:
        """Return a VoiceModel."""
        service, place = divmod(number, self.models_a_service)
        namespace, name = self.service(service)
        avatars = AVATARS[place * VOICES : (place + 1) * VOICES]
        made = voice_model(f"{name}-m{place}", avatars, service=name)
        made["metadata"]["namespace"] = namespace
        return made

    def job(self, number: int) -> Object:
        """Return a TTSJob of one of the services."""
        namespace, service = self.service(number % self.services)
        return {
            "apiVersion": API,
            "kind": "TTSJob",
            "metadata": {"name": f"{service}-j{number // self.services}", "namespace": namespace},
            "spec": {
                "service": service,
                "posts": {"inline": [{"id": 1, "text": {"en": f"Welcome, guest {number}."}}]},
                "avatars": {"locales": ["en-US"], "genders": ["female", "male"]},
                "output": {"uri": f"pvc://{service}-audio/jobs/{number}"},
                "suspend": True,
            },
        }

    def applications(self, number: int) -> list[str]:
        """Return the names of the Serve applications of a service."""
        first = number * self.models_a_service
        count = min(self.models_a_service, self.models - first)
        name = self.service(number)[1]
        return ["gateway", *(f"{name}-m{place}" for place in range(count))]


def changed(model: Object) -> Object:
    """Return the patch of a VoiceModel that lets its first voice speak with another speaker."""
    first, *rest = model["spec"]["voices"]
    return {"spec": {"voices": [{**first, "speaker": OTHER_SPEAKER}, *rest]}}


def cluster_of(service: Object) -> str:
    """Return the name of a RayService's cluster: what KubeRay named it, or what it is said to be."""
    status = service.get("status", {})
    named = (
        status.get(part, {}).get("rayClusterName") for part in ("activeServiceStatus", "pendingServiceStatus")
    )
    return next(filter(None, named), CLUSTER)


def pods(service: Object) -> list[Object]:
    """Return the pods that KubeRay makes of a RayService."""
    metadata, cluster = service["metadata"], cluster_of(service)
    groups = {"headgroup": 1}
    for group in service["spec"]["rayClusterConfig"]["workerGroupSpecs"]:
        groups[group["groupName"]] = group["replicas"]
    made = []
    for group, count in groups.items():
        for number in range(count):
            one = pod(f"{metadata['name']}-{group}-{number}", group, metadata["name"])
            one["metadata"]["namespace"] = metadata["namespace"]
            one["metadata"]["labels"]["ray.io/cluster"] = cluster
            one["spec"] |= {"serviceAccountName": metadata["name"], "automountServiceAccountToken": False}
            made.append(one)
    return made


POD_READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
"""The status of a pod that serves."""


def ready_status(service: Object, applications: list[str]) -> Object:
    """Return the status of a RayService whose applications all run, as KubeRay writes it."""
    status = serving(service["metadata"]["generation"], **{name: application() for name in applications})
    status["activeServiceStatus"]["rayClusterName"] = cluster_of(service)
    return status
