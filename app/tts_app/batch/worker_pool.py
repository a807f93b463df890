"""The worker pool of a batch: actors for each model, each made anew when it dies."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tts_app.batch.options import SPEAKERS
from tts_app.batch.worker import Fault, Order, Spoken, Worker
from tts_app.resources import VoiceModel

_START_SECONDS = 900.0
"""A worker that has not loaded its model by then has failed: a cluster may have no room for it."""
_SOON = 30.0
"""Seconds in which most workers have loaded their model."""
_ITEM_SECONDS = 900.0
"""An item that takes longer hangs, and its worker is ended."""
_CHUNK_SECONDS = 0.25
"""Work that is handed to a worker at a time: one item, unless items are much quicker."""
_CHUNK = 64
_ENDED = 3
"""Starts of a worker that may fail one after another before the batch is given up."""


class WorkerPoolError(Exception):
    """No worker can be had; the message says why."""


class WorkerDiedError(Exception):
    """The worker died with items in hand."""


class NoWorkerError(Exception):
    """The worker has gone since the items were taken: it never had them."""


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How many workers there are for a model, and where."""

    workers: int
    slots: int
    """Items that a worker speaks at a time."""
    resource: str | None = None
    """Custom Ray resource that each worker takes one of; without it, it runs beside the driver."""


def pool_size(
    model: VoiceModel, speaker: str, parallelism: int, node_resource: Mapping[str, str], models: int
) -> PoolSize:
    """Return the workers for a model, one of so many `models`.

    With a model of its own a worker has a core, or, where `node_resource` names the resource of the model's
    nodes, a whole node. Those who call a service have only the pipeline to run, and take several items at a
    time; they are in the pod of the service's gateway, and so they are few.
    """
    if speaker == "service":
        wanted = min(_PIPELINES, -(-parallelism // _ITEMS_A_PIPELINE))
        workers = max(1, wanted // models)
        return PoolSize(workers, min(-(-parallelism // workers), _MOST_ITEMS))
    if resource := node_resource.get(model.name):
        nodes = int(ray.cluster_resources().get(resource, 0)) or 1  # type: ignore[no-untyped-call]
        slots = max(1, int(model.spec.resources.cpus))
        return PoolSize(min(nodes, -(-parallelism // slots)), min(slots, parallelism), resource)
    return PoolSize(min(parallelism, len(os.sched_getaffinity(0))), 1)


_PIPELINES = 4
"""Workers that call a service, at most, of all models together, unless there are more models."""
_ITEMS_A_PIPELINE = 8
"""Items for which another of them is made."""
_MOST_ITEMS = 64
"""Items that one of them has in hand, at most: Python makes no more than a core's worth of them."""


@dataclass(slots=True)
class WorkerHandle:
    """A worker, whichever actor it is at the moment. For one event loop."""

    model: VoiceModel
    speaker: str
    size: PoolSize
    output: str
    soon_seconds: float = _SOON
    """For so long it is expected to be there soon."""
    pause: float = 2.0
    """Seconds before it is started again after a failed start; twice as many before the next try."""
    actor: Any = None
    chunk: int = 1
    """Items to hand to it at a time."""
    lost: str = ""
    """Why it cannot be had; empty as long as that may be."""
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _since: float | None = None
    """When it was first expected to be there."""
    _failed: int = 0
    _change: asyncio.Condition = field(default_factory=asyncio.Condition)
    _inside: int = 0
    """Chunks in the worker's hands."""
    _alone: bool = False
    _wanting: int = 0
    """Those who wait to be alone with it."""

    @property
    def is_expected(self) -> bool:
        """Whether it is there, or will be soon: one that has been starting for long may wait for a node."""
        soon = self._since is not None and time.monotonic() - self._since < self.soon_seconds
        return self.actor is not None or (soon and not self.lost)

    def expect(self) -> None:
        """Take note that it is about to be started."""
        if self._since is None:
            self._since = time.monotonic()

    async def start(self) -> None:
        """Make the actor, where there is none, and wait until its model is loaded.

        Raises:
            WorkerPoolError: it cannot be had.
        """
        async with self._starting:
            while self.actor is None:
                if self.lost:
                    raise WorkerPoolError(self.lost)
                try:
                    self.actor, self._failed = await self._made(), 0
                except RayTaskError as error:
                    self.lost = f"A worker of {self.model.name} does not start: {error.cause}"
                except (RayError, TimeoutError) as error:
                    self._failed += 1
                    if self._failed >= _ENDED:
                        self.lost = f"A worker of {self.model.name} does not start: {_cause(error)}"
                    else:
                        await asyncio.sleep(self.pause * 2.0 ** (self._failed - 1))

    async def _made(self) -> Any:
        """Return an actor whose model is loaded; none is left of one that is given up."""
        actor = self._make()
        try:
            await asyncio.wait_for(actor.ready.remote(), _START_SECONDS)
        except BaseException:
            ray.kill(actor)
            raise
        return actor

    async def render(self, orders: Sequence[Order], alone: bool = False) -> list[Spoken | Fault]:
        """Have the items spoken, `alone` with nothing else in the worker's hands.

        Raises:
            WorkerDiedError: the worker died, or hung and was ended.
            NoWorkerError: it had died before.
        """
        async with self._turn(alone):
            return await self._render(orders)

    @asynccontextmanager
    async def _turn(self, alone: bool) -> AsyncIterator[None]:
        def free() -> bool:
            return not self._alone and (not self._inside if alone else not self._wanting)

        async with self._change:
            self._wanting += alone
            await self._change.wait_for(free)
            self._wanting -= alone
            self._inside, self._alone = self._inside + 1, alone
        try:
            yield
        finally:
            async with self._change:
                self._inside, self._alone = self._inside - 1, False
                self._change.notify_all()

    async def _render(self, orders: Sequence[Order]) -> list[Spoken | Fault]:
        actor = self.actor
        if actor is None:
            raise NoWorkerError
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            found: list[Spoken | Fault] = await asyncio.wait_for(
                actor.render.remote(orders), _ITEM_SECONDS * len(orders)
            )
        except RayTaskError:  # it lives, and has made a mistake: whatever happens it answers
            raise
        except (RayError, TimeoutError) as error:  # its process, its memory, its node, or what it answered
            if self.actor is actor:
                self.actor = self._since = None
                ray.kill(actor)
            raise WorkerDiedError(_cause(error)) from error
        each = max(1e-6, (loop.time() - begun) / len(orders))
        self.chunk = max(1, min(_CHUNK, 2 * self.chunk, int(_CHUNK_SECONDS / each)))
        return found

    def stop(self) -> None:
        """End the actor."""
        if self.actor is not None:
            ray.kill(self.actor)
            self.actor = None

    def _make(self) -> Any:
        options: dict[str, Any] = {"num_cpus": 0, "max_concurrency": self.size.slots}
        if self.size.resource:
            options["resources"] = {self.size.resource: 1}
            if self.model.spec.resources.gpus:
                options["num_gpus"] = self.model.spec.resources.gpus
        else:  # where the output is, and the languages are
            here = ray.get_runtime_context().get_node_id()
            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(here, soft=False)
        path = SPEAKERS.get(self.speaker, self.speaker)
        made = ray.remote(Worker).options(**options)
        return made.remote(path, self.model, self.size.slots, self.output)


def _cause(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error).strip().partition("\n")[0] or type(error).__name__
