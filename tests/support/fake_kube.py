"""An API server in memory, for tests that need no real one."""

import asyncio
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tts_operator.kube import NOT_FOUND, KubeError, Learn
from tts_operator.objects import EVENT, KINDS, Kind, Manifest, Ref

Object = dict[str, Any]
READS = ("get", "list", "log")


class FakeKube:
    """Implements `Kube`. A test moves it by `put`, `change` and `drop`, and looks at `requests`."""

    def __init__(self, learn: Learn | None = None) -> None:
        """`learn` is called with every object that it answers with, as by `LightKube`."""
        self.requests: list[tuple[str, str]] = []
        """The verb and the kind of each request that it got."""
        self.refused: dict[tuple[str, str], int] = {}
        """The HTTP status that a verb on a kind is refused with."""
        self.error: KubeError | None = None
        """What every request ends with, where it is set."""
        self.answers = asyncio.Event()
        """While it is cleared no request is answered."""
        self.answers.set()
        self.logs: dict[str, str] = {}
        """What the pods log, by name."""
        self.clock: Callable[[], str] = lambda: "2026-01-01T00:00:00Z"
        """Returns the time at which objects are created."""
        self._learn = learn
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._version = 0
        self._history: list[tuple[int, str, Object]] = []
        self._compacted = 0
        """Watches that begin before this version are refused."""
        self._changed = asyncio.Event()
        self._broken: KubeError | None = None

    # What a test does in the place of others.

    def put(self, kind: Kind, found: Manifest, namespace: str = "speech") -> Object:
        """Have an object, whatever was there before; return it."""
        made = copy.deepcopy(dict(found)) | {"apiVersion": kind.api_version, "kind": kind.name}
        made["metadata"] = {"namespace": namespace, "uid": f"uid-{made['metadata']['name']}"} | {
            "generation": 1,
            "labels": {},
            **made["metadata"],
        }
        return self._store(made)

    def change(self, ref: Ref, change: Callable[[Object], object], namespace: str = "speech") -> Object:
        """Change an object in place; return it as it is then."""
        found = copy.deepcopy(self._objects[ref.kind.name, namespace, ref.name])
        change(found)
        return self._store(found)

    def drop(self, ref: Ref, namespace: str = "speech") -> None:
        """Have an object no more."""
        gone = copy.deepcopy(self._objects.pop((ref.kind.name, namespace, ref.name)))
        self._version += 1
        gone["metadata"]["resourceVersion"] = str(self._version)
        self._happen("DELETED", gone)

    def break_watches(self, *, compact: bool = False) -> None:
        """End all watches; with `compact` forget what has happened: who watches on must list again."""
        if compact:
            self._compacted = self._version
            self._history.clear()
        self._broken = KubeError("the connection is gone", None)
        self._wake()

    def found(self, ref: Ref, namespace: str = "speech") -> Object | None:
        """Return an object as it is, without a request."""
        return copy.deepcopy(self._objects.get((ref.kind.name, namespace, ref.name)))

    def of_kind(self, kind: Kind) -> list[Object]:
        """Return all objects of a kind, without a request."""
        return [copy.deepcopy(found) for (name, *_), found in self._objects.items() if name == kind.name]

    def take_requests(self) -> list[tuple[str, str]]:
        """Return the requests since the last time, and forget them."""
        taken, self.requests = self.requests, []
        return taken

    def take_writes(self) -> list[str]:
        """Return what was written since the last time, as `apply RayService`, and forget all requests."""
        return [f"{verb} {kind}" for verb, kind in self.take_requests() if verb not in READS]

    # What the operator asks.

    async def get(self, ref: Ref, namespace: str) -> Object | None:
        await self._request("get", ref.kind)
        return self._answer(ref.kind, self._objects.get((ref.kind.name, namespace, ref.name)))

    async def list(
        self,
        kind: Kind,
        namespace: str | None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        *,
        may_be_missing: bool = True,
    ) -> list[Object]:
        try:
            await self._request("list", kind)
        except KubeError as error:
            if error.status == NOT_FOUND and may_be_missing:
                return []
            raise
        return [
            self._answer(kind, found)
            for (name, place, _), found in self._objects.items()
            if name == kind.name
            and namespace in (None, place)
            and (labels or {}).items() <= found["metadata"]["labels"].items()
            and all(_at(found, path) == value for path, value in (fields or {}).items())
        ]

    async def apply(self, manifest: Manifest, namespace: str) -> Object:
        kind = KINDS[manifest["kind"]]
        await self._request("apply", kind)
        before = self._objects.get((kind.name, namespace, manifest["metadata"]["name"]))
        return self._answer(kind, self._write(kind, manifest, before, namespace), is_own=True)

    async def apply_status(self, manifest: Manifest, namespace: str) -> Object:
        kind = KINDS[manifest["kind"]]
        await self._request("status", kind)
        before = self._objects.get((kind.name, namespace, manifest["metadata"]["name"]))
        if before is None:
            raise KubeError("not found", 404)
        ours = kind.api_version.startswith("ttsplayground.dev/")
        status = {**({} if ours else before.get("status", {})), **manifest["status"]}
        changed = self._store({**before, "status": copy.deepcopy(status)})
        return self._answer(kind, changed, is_own=True)

    async def patch(self, ref: Ref, namespace: str, operations: Sequence[Mapping[str, Any]]) -> None:
        await self._request("patch", ref.kind)
        found = copy.deepcopy(self._objects[ref.kind.name, namespace, ref.name])
        for operation in operations:
            *path, last = operation["path"].strip("/").split("/")
            place: Any = found
            for part in path:
                place = place[int(part)] if isinstance(place, list) else place[part]
            if operation["op"] == "test":
                if place[last] != operation["value"]:
                    raise KubeError(f"{operation['path']} is {place[last]!r}", 422)
            else:
                place[last] = operation["value"]
        self._store(found)

    async def create(self, manifest: Manifest, namespace: str) -> None:
        kind = KINDS[manifest["kind"]]
        await self._request("create", kind)
        if (kind.name, namespace, manifest["metadata"]["name"]) in self._objects:
            raise KubeError("there already", 409)
        self._answer(kind, self._write(kind, manifest, None, namespace), is_own=True)

    async def replace(self, manifest: Manifest, namespace: str) -> None:
        kind = KINDS[manifest["kind"]]
        await self._request("replace", kind)
        before = self._objects[kind.name, namespace, manifest["metadata"]["name"]]
        if manifest["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]:
            raise KubeError("another version", 409)
        self._write(kind, manifest, None, namespace)

    async def delete(self, ref: Ref, namespace: str) -> None:
        await self._request("delete", ref.kind)
        if (ref.kind.name, namespace, ref.name) in self._objects:
            self.drop(ref, namespace)

    async def log(self, pod: str, container: str, namespace: str, lines: int = 5) -> str:
        await self._request("log", KINDS["Pod"])
        return self.logs.get(pod, "")

    async def each(
        self, kind: Kind, namespace: str | None, label: str | None, take: Callable[[Manifest], None]
    ) -> int:
        await self._request("list", kind)
        for (name, place, _), found in list(self._objects.items()):
            if name == kind.name and namespace in (None, place) and _has(found, label):
                take(copy.deepcopy(found))
        return self._version

    async def watch(
        self,
        kind: Kind,
        namespace: str | None,
        label: str | None,
        version: int,
        take: Callable[[str, Manifest], None],
    ) -> None:
        await self._request("watch", kind)
        self._broken = None
        if version < self._compacted:
            raise KubeError("too old", 410)
        while self._broken is None:
            for at, type_, found in list(self._history):
                is_watched = found["kind"] == kind.name and namespace in (
                    None,
                    found["metadata"]["namespace"],
                )
                if at > version and is_watched and _has(found, label):
                    take(type_, copy.deepcopy(found))
            version = self._version
            await self._changed.wait()
        raise self._broken

    @property
    def reported(self) -> Sequence[tuple[str, str]]:
        """The type and the reason of the Events that were reported."""
        return [
            (event["type"], event["reason"]) for event in self.of_kind(EVENT) if "reportingInstance" in event
        ]

    async def _request(self, verb: str, kind: Kind) -> None:
        self.requests.append((verb, kind.name))
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        if (verb, kind.name) in self.refused:
            raise KubeError(f"{verb} is refused", self.refused[verb, kind.name])

    def _write(self, kind: Kind, manifest: Manifest, before: Object | None, namespace: str) -> Object:
        """Store a manifest with what an API server adds to it."""
        metadata = {
            "namespace": namespace,
            "uid": f"uid-{manifest['metadata']['name']}",
            "generation": 1,
            "creationTimestamp": self.clock(),
            "labels": {},
        }
        made = copy.deepcopy({**(before or {}), **manifest})
        made["metadata"] = {**metadata, **(before or {}).get("metadata", {}), **made["metadata"]}
        if before is not None and before.get("spec") != made.get("spec"):
            made["metadata"]["generation"] = before["metadata"]["generation"] + 1
        return self._store(made)

    def _store(self, found: Object) -> Object:
        self._version += 1
        metadata = found["metadata"] = {**found["metadata"], "resourceVersion": str(self._version)}
        name = found["kind"], metadata["namespace"], metadata["name"]
        self._happen("MODIFIED" if name in self._objects else "ADDED", found)
        self._objects[name] = found
        return copy.deepcopy(found)

    def _happen(self, type_: str, found: Object) -> None:
        self._history.append((self._version, type_, copy.deepcopy(found)))
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _answer(self, kind: Kind, found: Object | None, *, is_own: bool = False) -> Any:
        if found is not None:
            found = copy.deepcopy(found)
            if self._learn is not None:
                self._learn(kind, found, is_own=is_own)
        return found


def _has(found: Manifest, label: str | None) -> bool:
    return label is None or label in found["metadata"]["labels"]


def _at(found: Manifest, path: str) -> Any:
    value: Any = found
    for part in path.split("."):
        value = value.get(part, {})
    return value
