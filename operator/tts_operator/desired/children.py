"""Every object that a service consists of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tts_app.resources import Playground, VoiceModel
from tts_app.resources.playground import Volume
from tts_operator.desired.groups import downloads
from tts_operator.desired.network import network_policy
from tts_operator.desired.ray_service import SERVE_PORT, Defaults, ray_service
from tts_operator.objects import (
    CLAIM,
    DISRUPTION_BUDGET,
    INGRESS,
    NETWORK_POLICY,
    POD_MONITOR,
    RAY_SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_LABEL,
    Manifest,
    Ref,
    manifest,
)

_REMOVED = (RAY_SERVICE, INGRESS, POD_MONITOR, DISRUPTION_BUDGET, NETWORK_POLICY, SERVICE_ACCOUNT)


@dataclass(frozen=True, slots=True)
class Children:
    """What a service consists of."""

    present: tuple[dict[str, Any], ...]
    """Manifests, in the order in which they are applied: what pods need comes before the RayService."""
    absent: tuple[Ref, ...]
    """What must not be there, as far as it is the operator's."""


def children(
    playground: Playground, models: Sequence[VoiceModel], defaults: Defaults, live: Manifest | None
) -> Children:
    """Return the children of the service that `playground` describes, serving `models`.

    `live` is its RayService as it is now. With no model left, and unless the Playground keeps the gateway,
    all go but the volume claims: whose audio they hold is for a person to say.
    """
    name, spec = playground.name, playground.spec
    if not models and spec.when_empty == "Remove":
        return Children((), tuple(Ref(kind, name) for kind in _REMOVED))
    audio_claim = spec.storage.audio.existing_claim or f"{name}-audio"
    cache_claim = _cache_claim(playground, models)
    present: list[dict[str, Any]] = [
        manifest(SERVICE_ACCOUNT, name, name, {"automountServiceAccountToken": False})
    ]
    absent: list[Ref] = []
    if not spec.storage.audio.existing_claim:
        present.append(_claim(playground, audio_claim, spec.storage.audio))
    if cache_claim and not spec.storage.cache.existing_claim:
        present.append(_claim(playground, cache_claim, spec.storage.cache))
    wanted = {
        NETWORK_POLICY: network_policy(playground, models) if spec.network_policy.enabled else None,
        DISRUPTION_BUDGET: _disruption_budget(name) if spec.pod_disruption_budget else None,
        POD_MONITOR: _pod_monitor(name) if spec.monitoring.pod_monitor else None,
        INGRESS: _ingress(playground) if spec.ingress else None,
    }
    for kind, body in wanted.items():
        if body is None:
            absent.append(Ref(kind, name))
        else:
            extra = spec.monitoring.labels if kind is POD_MONITOR else None
            present.append(manifest(kind, name, name, body, extra))
    present.append(ray_service(playground, models, defaults, audio_claim, cache_claim, live))
    return Children(tuple(present), tuple(absent))


def _cache_claim(playground: Playground, models: Sequence[VoiceModel]) -> str:
    """Return the claim that downloads are kept in; empty where nothing is downloaded."""
    if not any(map(downloads, models)):
        return ""
    return playground.spec.storage.cache.existing_claim or f"{playground.name}-cache"


def _claim(playground: Playground, name: str, volume: Volume) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": [volume.access_mode],
        "resources": {"requests": {"storage": volume.size}},
    }
    if volume.storage_class_name is not None:
        spec["storageClassName"] = volume.storage_class_name
    return manifest(CLAIM, name, playground.name, {"spec": spec})


def _disruption_budget(service: str) -> dict[str, Any]:
    return {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {SERVICE_LABEL: service}}}}


def _pod_monitor(service: str) -> dict[str, Any]:
    return {
        "spec": {
            "selector": {"matchLabels": {SERVICE_LABEL: service}},
            "podMetricsEndpoints": [{"port": "metrics"}],
        },
    }


def _ingress(playground: Playground) -> dict[str, Any]:
    ingress = playground.spec.ingress
    assert ingress is not None  # noqa: S101 - the caller's condition
    backend = {"service": {"name": f"{playground.name}-serve-svc", "port": {"number": SERVE_PORT}}}
    spec: dict[str, Any] = {
        "rules": [
            {
                "host": ingress.host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }
        ]
    }
    if ingress.class_name:
        spec["ingressClassName"] = ingress.class_name
    if ingress.tls_secret:
        spec["tls"] = [{"hosts": [ingress.host], "secretName": ingress.tls_secret}]
    return {"spec": spec}
