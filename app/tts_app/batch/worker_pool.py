"""The worker pool of a batch: actors for each model, each replaced when it dies."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tts_app.backoff import Backoff
from tts_app.batch.options import SPEAKERS
from tts_app.batch.worker import Fault, Order, Spoken, Worker
from tts_app.resources import VoiceModel
from tts_app.telemetry.about import carried

_START_SECONDS = 900.0
"""A worker that takes longer to load its model has failed: a cluster may have no room for it."""
_SOON = 30.0
"""Seconds in which most workers have loaded their model."""
_ITEM_SECONDS = 900.0
"""An item that takes longer counts as hung, and its worker is killed."""
_CHUNK_SECONDS = 0.25
"""Seconds of work that a worker gets at a time: one item, unless items are much quicker."""
_CHUNK = 64
_TRACES_SECONDS = 2.0
"""How long the end of a batch waits for its workers to send their traces."""
_ENDED = 3
"""Failed starts in a row after which a worker is given up."""


class WorkerPoolError(Exception):
    """No worker can be started; the message says why."""


class WorkerDiedError(Exception):
    """The worker died while it had items."""


class NoWorkerError(Exception):
    """The worker has died since the items were taken: it never got them."""


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How many workers there are for a model, and where."""

    workers: int
    slots: int
    """Items that a worker speaks at a time."""
    resource: str | None = None
    """Custom Ray resource of which each worker takes one; without it, workers run beside the driver."""


def pool_size(
    model: VoiceModel, speaker: str, parallelism: int, node_resource: Mapping[str, str], models: int
) -> PoolSize:
    """Return the size of a model's pool; `models` is how many models the batch uses.

    A worker that loads the model has a core, or a whole node if `node_resource` names the resource of the
    model's nodes. There it has an item for each core, and on a GPU as many as a replica has requests: they
    share the engine's calls. Workers that call a service run only the pipeline, and take several items at a
    time. They run in the pod of the service's gateway, so there are few.
    """
    if speaker == "service":
        wanted = min(_PIPELINES, -(-parallelism // _ITEMS_A_PIPELINE))
        workers = max(1, wanted // models)
        return PoolSize(workers, min(-(-parallelism // workers), _MOST_ITEMS))
    if resource := node_resource.get(model.name):
        nodes = int(ray.cluster_resources().get(resource, 0)) or 1  # type: ignore[no-untyped-call]
        spec = model.spec
        of_replica = spec.replicas.target_ongoing_requests if spec.resources.gpus else spec.resources.cpus
        slots = max(1, int(of_replica))
        return PoolSize(min(nodes, -(-parallelism // slots)), min(slots, parallelism), resource)
    return PoolSize(min(parallelism, len(os.sched_getaffinity(0))), 1)


_PIPELINES = 4
"""Most workers that call a service, for all models together, unless there are more models."""
_ITEMS_A_PIPELINE = 8
"""Items at a time for each such worker: for more, another one is made."""
_MOST_ITEMS = 64
"""Most items at a time in one such worker: Python uses one core, and more items would not be faster."""


@dataclass(slots=True)
class WorkerHandle:
    """A worker, whose actor may be replaced. For one event loop."""

    model: VoiceModel
    speaker: str
    size: PoolSize
    output: str
    soon_seconds: float = _SOON
    """How long after the start began the worker is expected to be ready soon."""
    retry: Backoff = Backoff(2.0)
    """Delays before a new start after a failed one."""
    actor: Any = None
    chunk: int = 1
    """Items to hand to it at a time."""
    lost: str = ""
    """Why it cannot be started; empty as long as it may still start."""
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _since: float | None = None
    """When its start began."""
    _failed: int = 0
    _change: asyncio.Condition = field(default_factory=asyncio.Condition)
    _inside: int = 0
    """Chunks that the worker has."""
    _alone: bool = False
    _wanting: int = 0
    """Callers that wait to use it alone."""

    @property
    def is_expected(self) -> bool:
        """Whether it runs, or will soon: one that has been starting for long may be waiting for a node."""
        soon = self._since is not None and time.monotonic() - self._since < self.soon_seconds
        return self.actor is not None or (soon and not self.lost)

    def expect(self) -> None:
        """Record that it is about to be started."""
        if self._since is None:
            self._since = time.monotonic()

    async def start(self) -> None:
        """Make the actor, if there is none, and wait until its model is loaded.

        Raises:
            WorkerPoolError: it cannot be started.
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
                        await asyncio.sleep(self.retry.after(self._failed))

    async def _made(self) -> Any:
        """Return an actor whose model is loaded; kill one that fails or is no longer wanted."""
        actor = self._make()
        try:
            await asyncio.wait_for(actor.ready.remote(), _START_SECONDS)
        except BaseException:
            ray.kill(actor)
            raise
        return actor

    async def render(self, orders: Sequence[Order], alone: bool = False) -> list[Spoken | Fault]:
        """Have the worker speak the items; with `alone`, while it has no others.

        Raises:
            WorkerDiedError: the worker died, or hung and was killed.
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
                actor.render.remote(orders, carried()), _ITEM_SECONDS * len(orders)
            )
        except RayTaskError:  # it lives; it answers with faults, so an exception is a bug
            raise
        except (RayError, TimeoutError) as error:  # its process, memory, node or answer was lost
            if self.actor is actor:
                self.actor = self._since = None
                ray.kill(actor)
            raise WorkerDiedError(_cause(error)) from error
        each = max(1e-6, (loop.time() - begun) / len(orders))
        self.chunk = max(1, min(_CHUNK, 2 * self.chunk, int(_CHUNK_SECONDS / each)))
        return found

    async def send_traces(self) -> None:
        """Give the actor a moment to send what it has recorded of traces."""
        if self.actor is not None:
            with suppress(RayError, TimeoutError):
                await asyncio.wait_for(self.actor.send_traces.remote(), _TRACES_SECONDS)

    def stop(self) -> None:
        """Kill the actor."""
        if self.actor is not None:
            ray.kill(self.actor)
            self.actor = None

    def _make(self) -> Any:
        options: dict[str, Any] = {"num_cpus": 0, "max_concurrency": self.size.slots}
        if self.size.resource:
            options["resources"] = {self.size.resource: 1}
            if self.model.spec.resources.gpus:
                options["num_gpus"] = self.model.spec.resources.gpus
        else:  # on this node, which has the output and the languages
            here = ray.get_runtime_context().get_node_id()
            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(here, soft=False)
        path = SPEAKERS.get(self.speaker, self.speaker)
        made = ray.remote(Worker).options(**options)
        return made.remote(path, self.model, self.size.slots, self.output)


def _cause(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error).strip().partition("\n")[0] or type(error).__name__
