"""Keeps a store as the API server has its objects: lists, then watches, and lists again after a gap."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from tts_operator.backoff import LONGEST_DELAY, delay
from tts_operator.cache import Store
from tts_operator.kube import NOT_FOUND, KubeError
from tts_operator.objects import Kind, Manifest

logger = logging.getLogger(__name__)

GONE = 410
"""What the API server answers to a watch that begins too long ago."""
MISSING_SECONDS = 30.0
"""After so long a kind that the cluster does not have is looked for again."""
UNWRITTEN_SECONDS = 300.0
"""After so long, one of whose group this operator has written nothing."""


class WatchableKube(Protocol):
    """What a reflector needs of the API. Every method raises KubeError."""

    async def each(
        self, kind: Kind, namespace: str | None, label: str | None, take: Callable[[Manifest], None]
    ) -> int:
        """Call `take` with each object of a namespace, or of all, that has a label.

        Returns the version of the list.
        """
        ...

    async def watch(
        self,
        kind: Kind,
        namespace: str | None,
        label: str | None,
        version: int,
        take: Callable[[str, Manifest], None],
    ) -> None:
        """Call `take` with the type and the object of each event after a version, until the watch breaks."""
        ...


class Reflector:
    """Keeps one store."""

    def __init__(self, kube: WatchableKube, store: Store) -> None:
        self.tried = asyncio.Event()
        """Set when the objects have been listed, or could not be."""
        self._kube, self._store = kube, store
        self._is_listed = False

    async def run(self) -> None:
        """List and watch for ever."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            began = clock()
            try:
                await self._follow()
            except KubeError as error:
                failures = 1 if clock() - began > LONGEST_DELAY else failures + 1
                await self._recover(error, failures)

    async def _follow(self) -> None:
        """List, unless nothing is missing, and watch. Raises KubeError when the watch breaks."""
        store = self._store
        source = store.watched.kind, store.namespace, store.watched.label
        if not self._is_listed:
            names: set[tuple[str, str]] = set()

            def take(found: Manifest) -> None:
                names.add((found["metadata"]["namespace"], found["metadata"]["name"]))
                store.listed(found)

            store.end_list(names, await self._kube.each(*source, take))
            self._is_listed = True
            self.tried.set()
        await self._kube.watch(*source, store.version, store.take)

    async def _recover(self, error: KubeError, failures: int) -> None:
        """Wait until it makes sense to try again.

        Where the API server did not answer, the watch resumes where it was. What it refuses may mean that
        events are missing: all is listed again.
        """
        store = self._store
        if error.status is not None:
            self._is_listed = False
        if error.status == NOT_FOUND and store.watched.label is None:
            # Users write these, and what they wrote may be there all the same: a definition that changes is
            # not established for a moment. Until they are listed nothing is known, and nothing is done.
            store.trouble = str(error)
            self.tried.set()
            await asyncio.sleep(MISSING_SECONDS)
        elif error.status == NOT_FOUND:
            store.clear()
            self.tried.set()
            await self._kind_may_be_there()
        elif error.status != GONE or failures > 1:
            logger.warning("the watch of %s broke: %s", store.watched.kind.plural, error)
            if store.trouble:
                store.trouble = str(error)
            self.tried.set()
            await asyncio.sleep(delay(failures))

    async def _kind_may_be_there(self) -> None:
        """Wait until a kind that the cluster does not have may have come.

        Objects with our label follow from what this operator writes: unless it has written or met one of the
        kind's group there are none. It looks now and then all the same, for they may come from a backup.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._store.written.wait(), UNWRITTEN_SECONDS)
        await asyncio.sleep(MISSING_SECONDS)  # kinds of a group come one after the other
