"""Reads the facts from which a service or a TTSJob is planned."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from pydantic import ValidationError

from tts_operator.desired.children import CHILDREN
from tts_operator.desired.jobs import is_owned
from tts_operator.desired.network import SUBMITTER
from tts_operator.kube import Kube, KubeError
from tts_operator.objects import (
    COMPONENT_LABEL,
    EVENT,
    JOB,
    MODELS,
    PLAYGROUND,
    POD,
    RAY_CLUSTER,
    RAY_JOB,
    RAY_SERVICE,
    TTS_JOB,
    JobKey,
    Key,
    Kind,
    Manifest,
    Ref,
    is_ours,
)
from tts_operator.observed.jobs import LOG_LINES, Report, read_attempt, read_report, submitter_of
from tts_operator.observed.pods import is_held_up, mount_error, needs_log
from tts_operator.plan.job import JobFacts, parse, service_of
from tts_operator.plan.service import ServiceFacts
from tts_operator.watched import BY_OWNER

logger = logging.getLogger(__name__)


class Reader(Protocol):
    """Source of the objects of services and TTSJobs. Every method raises KubeError."""

    async def of(self, kind: Kind, key: Key | JobKey) -> Sequence[Manifest]:
        """Return the objects of a watched kind that belong to a service or a TTSJob."""
        ...

    async def get(self, ref: Ref, key: Key | JobKey) -> Manifest | None:
        """Return one of the objects that belong to a service or a TTSJob; None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class LiveReader:
    """Reads from the API server."""

    kube: Kube

    async def of(self, kind: Kind, key: Key | JobKey) -> Sequence[Manifest]:
        """See Reader."""
        labels, fields = BY_OWNER[kind, type(key)].selectors(key)
        return await self.kube.list(
            kind, key.namespace, labels=labels, fields=fields, may_be_missing=kind not in MODELS
        )

    async def get(self, ref: Ref, key: Key | JobKey) -> Manifest | None:
        """See Reader. Returns any object of that name, even one without an owner."""
        return await self.kube.get(ref, key.namespace)


async def read_resources(reader: Reader, key: Key) -> ServiceFacts:
    """Return only the service's own resources and its RayService. Raises KubeError."""
    playground, ray_service, listed = await asyncio.gather(
        reader.get(Ref(PLAYGROUND, key.service), key),
        reader.get(Ref(RAY_SERVICE, key.service), key),
        asyncio.gather(*(reader.of(kind, key) for kind in MODELS)),
    )
    return ServiceFacts(
        key,
        models=[m for found in listed for m in found if not m["metadata"].get("deletionTimestamp")],
        playground=playground,
        ray_service=ray_service if ray_service is not None and is_ours(ray_service) else None,
    )


async def read_service_facts(reader: Reader, kube: Kube, key: Key, now: datetime) -> ServiceFacts:
    """Return all facts of a service; read logs and Events from `kube`. Raises KubeError."""
    resources, children, clusters, pods = await asyncio.gather(
        read_resources(reader, key),
        _children(reader, key, CHILDREN),
        _clusters(reader, key),
        reader.of(POD, key),
    )
    crashed = [pod for pod in pods if needs_log(pod)]
    logs = await asyncio.gather(*(_log(kube, key, pod) for pod in crashed))
    names = [pod["metadata"]["name"] for pod in crashed]
    errors = await read_mount_errors(kube, key.namespace, pods, now)
    return ServiceFacts(
        key,
        models=resources.models,
        playground=resources.playground,
        ray_service=resources.ray_service,
        children=children,
        ray_clusters=clusters,
        pods=pods,
        logs={**dict(zip(names, logs, strict=True)), **errors},
    )


async def read_job_facts(reader: Reader, kube: Kube, key: JobKey, now: datetime) -> JobFacts | None:
    """Return all facts of a TTSJob; read logs and Events from `kube`.

    None where there is no such TTSJob, or it is being deleted. Raises KubeError.
    """
    resource = await reader.get(Ref(TTS_JOB, key.job), key)
    if resource is None or resource["metadata"].get("deletionTimestamp"):
        return None
    facts = JobFacts(key, resource)
    if facts.has_ended:
        return facts
    try:
        job = parse(resource)
    except ValidationError:  # the plan reports it
        return facts
    service_key = Key(key.namespace, service_of(job))
    ray_job, pods, resources, loaders, clusters, namesake = await asyncio.gather(
        reader.get(Ref(RAY_JOB, key.job), key),
        reader.of(POD, key),
        read_resources(reader, service_key),
        _children(reader, service_key, [JOB]),
        _clusters(reader, service_key),
        reader.get(Ref(RAY_SERVICE, key.job), Key(key.namespace, key.job)),
    )
    return replace(
        facts,
        ray_job=ray_job,
        report=await _report(kube, key, ray_job, pods, facts.uid),
        pods=pods,
        mount_errors=await read_mount_errors(kube, key.namespace, pods, now),
        service=ServiceFacts(
            service_key,
            models=resources.models,
            playground=resources.playground,
            ray_service=resources.ray_service,
            children=loaders,
            ray_clusters=clusters,
        ),
        namesake=namesake,
    )


async def read_mount_errors(
    kube: Kube, namespace: str, pods: Sequence[Manifest], now: datetime
) -> dict[str, str]:
    """Return the messages of Events about volumes that are not ready, by the pod's name.

    Raises KubeError when the API server does not answer.
    """
    held_up = [pod for pod in pods if is_held_up(pod, now)]
    if not held_up:
        return {}
    # One list for all pods: the API server reads all Events of the namespace for each list.
    try:
        events = await kube.list(EVENT, namespace, fields={"regarding.kind": POD.name})
    except KubeError as error:
        if error.status is None:
            raise
        # A custom role may lack the permission: report everything else without it.
        logger.warning("no Events of pods in %s: %s", namespace, error)
        return {}
    found = {pod["metadata"]["name"]: mount_error(pod, events) for pod in held_up}
    return {name: text for name, text in found.items() if text}


async def _children(reader: Reader, key: Key, kinds: Sequence[Kind]) -> dict[Ref, Manifest]:
    listed = await asyncio.gather(*(reader.of(kind, key) for kind in kinds))
    return {
        Ref(kind, child["metadata"]["name"]): child
        for kind, found in zip(kinds, listed, strict=True)
        for child in found
    }


async def _clusters(reader: Reader, key: Key) -> Sequence[Manifest]:
    """Return the clusters of a service, without that of a TTSJob of the same name."""
    found = await reader.of(RAY_CLUSTER, key)
    origin = ("RayService", key.service)
    names = ("ray.io/originated-from-crd", "ray.io/originated-from-cr-name")
    return [c for c in found if tuple(c["metadata"]["labels"].get(name) for name in names) == origin]


async def _report(
    kube: Kube, key: JobKey, ray_job: Manifest | None, pods: Sequence[Manifest], uid: str
) -> Report | None:
    """Return the driver's last report in the submitter's log."""
    if ray_job is None or not is_owned(ray_job, uid):
        return None
    attempt = read_attempt(ray_job)
    submitters = [p for p in pods if p["metadata"].get("labels", {}).get(COMPONENT_LABEL) == SUBMITTER]
    pod = submitter_of(attempt, submitters)
    if pod is None or pod.get("status", {}).get("phase", "Pending") == "Pending":
        return None
    try:
        log = await kube.log(pod["metadata"]["name"], SUBMITTER, key.namespace, LOG_LINES)
    except KubeError as error:
        if error.status is None:
            raise
        # Its node may be gone for good: the job continues without it, and another attempt reports the end.
        logger.warning("no log of pod %s: %s", pod["metadata"]["name"], error)
        return None
    return read_report(log)


async def _log(kube: Kube, key: Key, pod: Manifest) -> str:
    container = pod["spec"]["containers"][0]["name"]
    return await kube.log(pod["metadata"]["name"], container, key.namespace)
