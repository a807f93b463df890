"""The Kubernetes API as the operator uses it: a few verbs on plain dicts, all of them counted."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

import httpx2
from lightkube import ALL_NS, AsyncClient, KubeConfig
from lightkube.generic_resource import create_namespaced_resource
from lightkube.types import CascadeType, PatchType

from tts_operator import metrics
from tts_operator.objects import FIELD_MANAGER, KINDS, POD, Kind, Manifest, Ref

NOT_FOUND = 404
LOG_LINES = 5


class KubeError(Exception):
    """The API refused a request, or did not answer."""

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; None when there was no answer."""


class Kube(Protocol):
    """What a reconcile needs of the API. Every method raises KubeError."""

    async def get(self, ref: Ref, namespace: str) -> dict[str, Any] | None:
        """Return an object, or None where there is none, or no such kind."""
        ...

    async def list(
        self,
        kind: Kind,
        namespace: str | None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Return the objects of a namespace, or of all; none where there is no such kind."""
        ...

    async def apply(self, manifest: Manifest, namespace: str) -> dict[str, Any]:
        """Apply a manifest, server-side; what others own of it stays theirs unless we name it."""
        ...

    async def apply_status(self, manifest: Manifest, namespace: str) -> None:
        """Apply an object's status."""
        ...

    async def patch(self, ref: Ref, namespace: str, operations: Sequence[Mapping[str, Any]]) -> None:
        """Apply a JSON patch."""
        ...

    async def create(self, manifest: Manifest, namespace: str) -> None:
        """Make an object that nobody updates."""
        ...

    async def replace(self, manifest: Manifest, namespace: str) -> None:
        """Replace an object, unless it changed since the `resourceVersion` that the manifest names."""
        ...

    async def delete(self, ref: Ref, namespace: str) -> None:
        """Delete an object, and what it owns after it; nothing happens where it is gone."""
        ...

    async def log(self, pod: str, container: str, namespace: str, lines: int = LOG_LINES) -> str:
        """Return the last `lines` that a container wrote; empty where it never ran."""
        ...


@cache
def resource_class(kind: Kind) -> Any:
    """Return lightkube's class for a kind, whose objects are dicts. It takes each kind once a process."""
    return create_namespaced_resource(kind.group, kind.version, kind.name, kind.plural)


class LightKube:
    """Kube on lightkube, with every object as a plain dict."""

    def __init__(self, config: KubeConfig, timeout: float) -> None:
        # Its overloads know nothing of resources that are plain dicts.
        self._client: Any = AsyncClient(
            config, timeout=httpx2.Timeout(timeout), field_manager=FIELD_MANAGER, trust_env=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, ref: Ref, namespace: str) -> dict[str, Any] | None:
        """See Kube."""
        with _counted("get", ref.kind, missing_is_none=True):
            return dict(await self._client.get(resource_class(ref.kind), ref.name, namespace=namespace))
        return None

    async def list(
        self,
        kind: Kind,
        namespace: str | None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """See Kube."""
        with _counted("list", kind, missing_is_none=True):
            where = ALL_NS if namespace is None else namespace
            found = self._client.list(
                resource_class(kind), namespace=where, labels=_selector(labels), fields=_selector(fields)
            )
            # The items of a list of Kubernetes' own kinds do not say what they are.
            what = {"apiVersion": kind.api_version, "kind": kind.name}
            return [{**what, **item} async for item in found]
        return []

    async def apply(self, manifest: Manifest, namespace: str) -> dict[str, Any]:
        """See Kube."""
        kind, name = KINDS[manifest["kind"]], manifest["metadata"]["name"]
        with _counted("apply", kind):
            return dict(await self._apply(resource_class(kind), name, manifest, namespace))

    async def apply_status(self, manifest: Manifest, namespace: str) -> None:
        """See Kube."""
        kind, name = KINDS[manifest["kind"]], manifest["metadata"]["name"]
        with _counted("status", kind):
            await self._apply(resource_class(kind).Status, name, manifest, namespace)

    async def patch(self, ref: Ref, namespace: str, operations: Sequence[Mapping[str, Any]]) -> None:
        """See Kube."""
        with _counted("patch", ref.kind):
            await self._client.patch(
                resource_class(ref.kind),
                ref.name,
                list(operations),
                namespace=namespace,
                patch_type=PatchType.JSON,
            )

    async def create(self, manifest: Manifest, namespace: str) -> None:
        """See Kube."""
        kind = KINDS[manifest["kind"]]
        with _counted("create", kind):
            await self._client.create(resource_class(kind)(manifest), namespace=namespace)

    async def replace(self, manifest: Manifest, namespace: str) -> None:
        """See Kube."""
        kind = KINDS[manifest["kind"]]
        with _counted("replace", kind):
            await self._client.replace(resource_class(kind)(manifest), namespace=namespace)

    async def delete(self, ref: Ref, namespace: str) -> None:
        """See Kube."""
        with _counted("delete", ref.kind, missing_is_none=True):
            await self._client.delete(
                resource_class(ref.kind), ref.name, namespace=namespace, cascade=CascadeType.BACKGROUND
            )

    async def log(self, pod: str, container: str, namespace: str, lines: int = LOG_LINES) -> str:
        """See Kube."""
        with _counted("log", POD, missing_is_none=True):
            tail = self._client.log(pod, namespace=namespace, container=container, tail_lines=lines)
            return "".join([line async for line in tail])
        return ""

    async def _apply(self, resource: Any, name: str, manifest: Manifest, namespace: str) -> Mapping[str, Any]:
        applied: Mapping[str, Any] = await self._client.patch(
            resource, name, dict(manifest), namespace=namespace, patch_type=PatchType.APPLY, force=True
        )
        return applied


@contextmanager
def _counted(verb: str, kind: Kind, *, missing_is_none: bool = False) -> Iterator[None]:
    """Count a request by its verb and kind, and raise KubeError for what goes wrong with it.

    With `missing_is_none` an answer of 404 ends the block quietly.
    """
    try:
        yield
    except httpx2.HTTPStatusError as error:
        code = error.response.status_code
        metrics.API_CALLS.labels(verb, kind.name, str(code)).inc()
        if code == NOT_FOUND and missing_is_none:
            return
        raise KubeError(f"{verb} of a {kind.name} was refused with {code}: {error}", code) from error
    except httpx2.HTTPError as error:
        metrics.API_CALLS.labels(verb, kind.name, "none").inc()
        text = f"{verb} of a {kind.name} got no answer: {type(error).__name__} {error}"
        raise KubeError(text.rstrip(), None) from error
    else:
        metrics.API_CALLS.labels(verb, kind.name, "200").inc()


def _selector(wanted: Mapping[str, str] | None) -> dict[str, Any] | None:
    return dict(wanted) if wanted else None
