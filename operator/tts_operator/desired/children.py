"""Every object that a service consists of."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tts_app.resources import Model, Playground
from tts_app.resources.playground import PlaygroundSpec, Volume
from tts_operator.desired.claims import audio_claim_of, cache_claim_of
from tts_operator.desired.groups import downloads, group_of
from tts_operator.desired.loading import loader
from tts_operator.desired.monitoring import (
    COMPONENT,
    metrics_service,
    monitoring_of,
    pod_monitor,
    service_monitor,
)
from tts_operator.desired.network import (
    collector_policy,
    database_policy,
    loader_policy,
    network_policy,
    provider_policy,
    quota_policy,
)
from tts_operator.desired.ray_service import SERVE_PORT, Defaults, engine_images, ray_service
from tts_operator.desired.tracing import collector_port
from tts_operator.objects import (
    CLAIM,
    COMPONENT_LABEL,
    DISRUPTION_BUDGET,
    HTTP_ROUTE,
    INGRESS,
    JOB,
    NETWORK_POLICY,
    POD_MONITOR,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_LABEL,
    SERVICE_MONITOR,
    Kind,
    Manifest,
    manifest,
)

CHILDREN: Sequence[Kind] = (
    SERVICE_ACCOUNT,
    CLAIM,
    NETWORK_POLICY,
    DISRUPTION_BUDGET,
    SERVICE,
    POD_MONITOR,
    SERVICE_MONITOR,
    INGRESS,
    HTTP_ROUTE,
    JOB,
)
"""Kinds of a service's children other than its RayService."""
KEPT = frozenset({CLAIM})
"""Kinds that stay when nothing needs them any more: a person must decide about the audio that they hold."""


@dataclass(frozen=True, slots=True)
class _Service:
    """What the children of a service are built from."""

    playground: Playground
    models: Sequence[Model]
    pending: Sequence[Model]
    defaults: Defaults
    groups: Sequence[Manifest]

    @property
    def name(self) -> str:
        """The service's."""
        return self.playground.name

    @property
    def spec(self) -> PlaygroundSpec:
        """The Playground's."""
        return self.playground.spec

    @property
    def downloaded(self) -> Sequence[Model]:
        """The models whose files are downloaded from outside the cluster."""
        return [model for model in (*self.models, *self.pending) if downloads(model)]

    @property
    def cache_claim(self) -> str:
        """The claim into which files are fetched; empty where none are."""
        return cache_claim_of(self.playground) if self.downloaded else ""

    def child(
        self, kind: Kind, name: str, body: Mapping[str, Any], labels: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return a child's manifest."""
        return manifest(kind, name, self.name, body, labels)


Children = Iterator[dict[str, Any]]


def children(
    playground: Playground,
    models: Sequence[Model],
    pending: Sequence[Model],
    defaults: Defaults,
    groups: Sequence[Manifest],
) -> tuple[dict[str, Any], ...]:
    """Return the children of the service that `playground` describes, serving `models`.

    They are in the order in which they are applied: what pods need comes before the RayService. Other
    children should not exist, unless they are KEPT. The files of `pending` models are still to be fetched.
    `groups` are the worker groups that the RayService has now. Without models there are no children, unless
    the Playground keeps the gateway.
    """
    if not models and not pending and playground.spec.when_empty == "Remove":
        return ()
    service = _Service(playground, models, pending, defaults, groups)
    return tuple(child for build in _BUILDERS for child in build(service))


def _service_account(service: _Service) -> Children:
    yield service.child(SERVICE_ACCOUNT, service.name, {"automountServiceAccountToken": False})


def _claims(service: _Service) -> Children:
    storage = service.spec.storage
    for name, volume in (
        (audio_claim_of(service.playground), storage.audio),
        (service.cache_claim, storage.cache),
    ):
        if name and not volume.existing_claim:
            yield service.child(CLAIM, name, _claim(volume))


def _network_policies(service: _Service) -> Children:
    if not service.spec.network_policy.enabled:
        return
    name, playground = service.name, service.playground
    yield service.child(NETWORK_POLICY, name, network_policy(playground, service.defaults))
    if service.downloaded:
        yield service.child(NETWORK_POLICY, f"{name}-loader", loader_policy(playground))
    database = service.spec.storage.database
    if database is not None:
        yield service.child(NETWORK_POLICY, f"{name}-database", database_policy(playground, database.port))
    store = service.spec.tenants.quota_store
    if store is not None:
        yield service.child(NETWORK_POLICY, f"{name}-quotas", quota_policy(playground, store.port))
    oidc = service.spec.security.oidc
    if oidc is not None:
        yield service.child(NETWORK_POLICY, f"{name}-oidc", provider_policy(playground, oidc))
    collector = collector_port(playground)
    if collector is not None:
        yield service.child(NETWORK_POLICY, f"{name}-traces", collector_policy(playground, collector))


def _disruption_budgets(service: _Service) -> Children:
    """Yield the disruption budgets of models that always have several replicas: one replica stays.

    A budget with `maxUnavailable` would allow no eviction: Kubernetes does not know how many pods a
    RayCluster should have. Pods without a replica are never ready, and may be evicted.
    """
    if not service.spec.pod_disruption_budget:
        return
    for model in service.models:
        if model.spec.replicas.min > 1:
            selector = {"matchLabels": {SERVICE_LABEL: service.name, "ray.io/group": group_of(model)}}
            spec = {"minAvailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": selector}
            yield service.child(DISRUPTION_BUDGET, f"{service.name}-{model.name}", {"spec": spec})


def _monitors(service: _Service) -> Children:
    monitoring = monitoring_of(service.playground, service.defaults.monitoring)
    if monitoring.kind == "PodMonitor":
        body = pod_monitor(service.name, monitoring)
        yield service.child(POD_MONITOR, service.name, body, monitoring.labels)
    elif monitoring.kind == "ServiceMonitor":
        component = {COMPONENT_LABEL: COMPONENT}
        yield service.child(SERVICE, f"{service.name}-metrics", metrics_service(service.name), component)
        body = service_monitor(service.name, monitoring)
        yield service.child(SERVICE_MONITOR, service.name, body, monitoring.labels)


def _ingresses(service: _Service) -> Children:
    ingress = service.spec.ingress
    if ingress is None:
        return
    backend = {"service": {"name": f"{service.name}-serve-svc", "port": {"number": SERVE_PORT}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    spec: dict[str, Any] = {"rules": [{"host": ingress.host, "http": {"paths": paths}}]}
    if ingress.class_name:
        spec["ingressClassName"] = ingress.class_name
    if ingress.tls_secret:
        spec["tls"] = [{"hosts": [ingress.host], "secretName": ingress.tls_secret}]
    yield service.child(INGRESS, service.name, {"spec": spec})


def _routes(service: _Service) -> Children:
    route = service.spec.route
    if route is None:
        return
    backend = {"name": f"{service.name}-serve-svc", "port": SERVE_PORT}
    spec = {
        "parentRefs": [route.gateway.model_dump(mode="json", by_alias=True, exclude_none=True)],
        "hostnames": [route.host],
        "rules": [{"backendRefs": [backend]}],
    }
    yield service.child(HTTP_ROUTE, service.name, {"spec": spec})


def _loaders(service: _Service) -> Children:
    images = engine_images(service.playground, service.defaults)
    # By name: a model that is served as before while it waits for other files needs those other files.
    wanted = {model.name: model for model in service.downloaded}
    for model in wanted.values():
        yield loader(service.playground, model, images[model.spec.image_key], service.cache_claim)


def _ray_services(service: _Service) -> Children:
    audio_claim = audio_claim_of(service.playground)
    yield ray_service(
        service.playground,
        service.models,
        service.defaults,
        audio_claim,
        service.cache_claim,
        service.groups,
    )


_BUILDERS: Sequence[Callable[[_Service], Children]] = (
    _service_account,
    _claims,
    _network_policies,
    _disruption_budgets,
    _monitors,
    _ingresses,
    _routes,
    _loaders,
    _ray_services,
)


def _claim(volume: Volume) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": [volume.access_mode],
        "resources": {"requests": {"storage": volume.size}},
    }
    if volume.storage_class_name is not None:
        spec["storageClassName"] = volume.storage_class_name
    return {"spec": spec}
