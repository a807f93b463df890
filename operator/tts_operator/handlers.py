"""What Kopf watches: every event only says which service is due; the reconcile reads the rest itself."""

from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from tts_operator.objects import JOB, PLAYGROUND, RAY_CLUSTER, RAY_SERVICE, SERVICE_LABEL, VOICE_MODEL, Kind
from tts_operator.reconcile.queue import Key, WorkQueue

DEFAULT_SERVICE = "playground"
CHILDREN_WATCHED = (RAY_SERVICE, RAY_CLUSTER, JOB)
"""Kinds of which only the objects with the service's label are watched: the server sends no others."""


def register(registry: kopf.OperatorRegistry, queue: WorkQueue) -> None:
    """Register the handlers: low-level ones, for which Kopf writes nothing to the resources."""

    def on(kind: Kind, handler: Callable[..., Awaitable[None]], **selector: Any) -> None:
        kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, **selector)(handler)

    @kopf.on.login(registry=registry)
    async def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    async def voice_model(body: kopf.Body, namespace: str | None, **_: Any) -> None:
        queue.add(Key(namespace or "", body.spec.get("service", DEFAULT_SERVICE)))

    async def playground(name: str | None, namespace: str | None, **_: Any) -> None:
        queue.add(Key(namespace or "", name or ""))

    async def child(labels: kopf.Labels, namespace: str | None, **_: Any) -> None:
        queue.add(Key(namespace or "", labels[SERVICE_LABEL]))

    on(VOICE_MODEL, voice_model)
    on(PLAYGROUND, playground)
    for kind in CHILDREN_WATCHED:
        on(kind, child, labels={SERVICE_LABEL: kopf.PRESENT}, id=f"child-{kind.plural}")
