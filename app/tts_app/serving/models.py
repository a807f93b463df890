"""The models of a service, and who may use them: one mechanism for voice models and text models."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from tts_app.fair_queue import NO_WEIGHTS
from tts_app.resources import TextModel, VoiceModel
from tts_app.serving.admission import Admission, OverloadedError
from tts_app.serving.client import PATIENCE, ModelClient
from tts_app.serving.failures import failure_of
from tts_app.serving.queue_watch import QueueWatch
from tts_app.telemetry.metrics.labels import Failure, Outcome, Priority
from tts_app.telemetry.metrics.queue import QueueMetrics

SIBLING_FAILED = "what is made beside it has failed"
"""Message of a cancellation whose cause is not that the caller left."""

Resource = TypeVar("Resource", bound=VoiceModel | TextModel)
Client = TypeVar("Client", bound=ModelClient[Any])


class RequestMetrics(Protocol):
    """What is recorded of requests that do not finish."""

    def failed(self, model: str, priority: Priority, reason: Failure, /) -> None:
        """Record a request that failed."""

    def ended(self, model: str, priority: Priority, outcome: Outcome, /) -> None:
        """Record a request that was abandoned or refused."""


class UnknownModelError(LookupError):
    """There is no such model."""


@dataclass(slots=True)
class Served(Generic[Resource, Client]):
    """A model as the gateway knows it."""

    resource: Resource
    client: Client
    admission: Admission
    watch: QueueWatch

    async def capabilities(self) -> Any:
        """Return what the model's engine can do, once it has started.

        Raises:
            ModelUnavailableError: it does not answer; the message says why.
        """
        return await self.client.capabilities(PATIENCE)


class ServedModels(Generic[Resource, Client]):
    """Models by name, each with its client and its queue of callers. For one event loop."""

    def __init__(
        self,
        queue: int,
        connect: Callable[[str], Client],
        metrics: RequestMetrics,
        queues: QueueMetrics,
        weights: Mapping[str, int] = NO_WEIGHTS,
    ) -> None:
        self._queue = queue
        self._weights = weights
        self._connect = connect
        self._metrics = metrics
        self._queues = queues
        self._served: dict[str, Served[Resource, Client]] = {}
        self._asking: asyncio.Task[dict[str, str]] | None = None

    @property
    def resources(self) -> list[Resource]:
        """The models served, by name."""
        return [served.resource for served in self._served.values()]

    def reconfigure(self, resources: Iterable[Resource]) -> None:
        """Serve these models from now on. Requests under way are not disturbed."""
        models: dict[str, Served[Resource, Client]] = {}
        for resource in sorted(resources, key=lambda model: model.name):
            known = self._served.get(resource.name)
            slots = _slots(resource)
            watch = known.watch if known else QueueWatch(resource.name, self._queues, self._weights)
            admission = (
                known.admission
                if known
                else Admission(slots, self._queue, weights=self._weights, watcher=watch)
            )
            if known is None or _served_otherwise(known.resource, resource):
                client = self._connect(resource.name)
            else:
                client = known.client
            admission.resize(slots, self._queue)
            models[resource.name] = Served(resource, client, admission, watch)
        for name, old in self._served.items():
            if name not in models or models[name].client is not old.client:
                old.client.close()
        self._served = models
        self._asking = None  # it does not ask the models that are new

    def find(self, name: str) -> Served[Resource, Client]:
        """Return a model.

        Raises:
            UnknownModelError: no such model.
        """
        try:
            return self._served[name]
        except KeyError:
            raise UnknownModelError(
                f"Unknown model {name[:60]!r}. Allowed: {', '.join(self._served) or 'none is served'}."
            ) from None

    async def unready(self, within: float) -> dict[str, str]:
        """Ask every model whether it answers; return the reason for each that does not.

        For a model that may scale to zero, Serve is asked instead: a question to the model would start it,
        and keep it running. Those who ask meanwhile get the same answer: they may be anybody.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(within))
        return await asyncio.shield(self._asking)

    async def _ask(self, within: float) -> dict[str, str]:
        names = list(self._served)
        answers = await asyncio.gather(
            *(
                served.client.probe(within)
                if served.resource.spec.replicas.min
                else served.client.check_deployed()
                for served in self._served.values()
            ),
            return_exceptions=True,
        )
        return {
            name: str(answer)
            for name, answer in zip(names, answers, strict=True)
            if isinstance(answer, BaseException)
        }

    async def ready(self, within: float) -> dict[str, bool]:
        """Return of each model whether it can be used: it answers, or has replicas that are only busy."""
        unready = await self.unready(within)
        served = {name: one for name, one in self._served.items() if name in unready}
        runs = await asyncio.gather(*(one.client.runs() for one in served.values()))
        return dict.fromkeys(self._served, True) | dict(zip(served, runs, strict=True))

    def load(self) -> dict[str, tuple[int, int]]:
        """Return each model's requests: running and waiting."""
        return {n: (m.admission.running, m.admission.waiting) for n, m in self._served.items()}

    def show_queues(self) -> None:
        """Show in the metrics how each model's queue is now."""
        for served in self._served.values():
            served.watch.show(served.admission)

    @asynccontextmanager
    async def admitted(self, tenant: str, served: Served[Resource, Client]) -> AsyncIterator[None]:
        """Hold one of the model's slots; if the request does not finish, record why.

        Raises:
            OverloadedError: the model's queue is full.
        """
        name = served.resource.name
        try:
            async with served.admission.slot(tenant):
                yield
        except OverloadedError:
            self._metrics.ended(name, Priority.INTERACTIVE, Outcome.REFUSED)
            raise
        except (asyncio.CancelledError, GeneratorExit) as error:
            if SIBLING_FAILED not in error.args:
                self._metrics.ended(name, Priority.INTERACTIVE, Outcome.ABANDONED)
            raise
        except Exception as error:
            self._metrics.failed(name, Priority.INTERACTIVE, failure_of(error))
            raise


def _slots(model: VoiceModel | TextModel) -> int:
    """Return how many requests a model serves at a time: its most replicas times their target."""
    replicas = model.spec.replicas
    return max(1, math.floor(replicas.max * replicas.target_ongoing_requests))


def _served_otherwise(old: VoiceModel | TextModel, new: VoiceModel | TextModel) -> bool:
    """Return whether a change of the resource may change what its engine can do."""
    leave_out = {"replicas", "resources", "license", "voices"}
    return old.spec.model_dump(exclude=leave_out) != new.spec.model_dump(exclude=leave_out)
