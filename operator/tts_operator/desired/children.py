"""Every object that a service consists of."""

from collections.abc import Sequence
from typing import Any

from tts_app.resources import Model, Playground
from tts_app.resources.playground import Volume
from tts_operator.desired.claims import audio_claim_of, cache_claim_of
from tts_operator.desired.groups import downloads, group_of
from tts_operator.desired.loading import loader
from tts_operator.desired.network import database_policy, loader_policy, network_policy
from tts_operator.desired.ray_service import SERVE_PORT, Defaults, engine_images, ray_service
from tts_operator.objects import (
    CLAIM,
    DISRUPTION_BUDGET,
    HTTP_ROUTE,
    INGRESS,
    JOB,
    NETWORK_POLICY,
    POD_MONITOR,
    SERVICE_ACCOUNT,
    SERVICE_LABEL,
    Kind,
    Manifest,
    manifest,
)

CHILDREN: Sequence[Kind] = (
    SERVICE_ACCOUNT,
    CLAIM,
    NETWORK_POLICY,
    DISRUPTION_BUDGET,
    POD_MONITOR,
    INGRESS,
    HTTP_ROUTE,
    JOB,
)
"""Kinds of a service's children, its RayService aside."""
KEPT = frozenset({CLAIM})
"""Kinds that stay when nothing wants them any more: whose audio they hold is for a person to say."""


def children(
    playground: Playground,
    models: Sequence[Model],
    pending: Sequence[Model],
    defaults: Defaults,
    groups: Sequence[Manifest],
) -> tuple[dict[str, Any], ...]:
    """Return the children of the service that `playground` describes, serving `models`.

    In the order in which they are applied: what pods need comes before the RayService. What is not among
    them, and not KEPT, should not be there. The files of `pending` models are still to be fetched. `groups`
    are the worker groups that the RayService has now. With no model left, and unless the Playground keeps the
    gateway, there is nothing.
    """
    name, spec = playground.name, playground.spec
    if not models and not pending and spec.when_empty == "Remove":
        return ()
    audio_claim = audio_claim_of(playground)
    fetched = [model for model in (*models, *pending) if downloads(model)]
    cache_claim = cache_claim_of(playground) if fetched else ""
    present: list[dict[str, Any]] = [
        manifest(SERVICE_ACCOUNT, name, name, {"automountServiceAccountToken": False})
    ]
    if not spec.storage.audio.existing_claim:
        present.append(_claim(playground, audio_claim, spec.storage.audio))
    if cache_claim and not spec.storage.cache.existing_claim:
        present.append(_claim(playground, cache_claim, spec.storage.cache))
    if spec.network_policy.enabled:
        present.append(manifest(NETWORK_POLICY, name, name, network_policy(playground)))
        if fetched:
            present.append(manifest(NETWORK_POLICY, f"{name}-loader", name, loader_policy(playground)))
        if spec.storage.database is not None:
            policy = database_policy(playground, spec.storage.database.port)
            present.append(manifest(NETWORK_POLICY, f"{name}-database", name, policy))
    if spec.pod_disruption_budget:
        present += [_disruption_budget(name, model) for model in models if model.spec.replicas.min > 1]
    if spec.monitoring.pod_monitor:
        present.append(manifest(POD_MONITOR, name, name, _pod_monitor(name), spec.monitoring.labels))
    if spec.ingress is not None:
        present.append(manifest(INGRESS, name, name, _ingress(playground)))
    if spec.route is not None:
        present.append(manifest(HTTP_ROUTE, name, name, _route(playground)))
    images = engine_images(playground, defaults)
    # By name: of a model that is served as it was, and waits for other files, the files are wanted.
    jobs = {m.name: loader(playground, m, images[m.spec.engine], cache_claim) for m in fetched}
    present += jobs.values()
    present.append(ray_service(playground, models, defaults, audio_claim, cache_claim, groups))
    return tuple(present)


def _claim(playground: Playground, name: str, volume: Volume) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": [volume.access_mode],
        "resources": {"requests": {"storage": volume.size}},
    }
    if volume.storage_class_name is not None:
        spec["storageClassName"] = volume.storage_class_name
    return manifest(CLAIM, name, playground.name, {"spec": spec})


def _disruption_budget(service: str, model: Model) -> dict[str, Any]:
    """Return the budget of a model that has several replicas at all times: one of them stays.

    A budget in `maxUnavailable` would let none go: Kubernetes does not know how many pods a RayCluster wants.
    Pods that no replica is in are never ready, and may go.
    """
    selector = {"matchLabels": {SERVICE_LABEL: service, "ray.io/group": group_of(model)}}
    spec = {"minAvailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": selector}
    return manifest(DISRUPTION_BUDGET, f"{service}-{model.name}", service, {"spec": spec})


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


def _route(playground: Playground) -> dict[str, Any]:
    route = playground.spec.route
    assert route is not None  # noqa: S101 - the caller's condition
    parent = route.gateway.model_dump(mode="json", by_alias=True, exclude_none=True)
    backend = {"name": f"{playground.name}-serve-svc", "port": SERVE_PORT}
    return {
        "spec": {
            "parentRefs": [parent],
            "hostnames": [route.host],
            "rules": [{"backendRefs": [backend]}],
        }
    }
