"""What speaks the items of a batch: a model that the worker itself has loaded, or a service's replicas."""

from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Protocol

from tts_app.audio.encode import completed
from tts_app.engines.base import Capabilities, Clip
from tts_app.engines.loading import load_model
from tts_app.resources import VoiceModel
from tts_app.serving.client import VoiceClient
from tts_app.speech import Synthesise, Utterance, speak
from tts_app.telemetry.metrics.engine import EngineMetrics
from tts_app.telemetry.process import device_of_process

GetClips = Callable[[str], Clip]
"""Returns the clip of the cloned voice of an id, or raises EngineError: it cannot be used. Blocking."""


class Speaker(Protocol):
    """Speaks texts, several at a time."""

    def __init__(self, model: VoiceModel, slots: int) -> None:
        """Get ready to speak `slots` texts at a time. Raises SourceError, EngineError."""

    async def speak(self, utterance: Utterance, clip: Clip | None = None) -> tuple[bytes, float]:
        """Return a whole file and its seconds of audio. `clip` is that of a cloned voice.

        Raises:
            TextError: the text holds nothing that can be spoken.
            EngineError: the engine refuses it.
            ModelUnavailableError: no replica could be made to speak it.
        """
        ...


class EngineSpeaker:
    """A model that this process has loaded."""

    def __init__(self, model: VoiceModel, slots: int) -> None:
        self._pool = load_model(
            model, callers=slots, watch=lambda: EngineMetrics(model.name, device_of_process())
        )

    async def speak(self, utterance: Utterance, clip: Clip | None = None) -> tuple[bytes, float]:
        """Return a whole file and its seconds of audio."""
        synthesise = partial(self._pool.synthesise, background=True)
        return await _whole(utterance, self._pool.capabilities, synthesise)


class ServiceSpeaker:
    """The replicas of a service, called in the background, behind all other callers."""

    def __init__(self, model: VoiceModel, slots: int) -> None:
        self._client = VoiceClient(model.name, background=True)

    async def speak(self, utterance: Utterance, clip: Clip | None = None) -> tuple[bytes, float]:
        """Return a whole file and its seconds of audio."""
        capabilities = await self._client.capabilities()
        synthesise = partial(self._client.synthesise, clip=None if clip is None else partial(_given, clip))
        return await _whole(utterance, capabilities, synthesise)


async def _given(clip: Clip) -> Clip:
    return clip


async def _whole(
    utterance: Utterance, capabilities: Capabilities, synthesise: Synthesise
) -> tuple[bytes, float]:
    async with aclosing(speak(utterance, capabilities, synthesise)) as chunks:
        spoken = [chunk async for chunk in chunks]
    data = b"".join(chunk.data for chunk in spoken)
    return completed(data, utterance.options.format), sum(chunk.seconds for chunk in spoken)
