"""Reads all that a service is made of."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tts_app.resources import Metadata, Playground
from tts_operator.desired.children import CHILDREN
from tts_operator.objects import (
    MODELS,
    PLAYGROUND,
    POD,
    RAY_CLUSTER,
    RAY_SERVICE,
    SERVICE_LABEL,
    Kind,
    Ref,
)
from tts_operator.observed.pods import worth_reading
from tts_operator.reconcile.kube import Kube
from tts_operator.reconcile.queue import Key

_CLUSTERS = {"ray.io/originated-from-crd": "RayService"}
"""A TTSJob of a service's name may have a cluster of its own."""


@dataclass(frozen=True, slots=True)
class State:
    """The resources of a service, and its RayService."""

    models: list[dict[str, Any]]
    """VoiceModels and TextModels."""
    playground: dict[str, Any] | None
    ray_service: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Runtime:
    """What runs of a service."""

    ray_clusters: list[dict[str, Any]]
    pods: list[dict[str, Any]]
    logs: dict[str, str]
    """The last lines of the pods whose log is worth reading, by the pod's name."""


async def read_state(kube: Kube, key: Key) -> State:
    """Return the service's resources. Raises KubeError."""
    playground, ray_service, *listed = await asyncio.gather(
        kube.get(Ref(PLAYGROUND, key.service), key.namespace),
        kube.get(Ref(RAY_SERVICE, key.service), key.namespace),
        *(kube.list(kind, key.namespace, fields={"spec.service": key.service}) for kind in MODELS),
    )
    alive = [model for models in listed for model in models if not model["metadata"].get("deletionTimestamp")]
    return State(alive, playground, ray_service)


async def read_children(kube: Kube, key: Key, kinds: Sequence[Kind] = CHILDREN) -> dict[Ref, dict[str, Any]]:
    """Return the children of some kinds that carry the service's label. Raises KubeError."""
    labels = {SERVICE_LABEL: key.service}
    listed = await asyncio.gather(*(kube.list(kind, key.namespace, labels=labels) for kind in kinds))
    return {
        Ref(kind, child["metadata"]["name"]): child
        for kind, found in zip(kinds, listed, strict=True)
        for child in found
    }


async def read_runtime(kube: Kube, key: Key) -> Runtime:
    """Return the service's clusters and pods. Raises KubeError."""
    labels = {SERVICE_LABEL: key.service}
    clusters, pods = await asyncio.gather(
        kube.list(
            RAY_CLUSTER, key.namespace, labels=_CLUSTERS | {"ray.io/originated-from-cr-name": key.service}
        ),
        kube.list(POD, key.namespace, labels=labels),
    )
    read = [pod for pod in pods if worth_reading(pod)]
    logs = await asyncio.gather(*(_log(kube, key, pod) for pod in read))
    names = [pod["metadata"]["name"] for pod in read]
    return Runtime(clusters, pods, dict(zip(names, logs, strict=True)))


def playground_of(key: Key, manifest: dict[str, Any] | None) -> Playground:
    """Return the service's Playground: the one that there is, or one with every default.

    Raises:
        ValidationError: there is one, and it is not valid.
    """
    if manifest is None:
        return Playground(metadata=Metadata(name=key.service, namespace=key.namespace))
    metadata = {"name": key.service, "namespace": key.namespace}
    return Playground.model_validate({"metadata": metadata, "spec": manifest.get("spec", {})})


async def _log(kube: Kube, key: Key, pod: dict[str, Any]) -> str:
    container = pod["spec"]["containers"][0]["name"]
    return await kube.log(pod["metadata"]["name"], container, key.namespace)
