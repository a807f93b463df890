"""The gateway's side of a voice deployment: calls by handle, given up when the caller is."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle, DeploymentResponse

from tts_app.engines.base import Audio, Capabilities, EngineError, Segment
from tts_app.serving.config import VOICE_DEPLOYMENT

_ATTEMPTS = 3
"""Times that a segment is tried: a replica may die under it, and the same segment gives the same samples."""


class ModelUnavailableError(Exception):
    """A model's application is not running, or does not answer."""


class VoiceClient:
    """Calls one VoiceModel's replicas, in the `background` behind everybody else's calls."""

    def __init__(self, model: str, background: bool = False) -> None:
        self.model = model
        self._background = background
        self._handle: DeploymentHandle[Any] | None = None
        self._capabilities: Capabilities | None = None

    async def capabilities(self, within: float | None = None) -> Capabilities:
        """Return what the model's engine can do; asked once, then remembered.

        Raises:
            ModelUnavailableError: no answer within `within` seconds.
        """
        if self._capabilities is None:
            self._capabilities = await self.probe(within)
        return self._capabilities

    async def probe(self, within: float | None) -> Capabilities:
        """Ask a replica what its engine can do, now: it answers only where the model is loaded.

        Raises:
            ModelUnavailableError: no answer within `within` seconds.
        """
        try:
            async with asyncio.timeout(within):
                capabilities: Capabilities = await self._call("describe")
        except TimeoutError:
            raise ModelUnavailableError(f"Model {self.model!r} is not ready.") from None
        return capabilities

    async def synthesise(self, segments: Sequence[Segment]) -> Sequence[Audio]:
        """Speak `segments`; a cancelled call is given up in the replica too.

        Raises:
            EngineError: the engine refused them.
            ModelUnavailableError: no replica could be made to speak them.
        """
        audio: list[Audio] = await self._call("synthesise", list(segments), self._background)
        return audio

    async def _call(self, method: str, *args: Any) -> Any:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if self._handle is None:
                    self._handle = serve.get_deployment_handle(VOICE_DEPLOYMENT, app_name=self.model)
                return await _result(getattr(self._handle, method).remote(*args))
            except EngineError:
                raise
            except RayTaskError as error:
                if isinstance(error.cause, EngineError):
                    raise EngineError(str(error.cause)) from error
                raise
            except (RayActorError, RayServeException) as error:
                if attempt == _ATTEMPTS:
                    raise ModelUnavailableError(f"Model {self.model!r} does not answer.") from error
        raise AssertionError("the last attempt returns or raises")


async def _result(response: DeploymentResponse[Any]) -> Any:
    """Wait for `response`; cancel it where the waiting is cancelled."""
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()  # type: ignore[no-untyped-call]
        raise
