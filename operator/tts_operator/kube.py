"""The Kubernetes API as the operator uses it: a few verbs on plain dicts; every request is counted."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from functools import cache
from typing import Any, Protocol

import httpx2
from lightkube import ALL_NS, AsyncClient, KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.operators import exists
from lightkube.types import CascadeType, PatchType

from tts_app.telemetry import traces
from tts_operator import metrics
from tts_operator.objects import FIELD_MANAGER, KINDS, POD, Kind, Manifest, Ref

NOT_FOUND = 404
CONFLICT = 409
BAD_GATEWAY = 502
LOG_LINES = 5
PAGE = 100
"""Objects per page of a list: all at once, the RayServices alone would take most of the memory."""
WATCH_SECONDS = 270
"""After so long the API server ends a watch, which is then started again."""
SILENCE_SECONDS = 330.0
"""A watch that is silent for longer is broken: the API server sends a bookmark before it ends a watch."""


class KubeError(Exception):
    """The API refused a request, or did not answer."""

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; None when there was no answer."""


class Learn(Protocol):
    """Receives the objects that the API server returns."""

    def __call__(self, kind: Kind, found: Manifest, *, is_own: bool) -> None:
        """Take an object; `is_own` says whether this operator has just written it."""
        ...


def _forget(kind: Kind, found: Manifest, *, is_own: bool) -> None:
    """Ignore the object."""


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
        *,
        may_be_missing: bool = True,
    ) -> list[dict[str, Any]]:
        """Return the objects of a namespace, or of all.

        If the cluster has no such kind, `may_be_missing` says whether that means none or is an error.
        """
        ...

    async def apply(self, manifest: Manifest, namespace: str) -> dict[str, Any]:
        """Apply a manifest, server-side; fields that others own stay theirs unless the manifest has them."""
        ...

    async def apply_status(self, manifest: Manifest, namespace: str) -> dict[str, Any]:
        """Apply an object's status; return the object."""
        ...

    async def patch(self, ref: Ref, namespace: str, operations: Sequence[Mapping[str, Any]]) -> None:
        """Apply a JSON patch."""
        ...

    async def create(self, manifest: Manifest, namespace: str) -> None:
        """Create an object that is never updated."""
        ...

    async def replace(self, manifest: Manifest, namespace: str) -> None:
        """Replace an object, unless it changed since the `resourceVersion` that the manifest names."""
        ...

    async def delete(self, ref: Ref, namespace: str) -> None:
        """Delete an object, and then what it owns; do nothing if it does not exist."""
        ...

    async def log(self, pod: str, container: str, namespace: str, lines: int = LOG_LINES) -> str:
        """Return the last `lines` that a container wrote; empty where it never ran."""
        ...


@cache
def resource_class(kind: Kind) -> Any:
    """Return lightkube's class for a kind whose objects are dicts. It takes each kind once per process."""
    return create_namespaced_resource(kind.group, kind.version, kind.name, kind.plural)


class LightKube:
    """Kube on lightkube, with every object as a plain dict."""

    def __init__(self, config: KubeConfig, timeout: float, learn: Learn | None = None) -> None:
        """`timeout` is in seconds. `learn` is called with each object that the API server returns."""
        self._learn = learn or _forget
        # Its overloads have no resources that are plain dicts.
        self._client: Any = AsyncClient(
            config, timeout=httpx2.Timeout(timeout), field_manager=FIELD_MANAGER, trust_env=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, ref: Ref, namespace: str) -> dict[str, Any] | None:
        """See Kube."""
        with _counted("get", ref.kind, missing_is_none=True):
            found = dict(await self._client.get(resource_class(ref.kind), ref.name, namespace=namespace))
            self._learn(ref.kind, found, is_own=False)
            return found
        return None

    async def list(
        self,
        kind: Kind,
        namespace: str | None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        *,
        may_be_missing: bool = True,
    ) -> list[dict[str, Any]]:
        """See Kube."""
        with _counted("list", kind, missing_is_none=may_be_missing):
            where = ALL_NS if namespace is None else namespace
            found = self._client.list(
                resource_class(kind), namespace=where, labels=_selector(labels), fields=_selector(fields)
            )
            items = [_typed(kind, item) async for item in found]
            for item in items:
                self._learn(kind, item, is_own=False)
            return items
        return []

    async def each(
        self, kind: Kind, namespace: str | None, label: str | None, take: Callable[[Manifest], None]
    ) -> int:
        """See WatchableKube."""
        with _counted("list", kind):
            found = self._client.list(
                resource_class(kind),
                namespace=ALL_NS if namespace is None else namespace,
                labels=None if label is None else {label: exists()},
                chunk_size=PAGE,
            )
            async for item in found:
                take(_typed(kind, item))
        return int(found.resourceVersion)

    async def watch(
        self,
        kind: Kind,
        namespace: str | None,
        label: str | None,
        version: int,
        take: Callable[[str, Manifest], None],
    ) -> None:
        """See WatchableKube."""
        # lightkube's own `watch` requests no bookmarks: without them the version of a quiet kind expires.
        client = self._client._client
        request = client.prepare_request(
            "list",
            res=resource_class(kind),
            namespace=ALL_NS if namespace is None else namespace,
            watch=True,
            params={
                "allowWatchBookmarks": "true",
                "labelSelector": label,
                "resourceVersion": str(version),
                "timeoutSeconds": str(WATCH_SECONDS),
            },
        )
        clock = asyncio.get_running_loop().time
        with _errors("watch", kind):
            async with aclosing(client.watch(request)) as events, asyncio.timeout(SILENCE_SECONDS) as limit:
                async for type_, found in events:
                    limit.reschedule(clock() + SILENCE_SECONDS)
                    take(type_, _typed(kind, found))

    async def apply(self, manifest: Manifest, namespace: str) -> dict[str, Any]:
        """See Kube."""
        kind, name = KINDS[manifest["kind"]], manifest["metadata"]["name"]
        with _counted("apply", kind):
            return await self._apply(kind, resource_class(kind), name, manifest, namespace)

    async def apply_status(self, manifest: Manifest, namespace: str) -> dict[str, Any]:
        """See Kube."""
        kind, name = KINDS[manifest["kind"]], manifest["metadata"]["name"]
        with _counted("status", kind):
            return await self._apply(kind, resource_class(kind).Status, name, manifest, namespace)

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
            created = await self._client.create(resource_class(kind)(manifest), namespace=namespace)
            self._learn(kind, _typed(kind, created), is_own=True)

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

    async def _apply(
        self, kind: Kind, resource: Any, name: str, manifest: Manifest, namespace: str
    ) -> dict[str, Any]:
        applied = _typed(
            kind,
            await self._client.patch(
                resource, name, dict(manifest), namespace=namespace, patch_type=PatchType.APPLY, force=True
            ),
        )
        self._learn(kind, applied, is_own=True)
        return applied


def _typed(kind: Kind, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with its kind and version: the items of a list of Kubernetes' own kinds lack them."""
    return {**found, "apiVersion": kind.api_version, "kind": kind.name}


@contextmanager
def _counted(verb: str, kind: Kind, *, missing_is_none: bool = False) -> Iterator[None]:
    """Count and time a request by its verb and kind, and raise KubeError if it fails.

    With `missing_is_none` an answer of 404 ends the block quietly.
    """
    code = "200"
    began = time.monotonic()
    with traces.span(f"{verb} {kind.name}") as span:
        try:
            with _errors(verb, kind):
                yield
        except KubeError as error:
            code = "none" if error.status is None else str(error.status)
            if not (missing_is_none and error.status == NOT_FOUND):
                raise
        finally:
            span.set({"ttsp.code": code})
            metrics.API_CALL_SECONDS.labels(verb).observe(time.monotonic() - began)
            metrics.API_CALLS.labels(verb, kind.name, code).inc()


@contextmanager
def _errors(verb: str, kind: Kind) -> Iterator[None]:
    """Raise KubeError if a request fails."""
    try:
        yield
    except ApiError as error:
        code = error.status.code
        raise KubeError(f"{verb} of a {kind.name} was refused with {code}: {error}", code) from error
    except httpx2.HTTPStatusError as error:
        code = error.response.status_code
        raise KubeError(f"{verb} of a {kind.name} was refused with {code}: {error}", code) from error
    except (httpx2.HTTPError, TimeoutError) as error:
        text = f"{verb} of a {kind.name} got no answer: {type(error).__name__} {error}"
        raise KubeError(text.rstrip(), None) from error
    except (ValueError, KeyError) as error:  # half a line of a watch, or a proxy's answer
        text = f"{verb} of a {kind.name} got an answer that cannot be read: {type(error).__name__} {error}"
        raise KubeError(text, BAD_GATEWAY) from error


def _selector(wanted: Mapping[str, str] | None) -> dict[str, Any] | None:
    return dict(wanted) if wanted else None
