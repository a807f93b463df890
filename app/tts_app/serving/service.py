"""Speaking an utterance as a service: catalogue, admission, engine and pipeline brought together."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass

from tts_app import speech
from tts_app.catalogue import Catalogue, CatalogueVoice, UnknownVoiceError
from tts_app.engines.base import Audio, Segment
from tts_app.resources import VoiceModel
from tts_app.serving.admission import Admission, OverloadedError
from tts_app.serving.client import ModelUnavailableError, VoiceClient
from tts_app.speech import Chunk, Utterance
from tts_app.telemetry.logs import log
from tts_app.telemetry.metrics import SpeechMetrics

_PATIENCE = 10.0
"""Seconds that a request waits for a model that is just starting."""


@dataclass(slots=True)
class _Model:
    """A model as the gateway knows it."""

    resource: VoiceModel
    catalogue: Catalogue
    client: VoiceClient
    admission: Admission


class SpeechService:
    """What the API and the durable runner speak with. For one event loop."""

    def __init__(self, queue: int, metrics: SpeechMetrics) -> None:
        self.catalogue = Catalogue([])
        self._queue = queue
        self._metrics = metrics
        self._models: dict[str, _Model] = {}

    @property
    def models(self) -> list[VoiceModel]:
        """The models served, by name."""
        return [model.resource for model in self._models.values()]

    def reconfigure(self, resources: Iterable[VoiceModel]) -> None:
        """Serve these models from now on. What is being spoken goes on undisturbed."""
        models: dict[str, _Model] = {}
        for resource in sorted(resources, key=lambda model: model.name):
            known = self._models.get(resource.name)
            slots = _slots(resource)
            if known is None or _served_otherwise(known.resource, resource):
                admission = known.admission if known else Admission(slots, self._queue)
                client = VoiceClient(resource.name)
            else:
                admission, client = known.admission, known.client
            admission.resize(slots, self._queue)
            models[resource.name] = _Model(resource, Catalogue([resource]), client, admission)
        self._models = models
        self.catalogue = Catalogue(self.models)
        log("catalogue", models=list(models), voices=len(self.catalogue))

    def catalogue_of(self, model: str) -> Catalogue:
        """Return the voices of one model.

        Raises:
            UnknownVoiceError: no such model.
        """
        return self._model(model).catalogue

    async def unready(self, within: float) -> dict[str, str]:
        """Ask every model whether it answers; return the reason for each that does not."""
        names = list(self._models)
        answers = await asyncio.gather(
            *(self._models[name].client.probe(within) for name in names), return_exceptions=True
        )
        return {
            name: str(answer)
            for name, answer in zip(names, answers, strict=True)
            if isinstance(answer, BaseException)
        }

    async def speak(self, utterance: Utterance) -> AsyncGenerator[Chunk, None]:
        """Speak `utterance` for a caller who waits; the slot is free when this ends or is closed.

        Raises:
            OverloadedError: the model's queue is full.
            ModelUnavailableError: the model does not answer.
            TextError: nothing in the text can be spoken.
        """
        voice, locale = utterance.voice.id, utterance.voice.voice.locale
        model = self._model(utterance.voice.model)
        started = time.monotonic()
        first = True
        try:
            async with model.admission.slot():
                self._record_load(model)
                capabilities = await model.client.capabilities(_PATIENCE)
                async with aclosing(speech.speak(utterance, capabilities, model.client.synthesise)) as chunks:
                    async for chunk in chunks:
                        if first:
                            self._metrics.first_audio(voice, locale, time.monotonic() - started)
                            first = False
                        self._metrics.audio(voice, locale, chunk.seconds)
                        yield chunk
            self._metrics.finished(voice, locale, time.monotonic() - started)
        except OverloadedError:
            self._metrics.rejected(model.resource.name)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            self._metrics.abandoned(voice, locale)
            raise
        except Exception:
            self._metrics.failed(voice, locale)
            raise
        finally:
            self._record_load(model)

    async def speak_in_background(self, utterance: Utterance) -> AsyncGenerator[Chunk, None]:
        """Speak `utterance` for nobody in particular: each segment takes its turn among the waiting callers.

        So a text of an hour never keeps a slot for an hour.
        """
        voice, locale = utterance.voice.id, utterance.voice.voice.locale
        model = self._model(utterance.voice.model)
        started = time.monotonic()

        async def synthesise(segments: list[Segment]) -> list[Audio]:
            async with model.admission.background():
                return list(await model.client.synthesise(segments))

        capabilities = await model.client.capabilities()
        async with aclosing(speech.speak(utterance, capabilities, synthesise)) as chunks:
            async for chunk in chunks:
                self._metrics.audio(voice, locale, chunk.seconds)
                yield chunk
        self._metrics.finished(voice, locale, time.monotonic() - started)

    async def check(self, utterance: Utterance) -> None:
        """Raise what speaking `utterance` would raise at its start, without speaking it.

        Raises:
            TextError: nothing in the text can be spoken.
            ModelUnavailableError: the model does not answer.
        """
        capabilities = await self._model(utterance.voice.model).client.capabilities(_PATIENCE)
        await asyncio.to_thread(next, speech.plan(utterance, capabilities))

    def load(self) -> dict[str, tuple[int, int]]:
        """Return each model's requests: running and waiting."""
        return {n: (m.admission.running, m.admission.waiting) for n, m in self._models.items()}

    def voice(self, model: str, name: str) -> CatalogueVoice:
        """Return the voice `name` of `model`.

        Raises:
            UnknownVoiceError: there is no such model or voice.
        """
        return self.catalogue_of(model).find(name)

    def _model(self, name: str) -> _Model:
        try:
            return self._models[name]
        except KeyError:
            raise UnknownVoiceError(f"Unknown model {name!r}. Allowed: {', '.join(self._models)}.") from None

    def _record_load(self, model: _Model) -> None:
        self._metrics.load(model.resource.name, model.admission.running, model.admission.waiting)


def _slots(model: VoiceModel) -> int:
    """Return how many requests a model serves at a time: what its replicas are meant to have in hand."""
    replicas = model.spec.replicas
    return max(1, math.floor(replicas.max * replicas.target_ongoing_requests))


def _served_otherwise(old: VoiceModel, new: VoiceModel) -> bool:
    """Whether a change of the resource may change what its engine can do."""
    fields = ("engine", "source", "quantization", "parameters")
    return any(getattr(old.spec, field) != getattr(new.spec, field) for field in fields)


__all__ = ["ModelUnavailableError", "OverloadedError", "SpeechService", "UnknownVoiceError"]
