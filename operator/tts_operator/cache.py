"""The objects of services and TTSJobs in memory, kept current by watches: reading them sends no request.

An object is kept as compressed JSON, which takes a fifteenth of the memory of Python dicts. Every reader gets
its own copy.
"""

import asyncio
import json
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tts_operator.kube import KubeError
from tts_operator.objects import JobKey, Key, Kind, Manifest, Ref
from tts_operator.watched import WATCHED, Watched

Name = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class _Entry:
    version: int
    key: Key | JobKey
    data: bytes
    is_notified: bool
    """Whether the owner was notified of this version or wrote it."""


class Store:
    """The objects of one kind, of one namespace or all, that belong to services or to TTSJobs."""

    def __init__(
        self,
        watched: Watched,
        namespace: str | None,
        notify: Callable[[Key | JobKey], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`notify` is called with the owner of objects that changed; `clock` is monotonic, in seconds."""
        self.watched, self.namespace = watched, namespace
        self.version = 0
        """The version that the watch has reached: all older changes are known."""
        self.trouble = "they are not listed yet"
        """Why the objects are not known; empty when they are."""
        self.written = asyncio.Event()
        """Set once the API server has returned an object of the group since the kind was missing."""
        self._notify = notify
        self._clock = clock
        self._heard = clock()
        self._is_missing = False
        self._entries: dict[Name, _Entry] = {}
        self._names: defaultdict[Key | JobKey, set[Name]] = defaultdict(set)

    @property
    def age(self) -> float | None:
        """Seconds since the API server last told something of the kind; None where the cluster lacks it.

        A watch that works tells something each minute, at least a bookmark.
        """
        return None if self._is_missing else self._clock() - self._heard

    def of(self, key: Key | JobKey) -> list[dict[str, Any]]:
        """Return the objects that belong to `key`.

        Raises:
            KubeError: the objects are not listed yet.
        """
        self._require()
        return [_decoded(self._entries[name].data) for name in sorted(self._names.get(key, ()))]

    def get(self, name: str, key: Key | JobKey) -> dict[str, Any] | None:
        """Return the object of that name that belongs to `key`; None where there is none.

        Raises:
            KubeError: the objects are not listed yet.
        """
        self._require()
        entry = self._entries.get((key.namespace, name))
        return None if entry is None or entry.key != key else _decoded(entry.data)

    def listed(self, found: Manifest) -> None:
        """Take an object of a list, which overrides whatever was known before."""
        entry = self._entries.get(_name(found))
        if entry is None or entry.version != _version(found) or not entry.is_notified:
            self._set(found, is_notified=True)

    def end_list(self, names: Collection[Name], version: int) -> None:
        """Drop objects missing from the `names` of a list of this version: they were deleted meanwhile."""
        restored = version < self.version  # the API server has older data than before, such as from a backup
        for name in [name for name in self._entries if name not in names]:
            if restored or self._entries[name].version <= version:
                self._drop(name)
        self.version = version
        self.trouble = ""
        self._hear()

    def clear(self) -> None:
        """Drop all objects: the cluster has no such kind."""
        for name in list(self._entries):
            self._drop(name)
        self.trouble = ""
        self._is_missing = True
        self.written.clear()

    def take(self, type_: str, found: Manifest) -> None:
        """Take an event of the watch."""
        self.version = version = _version(found)
        self._hear()
        if type_ == "BOOKMARK":
            return
        entry = self._entries.get(_name(found))
        if entry is not None and version < entry.version:
            self._notify(entry.key)  # another writer changed it before this operator wrote or read it
        elif type_ == "DELETED":
            if entry is not None:
                self._drop(_name(found))
        elif entry is None or version > entry.version or not entry.is_notified:
            self._set(found, is_notified=True)

    def learn(self, found: Manifest, *, is_own: bool) -> None:
        """Take an object that the API server returned, unless the watch has already reached that version.

        The owner is not notified of its own writes (`is_own`).
        """
        entry = self._entries.get(_name(found))
        version = _version(found)
        if version <= self.version or (entry is not None and version <= entry.version):
            return
        self._set(found, is_notified=is_own, notify=False)

    def _hear(self) -> None:
        self._heard, self._is_missing = self._clock(), False

    def _require(self) -> None:
        if self.trouble:
            where = f"namespace {self.namespace}" if self.namespace else "the cluster"
            raise KubeError(f"The {self.watched.kind.plural} of {where} are not known: {self.trouble}", None)

    def _set(self, found: Manifest, *, is_notified: bool, notify: bool = True) -> None:
        name, key = _name(found), self.watched.key_of(found)
        before = self._entries.get(name)
        if before is not None and before.key != key:
            self._drop(name)
        self._entries[name] = _Entry(_version(found), key, _encoded(found), is_notified)
        self._names[key].add(name)
        if notify:
            self._notify(key)

    def _drop(self, name: Name) -> None:
        key = self._entries.pop(name).key
        names = self._names[key]
        names.discard(name)
        if not names:
            del self._names[key]
        self._notify(key)


class Cache:
    """All watched objects. It is a `Reader`."""

    def __init__(self, namespaces: Collection[str], notify: Callable[[Key | JobKey], None]) -> None:
        """`namespaces` are those to watch, none for all; `notify` gets the owner of objects that changed."""
        self.stores: Sequence[Store] = [
            Store(watched, namespace, notify) for watched in WATCHED for namespace in namespaces or (None,)
        ]
        self._stores = {
            (store.watched.kind, store.watched.owner, store.namespace): store for store in self.stores
        }

    def ages(self) -> Mapping[str, float]:
        """Return the age of the oldest store of each kind that the cluster has, in seconds."""
        found: dict[str, float] = {}
        for store in self.stores:
            if (age := store.age) is not None:
                kind = store.watched.kind.name
                found[kind] = max(age, found.get(kind, 0.0))
        return found

    async def of(self, kind: Kind, key: Key | JobKey) -> Sequence[Manifest]:
        """See Reader."""
        return self._store(kind, key).of(key)

    async def get(self, ref: Ref, key: Key | JobKey) -> Manifest | None:
        """See Reader."""
        return self._store(ref.kind, key).get(ref.name, key)

    def learn(self, kind: Kind, found: Manifest, *, is_own: bool) -> None:
        """Take an object that the API server returned; ignore objects that are not watched."""
        for owner in (Key, JobKey):
            store = self._find(kind, owner, found["metadata"].get("namespace", ""))
            label = store.watched.label if store is not None else None
            if store is not None and (label is None or label in found["metadata"].get("labels", {})):
                store.learn(found, is_own=is_own)
        for store in self.stores:
            if store.watched.kind.group == kind.group:
                store.written.set()

    def _store(self, kind: Kind, key: Key | JobKey) -> Store:
        store = self._find(kind, type(key), key.namespace)
        if store is None:
            raise KubeError(f"{kind.plural} of namespace {key.namespace} are not watched", None)
        return store

    def _find(self, kind: Kind, owner: type[Key] | type[JobKey], namespace: str) -> Store | None:
        return self._stores.get((kind, owner, None)) or self._stores.get((kind, owner, namespace))


def _name(found: Manifest) -> Name:
    return found["metadata"]["namespace"], found["metadata"]["name"]


def _version(found: Manifest) -> int:
    """Return an object's version. Versions of one kind only grow: they are etcd's counter."""
    return int(found["metadata"]["resourceVersion"])


def _encoded(found: Manifest) -> bytes:
    metadata = {name: value for name, value in found["metadata"].items() if name != "managedFields"}
    return zlib.compress(json.dumps({**found, "metadata": metadata}).encode(), 1)


def _decoded(data: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(zlib.decompress(data))
    return decoded
