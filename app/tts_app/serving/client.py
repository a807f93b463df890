"""The gateway's side of a model's deployment: calls by handle, cancelled when the caller is."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Generic, TypeVar

from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve import context as serve_context
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle, DeploymentResponse

from tts_app.audio.samples import Audio
from tts_app.cloning.clips import GetClip, MissingClip
from tts_app.engines.base import Capabilities, EngineError, Segment
from tts_app.serving.names import VOICE_DEPLOYMENT
from tts_app.serving.readiness import Readiness, is_deployed, look
from tts_app.telemetry import traces
from tts_app.telemetry.about import carried, request_id

PATIENCE = 10.0
"""Seconds that a request waits for a model that is just starting."""
_ATTEMPTS = 3
"""Times that a call is tried: a replica may die during it, and the same segment gives the same samples."""
LOST = (RayActorError, RayServeException)
"""Errors of a call whose replica is lost, or that finds none."""
_MEMORY = 10.0
"""Seconds after which a replica is asked again what its engine can do. While a model is being changed, the
old replicas still answer, and nothing reports when the new ones do."""
REASON_SECONDS = 1.0
"""How long an answer of Serve about a model is reused for other callers."""

_FORGET_SECONDS = 5.0
"""How long a revocation waits for replicas to forget a clip."""

CapabilitiesT = TypeVar("CapabilitiesT")
AnswerT = TypeVar("AnswerT")


class ModelUnavailableError(Exception):
    """A model's application is not running, or does not answer."""


class ModelClient(Generic[CapabilitiesT]):
    """Calls one model's replicas."""

    def __init__(
        self,
        model: str,
        deployment: str,
        memory_seconds: float = _MEMORY,
        reason_seconds: float = REASON_SECONDS,
    ) -> None:
        self.model = model
        self._memory_seconds = memory_seconds
        self._reason_seconds = reason_seconds
        self._deployment = deployment
        self._handle: DeploymentHandle[Any] | None = None
        self._capabilities: CapabilitiesT | None = None
        self._asking: asyncio.Task[CapabilitiesT] | None = None
        self._ask_again = 0.0
        self._looking: asyncio.Task[Readiness] | None = None
        self._look_again = 0.0

    async def capabilities(self, within: float | None = None) -> CapabilitiesT:
        """Return what the model's engine can do: what a replica said in the last seconds, or says now.

        Raises:
            ModelUnavailableError: no answer within `within` seconds, and none before.
        """
        asked = self._asked()
        if self._capabilities is not None:
            return self._capabilities
        try:
            async with asyncio.timeout(within):
                return await asyncio.shield(asked)
        except TimeoutError:
            raise await self.unready() from None
        except asyncio.CancelledError:
            if asked.cancelled():  # by `close`: the caller itself was not cancelled
                raise ModelUnavailableError(f"Model {self.model!r} is being changed.") from None
            raise

    def _asked(self) -> "asyncio.Task[CapabilitiesT]":
        """Return the request that is under way, or the last one as long as its answer is valid."""
        if self._asking is None or (self._asking.done() and time.monotonic() >= self._ask_again):
            self._asking = asyncio.create_task(self._call("describe"))
            self._asking.add_done_callback(self._remember)
        return self._asking

    def _remember(self, task: "asyncio.Task[CapabilitiesT]") -> None:
        """Keep the answer for a while; a failure is raised only for those who waited for it."""
        if not task.cancelled() and task.exception() is None:
            self._capabilities = task.result()
            self._ask_again = time.monotonic() + self._memory_seconds

    async def probe(self, within: float | None) -> CapabilitiesT:
        """Ask a replica now what its engine can do: it answers only if the model is loaded.

        Raises:
            ModelUnavailableError: no answer within `within` seconds.
        """
        try:
            async with asyncio.timeout(within):
                capabilities: CapabilitiesT = await self._call("describe")
        except TimeoutError:
            raise await self.unready() from None
        return capabilities

    async def check_deployed(self) -> None:
        """Check that the model is deployed, without asking a replica: that would start one.

        Raises:
            ModelUnavailableError: it is not deployed.
        """
        if not await is_deployed(self.model):
            raise await self.unready()

    async def unready(self) -> ModelUnavailableError:
        """Return an error that says why the model does not answer, as far as Serve knows."""
        return ModelUnavailableError(f"Model {self.model!r} is not ready: {(await self._look()).reason}")

    async def runs(self) -> bool:
        """Return whether Serve knows a replica that runs."""
        return (await self._look()).running is True

    async def while_it_runs(self, answer: Coroutine[Any, Any, AnswerT], within: float | None) -> AnswerT:
        """Wait for `answer` as long as the model may have a replica; without one, about `within` seconds.

        Serve itself waits for a replica forever. It continues to start one after the caller is refused.

        Raises:
            ModelUnavailableError: there is no replica.
        """
        waiting = asyncio.create_task(answer)
        try:
            while not (await asyncio.wait([waiting], timeout=within))[0]:
                if (await self._look()).running is False:
                    raise await self.unready()
            return await waiting
        finally:
            waiting.cancel()

    async def _look(self) -> Readiness:
        """Return what Serve says about the model, or said to another caller just before."""
        if self._looking is None or (self._looking.done() and time.monotonic() >= self._look_again):
            self._looking = asyncio.create_task(look(self.model))
            self._look_again = time.monotonic() + self._reason_seconds
        return await asyncio.shield(self._looking)

    def close(self) -> None:
        """Cancel the request that is under way: another client takes this one's place."""
        if self._asking is not None:
            self._asking.cancel()

    @property
    def handle(self) -> DeploymentHandle[Any]:
        """The handle of the deployment.

        Raises:
            RayServeException: Serve does not know it yet.
        """
        if self._handle is None:
            try:
                self._handle = serve.get_deployment_handle(self._deployment, app_name=self.model)
            except KeyError:
                raise RayServeException(f"There is no deployment of {self.model!r} yet.") from None
        return self._handle

    async def _call(self, method: str, *args: Any, within: float | None = None) -> Any:
        tell_serve()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self.while_it_runs(result(getattr(self.handle, method).remote(*args)), within)
            except LOST as error:
                if attempt == _ATTEMPTS:
                    raise await self.unready() from error
        raise AssertionError("the last attempt returns or raises")


class VoiceClient(ModelClient[Capabilities]):
    """Calls one VoiceModel's replicas; with `background`, its calls yield to all others."""

    def __init__(self, model: str, background: bool = False, reason_seconds: float = REASON_SECONDS) -> None:
        super().__init__(model, VOICE_DEPLOYMENT, reason_seconds=reason_seconds)
        self._background = background

    async def synthesise(
        self, segment: Segment, within: float | None = None, clip: GetClip | None = None
    ) -> Audio:
        """Speak a segment; a cancelled call is cancelled in the replica too.

        Replicas know the clip of a voice by its digest: one that lacks it gets what `clip` returns.

        Raises:
            EngineError: the engine refused it.
            ModelUnavailableError: no replica could be made to speak it, or there was none in about
                `within` seconds.
        """
        speak = partial(self._call, "synthesise", within=within)
        work, trace = carried(), traces.carried()
        answer = await speak([segment], self._background, work, trace)
        if isinstance(answer, MissingClip):
            if clip is None:
                raise ModelUnavailableError(
                    f"Model {self.model!r} is being changed: it does not have the clip of this voice yet."
                )
            segment = replace(segment, clip=await clip())
            answer = await speak([segment], self._background, work, trace)
        (audio,) = answer
        return audio  # type: ignore[no-any-return]

    async def forget(self, digest: str) -> None:
        """Have every replica that runs drop the clip of that digest, and refuse it from now on.

        Raises:
            LOST, TimeoutError: not all of them have answered.
        """
        await self.handle.broadcast("forget", digest).results_async(timeout_s=_FORGET_SECONDS)


def tell_serve() -> None:
    """Give Serve the id of the current request: its own log lines about the next calls then have it.

    Behind its proxy Serve has it already. Serve has no public way to do so.
    """
    if current := request_id():
        serve_context._set_request_context(request_id=current)


async def result(response: DeploymentResponse[Any]) -> Any:
    """Wait for `response`; cancel it if the wait is cancelled.

    Raises:
        EngineError: the engine refused the call; the error as the replica raised it.
    """
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()  # type: ignore[no-untyped-call]
        raise
    except RayTaskError as error:
        # Ray's own error is an EngineError too, but its message is a traceback.
        if isinstance(error.cause, EngineError):
            raise error.cause from error
        raise
