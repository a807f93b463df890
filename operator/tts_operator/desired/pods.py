"""Pod templates that satisfy the `restricted` Pod Security Standard, with nothing a resource could widen."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tts_app.resources import Playground, Resources
from tts_app.resources.quantities import Compute
from tts_operator.desired import claims
from tts_operator.objects import labels

USER = 1000
"""The images' user and group: they have no other, and no shell that could become one."""
RAY_MEMORY = 1 << 30
"""Bytes that Ray's own processes, the Serve proxy and the object store take in a pod, beside the model."""
OBJECT_STORE = 128 << 20
"""Shared memory of a pod: it holds segments on their way from the model to the gateway."""
GRACE = 30
"""Seconds that a pod has to end, as Kubernetes itself has it."""
CACHE_PATH = "/cache"
STATE_PATH = "/state"
AUDIO_PATH = "/audio-output"
CLAIMS_PATH = "/claims"
"""Where claims are mounted that `pvc://` names, each by its name."""
_SCRATCH = {"tmp": "/tmp"}  # noqa: S108 - a mount: the rest of the file system is read-only


@dataclass(frozen=True, slots=True)
class Mount:
    """A claim, and where it is mounted; mounts of one name are of one volume."""

    name: str
    claim: str
    """Empty for a volume that lives as long as its pod."""
    path: str
    read_only: bool = False


OFFLINE = {"name": "HF_HUB_OFFLINE", "value": "1"}
"""Of pods that serve: their models were fetched before, and they reach nothing outside."""


def pod_template(
    playground: Playground,
    container: str,
    image: str,
    resources: Mapping[str, Mapping[str, str]],
    mounts: Sequence[Mount],
    ports: Mapping[str, int],
    environment: Sequence[Mapping[str, Any]] = (),
    grace: int = GRACE,
) -> dict[str, Any]:
    """Return the template of a pod with one container.

    `resources` are the container's requests and limits, `ports` its port numbers by name, `environment` the
    variables that it has beside those of every pod, `grace` the seconds that it has to end.
    """
    images, scheduling = playground.spec.images, playground.spec.scheduling
    tied = claims.labels_of(playground, {mount.claim for mount in mounts})
    spec: dict[str, Any] = {
        "serviceAccountName": playground.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": container,
                "image": image,
                "imagePullPolicy": images.pull_policy,
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                    "runAsNonRoot": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "resources": {name: dict(amounts) for name, amounts in resources.items()},
                "env": [*_environment(), *map(dict, environment)],
                "ports": [
                    {"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()
                ],
                "volumeMounts": [
                    *({"name": name, "mountPath": path} for name, path in _SCRATCH.items()),
                    *map(_volume_mount, mounts),
                ],
            }
        ],
        "volumes": [
            *({"name": name, "emptyDir": {}} for name in _SCRATCH),
            *{mount.name: _volume(mount) for mount in mounts}.values(),
        ],
    }
    if tied:
        spec["affinity"] = claims.affinity(tied)
    if images.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in images.pull_secrets]
    if scheduling.node_selector:
        spec["nodeSelector"] = dict(sorted(scheduling.node_selector.items()))
    if scheduling.tolerations:
        spec["tolerations"] = [
            toleration.model_dump(mode="json", by_alias=True, exclude_none=True)
            for toleration in scheduling.tolerations
        ]
    if scheduling.priority_class_name:
        spec["priorityClassName"] = scheduling.priority_class_name
    if scheduling.runtime_class_name:
        spec["runtimeClassName"] = scheduling.runtime_class_name
    return {"metadata": {"labels": {**tied, **labels(playground.name)}}, "spec": spec}


def secret_variable(name: str, secret: str, key: str) -> dict[str, Any]:
    """Return an environment variable whose value a Secret holds."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def worker_resources(resources: Resources, pods: int = 1) -> dict[str, dict[str, str]]:
    """Return requests and limits of each of the `pods` that hold a replica of that size, beside Ray."""
    amounts = _amounts(resources.cpus / pods, resources.memory_bytes // pods + RAY_MEMORY)
    if resources.gpus:
        for kind in amounts.values():
            kind["nvidia.com/gpu"] = str(math.ceil(resources.gpus / pods))
    return amounts


def head_resources(*parts: Compute) -> dict[str, dict[str, str]]:
    """Return requests and limits of a pod that holds all `parts`."""
    return _amounts(sum(part.cpus for part in parts), sum(part.memory_bytes for part in parts))


def _amounts(cpus: float, memory: int) -> dict[str, dict[str, str]]:
    """Return requests and limits: the memory is limited to what is asked for, the cores are not, for idle
    ones would stay idle. Written as the API server writes them.
    """
    milli = round(cpus * 1000)
    cpu = f"{milli}m" if milli % 1000 else str(milli // 1000)
    return {"requests": {"cpu": cpu, "memory": str(memory)}, "limits": {"memory": str(memory)}}


def _volume(mount: Mount) -> dict[str, Any]:
    if not mount.claim:
        return {"name": mount.name, "emptyDir": {}}
    return {"name": mount.name, "persistentVolumeClaim": {"claimName": mount.claim}}


def _volume_mount(mount: Mount) -> dict[str, Any]:
    read_only = {"readOnly": True} if mount.read_only else {}
    return {"name": mount.name, "mountPath": mount.path, **read_only}


def _environment() -> list[dict[str, Any]]:
    values = {
        "HOME": "/tmp",  # noqa: S108 - the mount
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "TTSP_CACHE": CACHE_PATH,
        "TTSP_CLAIMS": CLAIMS_PATH,
        "TTSP_STATE_DIR": STATE_PATH,
        "TTSP_AUDIO_OUTPUT": AUDIO_PATH,
    }
    return [{"name": name, "value": value} for name, value in values.items()]
