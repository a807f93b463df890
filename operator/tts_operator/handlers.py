"""What Kopf watches: every event only says what is due, and the reconcile reads the rest itself."""

from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from tts_operator.objects import (
    JOB,
    JOB_LABEL,
    MODELS,
    PLAYGROUND,
    RAY_CLUSTER,
    RAY_JOB,
    RAY_SERVICE,
    SERVICE_LABEL,
    TTS_JOB,
    JobKey,
    Key,
    Kind,
)
from tts_operator.reconcile.queue import WorkQueue
from tts_operator.watched import DEFAULT_SERVICE

CHILDREN_WATCHED = {
    RAY_SERVICE: SERVICE_LABEL,
    RAY_CLUSTER: SERVICE_LABEL,
    JOB: SERVICE_LABEL,
    RAY_JOB: JOB_LABEL,
}
"""Kinds of which only the objects with a label are watched: the server sends no others."""


def register(registry: kopf.OperatorRegistry, queue: WorkQueue[Key], jobs: WorkQueue[JobKey]) -> None:
    """Register the handlers: low-level ones, for which Kopf writes nothing to the resources."""

    def on(kind: Kind, handler: Callable[..., Awaitable[None]], **selector: Any) -> None:
        kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, **selector)(handler)

    @kopf.on.login(registry=registry)
    async def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    async def model(body: kopf.Body, namespace: str | None, **_: Any) -> None:
        queue.add(Key(namespace or "", body.spec.get("service", DEFAULT_SERVICE)))

    async def playground(name: str | None, namespace: str | None, **_: Any) -> None:
        queue.add(Key(namespace or "", name or ""))

    async def child(labels: kopf.Labels, namespace: str | None, **_: Any) -> None:
        queue.add(Key(namespace or "", labels[SERVICE_LABEL]))

    async def job(name: str | None, namespace: str | None, **_: Any) -> None:
        jobs.add(JobKey(namespace or "", name or ""))

    async def job_child(labels: kopf.Labels, namespace: str | None, **_: Any) -> None:
        jobs.add(JobKey(namespace or "", labels[JOB_LABEL]))

    for kind in MODELS:
        on(kind, model, id=f"model-{kind.plural}")
    on(PLAYGROUND, playground)
    on(TTS_JOB, job)
    for kind, label in CHILDREN_WATCHED.items():
        handler = child if label == SERVICE_LABEL else job_child
        on(kind, handler, labels={label: kopf.PRESENT}, id=f"child-{kind.plural}")
