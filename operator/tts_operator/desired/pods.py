"""Pod templates that satisfy the `restricted` Pod Security Standard; no resource can loosen them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tts_app.resources import Playground, Resources
from tts_app.resources.quantities import Compute
from tts_operator.desired import claims
from tts_operator.desired.tracing import tracing_variables

USER = 1000
"""The images' user and group: they have no other, and no shell that could become another."""
RAY_MEMORY = 1 << 30
"""Bytes that Ray's own processes, the Serve proxy and the object store use in a pod beside the model."""
OBJECT_STORE = 128 << 20
"""Bytes of a pod's shared memory: it holds segments on their way from the model to the gateway."""
GRACE = 30
"""Seconds that a pod has to end: Kubernetes' own default."""
CACHE_PATH = "/cache"
STATE_PATH = "/state"
AUDIO_PATH = "/audio-output"
CLAIMS_PATH = "/claims"
"""Where the claims of `pvc://` addresses are mounted, each by its name."""
_RAY_PODS = ("ray-head", "ray-worker")
_AUTHORITY_PATH = "/etc/tts-playground/ray-authority"
_RAY_LOGS = (
    # Everything that Ray's processes print is in the container's log, which Kubernetes keeps and rotates.
    {"name": "RAY_LOG_TO_STDERR", "value": "1"},
    {"name": "RAY_BACKEND_LOG_JSON", "value": "1"},
    # Serve would print its lines there as text; the replicas print them as JSON.
    {"name": "RAY_SERVE_LOG_TO_STDERR", "value": "0"},
)
_RAY_TLS_PATH = "/etc/tts-playground/ray-tls"
_RAY_TLS_MOUNT = {"name": "ray-tls", "mountPath": _RAY_TLS_PATH, "readOnly": True}
_RAY_TLS = (
    {"name": "RAY_USE_TLS", "value": "1"},
    {"name": "RAY_TLS_SERVER_CERT", "value": f"{_RAY_TLS_PATH}/tls.crt"},
    {"name": "RAY_TLS_SERVER_KEY", "value": f"{_RAY_TLS_PATH}/tls.key"},
    {"name": "RAY_TLS_CA_CERT", "value": f"{_RAY_TLS_PATH}/ca.crt"},
)
_SCRATCH = {"tmp": "/tmp"}  # noqa: S108 - a mount: the rest of the file system is read-only


@dataclass(frozen=True, slots=True)
class Mount:
    """A claim, and where it is mounted; mounts with the same name share one volume."""

    name: str
    claim: str
    """Empty for a volume that lives as long as its pod."""
    path: str
    read_only: bool = False


OFFLINE = {"name": "HF_HUB_OFFLINE", "value": "1"}
"""For pods that serve: their models are fetched already, and they cannot reach the outside."""


@dataclass(frozen=True, slots=True)
class File:
    """A key of a ConfigMap, mounted as one file."""

    volume: str
    config_map: str
    key: str
    path: str


@dataclass(frozen=True, slots=True)
class SecretMount:
    """A Secret, mounted as a folder of files that change when it does."""

    volume: str
    secret: str
    path: str


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What differs between the pods of this project; each has one container."""

    playground: Playground
    """The service's, or the one that is the template of a job's own cluster."""
    container: str
    """The container's name."""
    image: str
    resources: Mapping[str, Mapping[str, str]]
    """The container's requests and limits."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    files: Sequence[File] = ()
    secrets: Sequence[SecretMount] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    """Port numbers by name."""
    environment: Sequence[Mapping[str, Any]] = ()
    """Variables in addition to those of every pod."""
    secret: str = ""
    """A Secret whose keys become variables too; empty for none."""
    command: Sequence[str] = ()
    """Empty for the image's own."""
    readiness_probe: Mapping[str, Any] | None = None
    run_once: bool = False
    """Whether the container is never restarted when it ends."""
    keep_last_words: bool = False
    """Whether the end of a failed container's log becomes its termination message."""
    grace: int = GRACE
    """Seconds that the pod has to end."""

    def render(self) -> dict[str, Any]:
        """Return the pod template in Kubernetes' form."""
        playground = self.playground
        tied = claims.labels_of(playground, {mount.claim for mount in self.mounts})
        spec: dict[str, Any] = {
            "serviceAccountName": playground.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": self.grace,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [self._container()],
            "volumes": [
                *({"name": name, "emptyDir": {}} for name in _SCRATCH),
                *{mount.name: _volume(mount) for mount in self.mounts}.values(),
                *({"name": file.volume, "configMap": {"name": file.config_map}} for file in self.files),
                *map(_secret_volume, self.secrets),
            ],
        }
        if self._authority:
            spec["initContainers"] = [self._ray_certificate()]
            spec["volumes"] += [
                {"name": "ray-authority", "secret": {"secretName": self._authority, "defaultMode": 0o440}},
                {"name": "ray-tls", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            ]
        if self.run_once:
            spec["restartPolicy"] = "Never"
        if tied:
            spec["affinity"] = claims.affinity(tied)
        metadata: dict[str, Any] = {"labels": {**tied, **self.labels}}
        if self.annotations:
            metadata["annotations"] = dict(self.annotations)
        return {
            "metadata": metadata,
            "spec": spec | _images(playground) | _scheduling(playground),
        }

    @property
    def _authority(self) -> str:
        """The Secret of the certificate authority of Ray's processes; empty where they talk in clear."""
        return (self.playground.spec.ray.tls_secret or "") if self.container in _RAY_PODS else ""

    def _ray_certificate(self) -> dict[str, Any]:
        """Return the init container that makes the pod's certificate; it alone has the authority's key."""
        program = ["python", "-m", "tts_app.security.ray_certificate", _AUTHORITY_PATH, _RAY_TLS_PATH]
        return {
            **self._program("ray-certificate"),
            "command": program,
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
            "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            "volumeMounts": [
                {"name": "ray-authority", "mountPath": _AUTHORITY_PATH, "readOnly": True},
                {"name": "ray-tls", "mountPath": _RAY_TLS_PATH},
            ],
        }

    def _program(self, name: str) -> dict[str, Any]:
        """Return a container of the pod's image, without what differs between its containers."""
        return {
            "name": name,
            "image": self.image,
            "imagePullPolicy": self.playground.spec.images.pull_policy,
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }

    def _container(self) -> dict[str, Any]:
        container: dict[str, Any] = {
            **self._program(self.container),
            "resources": {name: dict(amounts) for name, amounts in self.resources.items()},
            "env": [
                *_environment(),
                *(_RAY_LOGS if self.container in _RAY_PODS else ()),
                *(_RAY_TLS if self._authority else ()),
                *(tracing_variables(self.playground) if self.container in _RAY_PODS else ()),
                *map(dict, self.environment),
            ],
            "ports": [
                {"name": name, "containerPort": port, "protocol": "TCP"} for name, port in self.ports.items()
            ],
            "volumeMounts": [
                *({"name": name, "mountPath": path} for name, path in _SCRATCH.items()),
                *map(_volume_mount, self.mounts),
                *map(_file_mount, self.files),
                *({"name": s.volume, "mountPath": s.path, "readOnly": True} for s in self.secrets),
                *([_RAY_TLS_MOUNT] if self._authority else ()),
            ],
        }
        if self.command:
            container["command"] = list(self.command)
        if self.secret:
            container["envFrom"] = [{"secretRef": {"name": self.secret}}]
        if self.readiness_probe is not None:
            container["readinessProbe"] = dict(self.readiness_probe)
        if self.keep_last_words:
            container["terminationMessagePolicy"] = "FallbackToLogsOnError"
        return container


def _images(playground: Playground) -> dict[str, Any]:
    secrets = playground.spec.images.pull_secrets
    return {"imagePullSecrets": [{"name": name} for name in secrets]} if secrets else {}


def _scheduling(playground: Playground) -> dict[str, Any]:
    """Return the fields of a pod's spec that the Playground's `scheduling` gives."""
    scheduling = playground.spec.scheduling
    fields = {
        "nodeSelector": dict(sorted(scheduling.node_selector.items())),
        "tolerations": [
            toleration.model_dump(mode="json", by_alias=True, exclude_none=True)
            for toleration in scheduling.tolerations
        ],
        "priorityClassName": scheduling.priority_class_name,
        "runtimeClassName": scheduling.runtime_class_name,
    }
    return {name: value for name, value in fields.items() if value}


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
    """Return requests and limits in the API server's notation. The memory limit is the request. Cores have no
    limit, because one would leave idle cores idle.
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


def _secret_volume(mount: SecretMount) -> dict[str, Any]:
    return {"name": mount.volume, "secret": {"secretName": mount.secret, "defaultMode": 0o440}}


def _file_mount(file: File) -> dict[str, Any]:
    return {"name": file.volume, "mountPath": file.path, "subPath": file.key, "readOnly": True}


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
