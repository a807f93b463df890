"""Reads all that a service is made of."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tts_app.resources import Metadata, Playground
from tts_app.serving.config import GATEWAY
from tts_operator.desired.children import CHILDREN
from tts_operator.objects import (
    EVENT,
    MODELS,
    PLAYGROUND,
    POD,
    RAY_CLUSTER,
    RAY_SERVICE,
    SERVICE_LABEL,
    Kind,
    Manifest,
    Ref,
    is_ours,
)
from tts_operator.observed.conditions import says_ready
from tts_operator.observed.pods import is_held_up, volume_trouble, worth_reading
from tts_operator.reconcile.kube import Kube, KubeError
from tts_operator.reconcile.queue import Key

logger = logging.getLogger(__name__)

_CLUSTERS = {"ray.io/originated-from-crd": "RayService"}
"""A TTSJob of a service's name may have a cluster of its own."""


@dataclass(frozen=True, slots=True)
class State:
    """The resources of a service, and its RayService."""

    models: list[dict[str, Any]]
    """VoiceModels and TextModels."""
    playground: dict[str, Any] | None
    ray_service: dict[str, Any] | None
    """None too where one of the service's name is somebody else's."""

    @property
    def previously_ready(self) -> frozenset[str]:
        """The applications that were Ready already, for their resources as they are now."""
        names = {manifest["metadata"]["name"] for manifest in self.models if _is_ready(manifest)}
        return frozenset(names | ({GATEWAY} if self.playground and _is_ready(self.playground) else set()))


@dataclass(frozen=True, slots=True)
class Runtime:
    """What runs of a service."""

    ray_clusters: list[dict[str, Any]]
    pods: list[dict[str, Any]]
    logs: dict[str, str]
    """The last lines of the pods whose log is worth reading, and what is said of volumes that are not ready,
    by the pod's name."""


async def read_state(kube: Kube, key: Key) -> State:
    """Return the service's resources. Raises KubeError."""
    playground, ray_service, *listed = await asyncio.gather(
        kube.get(Ref(PLAYGROUND, key.service), key.namespace),
        kube.get(Ref(RAY_SERVICE, key.service), key.namespace),
        *(kube.list(kind, key.namespace, fields={"spec.service": key.service}) for kind in MODELS),
    )
    alive = [model for models in listed for model in models if not model["metadata"].get("deletionTimestamp")]
    return State(alive, playground, ray_service if ray_service and is_ours(ray_service) else None)


async def read_children(kube: Kube, key: Key, kinds: Sequence[Kind] = CHILDREN) -> dict[Ref, dict[str, Any]]:
    """Return the children of some kinds that carry the service's label. Raises KubeError."""
    labels = {SERVICE_LABEL: key.service}
    listed = await asyncio.gather(*(kube.list(kind, key.namespace, labels=labels) for kind in kinds))
    return {
        Ref(kind, child["metadata"]["name"]): child
        for kind, found in zip(kinds, listed, strict=True)
        for child in found
    }


async def read_runtime(kube: Kube, key: Key, now: datetime) -> Runtime:
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
    said = await read_volume_trouble(kube, key.namespace, pods, now)
    return Runtime(clusters, pods, {**dict(zip(names, logs, strict=True)), **said})


async def read_volume_trouble(
    kube: Kube, namespace: str, pods: Sequence[Manifest], now: datetime
) -> dict[str, str]:
    """Return what is said of volumes that are not ready, by the pod's name.

    Raises KubeError when the API server does not answer.
    """
    held_up = [pod for pod in pods if is_held_up(pod, now)]
    if not held_up:
        return {}
    # One list for all: the API server looks through all Events of the namespace for each.
    try:
        events = await kube.list(EVENT, namespace, fields={"regarding.kind": POD.name})
    except KubeError as error:
        if error.status is None:
            raise
        # A role of one's own may lack the right: all else is told without.
        logger.warning("no Events of pods in %s: %s", namespace, error)
        return {}
    found = {pod["metadata"]["name"]: volume_trouble(pod, events) for pod in held_up}
    return {name: text for name, text in found.items() if text}


def playground_of(key: Key, manifest: dict[str, Any] | None) -> Playground:
    """Return the service's Playground: the one that there is, or one with every default.

    Raises:
        ValidationError: there is one, and it is not valid.
    """
    if manifest is None:
        return Playground(metadata=Metadata(name=key.service, namespace=key.namespace))
    metadata = {"name": key.service, "namespace": key.namespace}
    return Playground.model_validate({"metadata": metadata, "spec": manifest.get("spec", {})})


def _is_ready(manifest: dict[str, Any]) -> bool:
    return says_ready(manifest.get("status", {}).get("conditions", ()), manifest["metadata"]["generation"])


async def _log(kube: Kube, key: Key, pod: dict[str, Any]) -> str:
    container = pod["spec"]["containers"][0]["name"]
    return await kube.log(pod["metadata"]["name"], container, key.namespace)
