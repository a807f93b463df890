"""Keeps a store in step with the API server: lists, then watches, and lists again after a gap."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from tts_app.backoff import Backoff
from tts_operator.cache import Store
from tts_operator.kube import NOT_FOUND, KubeError
from tts_operator.objects import Kind, Manifest

logger = logging.getLogger(__name__)

GONE = 410
"""The API server's answer to a watch from a version that is too old."""
RETRY = Backoff(1.0, 60.0)
"""Delays before a broken watch is started again."""
MISSING_SECONDS = 30.0
"""Seconds after which to look again for a kind that the cluster lacks."""
UNWRITTEN_SECONDS = 300.0
"""The same for a kind whose group this operator has not written to."""


class WatchableKube(Protocol):
    """What a reflector needs of the API. Every method raises KubeError."""

    async def each(
        self, kind: Kind, namespace: str | None, label: str | None, take: Callable[[Manifest], None]
    ) -> int:
        """Call `take` with each object that has a label, in a namespace or in all.

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
        """Call `take` with type and object of each event after a version, until the watch breaks."""
        ...


class Reflector:
    """Keeps one store."""

    def __init__(self, kube: WatchableKube, store: Store) -> None:
        self.tried = asyncio.Event()
        """Set when the objects have been listed or could not be listed."""
        self._kube, self._store = kube, store
        self._is_listed = False

    async def run(self) -> None:
        """List and watch forever."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            began = clock()
            try:
                await self._follow()
            except KubeError as error:
                failures = 1 if clock() - began > RETRY.longest else failures + 1
                await self._recover(error, failures)

    async def _follow(self) -> None:
        """List, unless the objects are listed already, and watch. Raises KubeError when the watch breaks."""
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

        If the API server did not answer, the watch resumes where it was. A refusal may mean that events are
        missing: then all objects are listed again.
        """
        store = self._store
        if error.status is not None:
            self._is_listed = False
        if error.status == NOT_FOUND and store.watched.label is None:
            # Users write these resources, and they may still exist: while a definition changes, it is not
            # established for a moment. Until they are listed they are unknown, and nothing is done.
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
            await asyncio.sleep(RETRY.after(failures))

    async def _kind_may_be_there(self) -> None:
        """Wait until a kind that the cluster lacks may have been added.

        Objects with our label result from this operator's writes: unless it has written or read one of the
        kind's group, there are none. It still looks now and then, because a backup may restore some.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._store.written.wait(), UNWRITTEN_SECONDS)
        await asyncio.sleep(MISSING_SECONDS)  # the kinds of a group are added one after the other
