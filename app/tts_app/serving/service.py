"""Speaking an utterance as a service: catalogue, admission, engine and pipeline brought together."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from functools import partial

from tts_app import speech
from tts_app.audio.samples import Audio
from tts_app.catalogue import Catalogue, CatalogueVoice, UnknownVoiceError, is_clone
from tts_app.cloning.clips import GetClip
from tts_app.engines.base import Segment
from tts_app.fair_queue import NO_WEIGHTS
from tts_app.resources import Voice, VoiceModel
from tts_app.resources.engines.kokoro_speakers import read_mix
from tts_app.serving.admission import Admission, OverloadedError
from tts_app.serving.client import PATIENCE, ModelUnavailableError, VoiceClient
from tts_app.serving.clones import Clones
from tts_app.serving.failures import failure_of
from tts_app.serving.models import Served, ServedModels, UnknownModelError
from tts_app.serving.speech_record import SpeechRecord
from tts_app.speech import Chunk, TextError, Utterance
from tts_app.telemetry import traces
from tts_app.telemetry.logs import log
from tts_app.telemetry.metrics.labels import Kind, Outcome, Priority
from tts_app.telemetry.metrics.queue import QueueMetrics, Shed
from tts_app.telemetry.metrics.speech import SpeechMetrics, metered_voice


def _told(_service: object, tenant: str, utterance: Utterance, texts: object = None) -> traces.Attributes:
    """Return what the span of a speech tells."""
    return {
        "ttsp.tenant": tenant,
        "ttsp.model": utterance.voice.model,
        "ttsp.voice": metered_voice(utterance.voice),
        "ttsp.format": utterance.options.format,
        "ttsp.characters": len(utterance.text),
    }


class SpeechService:
    """What the API and the durable runner speak with. For one event loop."""

    def __init__(
        self,
        queue: int,
        metrics: SpeechMetrics,
        weights: Mapping[str, int] = NO_WEIGHTS,
        clones: Clones | None = None,
    ) -> None:
        self.catalogue = Catalogue([])
        self._clones = clones
        self._metrics = metrics
        self._queues = QueueMetrics(Kind.SPEECH)
        self._catalogues: dict[str, Catalogue] = {}
        self._checks = Admission(
            speech.PLANNERS, queue, weights=weights, full="Too many texts are waiting to be checked."
        )
        self.served: ServedModels[VoiceModel, VoiceClient] = ServedModels(
            queue, VoiceClient, metrics, self._queues, weights
        )

    @property
    def models(self) -> list[VoiceModel]:
        """The models served, by name."""
        return self.served.resources

    def reconfigure(self, resources: Iterable[VoiceModel]) -> None:
        """Serve these models from now on. What is being spoken is not disturbed."""
        self.served.reconfigure(resources)
        self._catalogues = {model.name: Catalogue([model]) for model in self.models}
        self.catalogue = Catalogue(self.models)
        log("catalogue", models=list(self._catalogues), voices=len(self.catalogue))

    def catalogue_of(self, model: str) -> Catalogue:
        """Return the voices of one model.

        Raises:
            UnknownModelError: no such model.
        """
        return self._catalogues[self.served.find(model).resource.name]

    @traces.traced("speech", _told)
    async def speak(
        self, tenant: str, utterance: Utterance, texts: AsyncIterator[str] | None = None
    ) -> AsyncGenerator[Chunk, None]:
        """Speak `utterance` for a caller of `tenant` who waits; the slot is free when this ends or is closed.

        With `texts`, they are spoken in place of the utterance's text; the first of them is asked for once
        the slot is held. If nothing in them can be spoken, there is no chunk.

        Raises:
            OverloadedError: the model's queue is full.
            ModelUnavailableError: the model does not answer.
            TextError: nothing in the utterance's own text can be spoken.
        """
        model = self._of(utterance)
        record = SpeechRecord(self._metrics, utterance, Priority.INTERACTIVE)
        async with self.served.admitted(tenant, model):
            record.admitted()
            capabilities = await model.capabilities()
            clip = self._clip(tenant, utterance)
            synthesise = partial(model.client.synthesise, within=PATIENCE, clip=clip)
            written = None if texts is None else record.counted(texts)
            spoken = speech.speak(utterance, capabilities, synthesise, texts=written)
            try:
                async with aclosing(spoken) as chunks:
                    async for chunk in chunks:
                        record.made(chunk)
                        yield chunk
                        record.taken()
            except TextError:
                if texts is None:
                    raise
                return
        record.finished()

    @traces.traced("speech", _told)
    async def speak_in_background(self, tenant: str, utterance: Utterance) -> AsyncGenerator[Chunk, None]:
        """Speak `utterance` in the background: each segment waits for its turn among the waiting callers.

        So an hour of speech never keeps a slot for an hour. How a speech ends that does not finish, those
        tell who try again: `background_failed`, `background_abandoned`.
        """
        model = self._of(utterance)
        record = SpeechRecord(self._metrics, utterance, Priority.BACKGROUND)
        clip = self._clip(tenant, utterance)

        async def synthesise(segment: Segment) -> Audio:
            async with model.admission.background(tenant):
                return await model.client.synthesise(segment, clip=clip)

        capabilities = await model.client.capabilities()
        async with aclosing(speech.speak(utterance, capabilities, synthesise)) as chunks:
            async for chunk in chunks:
                record.made(chunk)
                yield chunk
                record.taken()
        record.finished()

    def background_failed(self, model: str, error: Exception) -> None:
        """Record that a speech of the background has failed for good."""
        self._metrics.failed(model, Priority.BACKGROUND, failure_of(error))

    def background_abandoned(self, model: str) -> None:
        """Record that a speech of the background was given up before its end."""
        self._metrics.ended(model, Priority.BACKGROUND, Outcome.ABANDONED)

    def background_refused(self, model: str) -> None:
        """Record that a speech of the background was not accepted: too many are unfinished."""
        self._metrics.ended(model, Priority.BACKGROUND, Outcome.REFUSED)
        self._queues.shed(model, Shed.STORED)

    async def check(self, tenant: str, utterance: Utterance) -> None:
        """Raise what speaking `utterance` would raise at its start, without speaking it.

        Raises:
            OverloadedError: too many texts are waiting to be checked.
            TextError: nothing in the text can be spoken.
            ModelUnavailableError: the model does not answer.
        """
        capabilities = await self._of(utterance).capabilities()
        try:
            async with self._checks.slot(tenant):
                await speech.check(utterance, capabilities)
        except OverloadedError:
            self._metrics.ended(utterance.voice.model, Priority.BACKGROUND, Outcome.REFUSED)
            self._queues.shed(utterance.voice.model, Shed.CHECKS)
            raise

    async def voice(self, tenant: str, model: str, name: str) -> CatalogueVoice:
        """Return the voice `name` of `model`, or the cloned voice of that id, if it is the tenant's.

        Raises:
            UnknownModelError, UnknownVoiceError: there is no such model or voice.
            NoVaultError, VaultError: the cloned voice cannot be read.
        """
        if self._clones is not None and is_clone(name):
            return await asyncio.to_thread(self._clones.find, tenant, name, self.models)
        try:
            return self.catalogue_of(model).find(name)
        except UnknownVoiceError:
            found = await self.speaker(name, model)
            if found is None:
                raise
            return found

    async def speaker(self, name: str, model: str | None = None) -> CatalogueVoice | None:
        """Return the voice of Kokoro's own speaker, or mix of speakers, called `name`; None: there is none.

        The first model that has them speaks it, or `model`. Its language is that of the first speaker.

        Raises:
            ModelUnavailableError: a model does not say what speakers it has.
        """
        mix = read_mix(name)
        if mix is None:
            return None
        for resource in self.models:
            if resource.spec.engine != "kokoro" or model not in (None, resource.name):
                continue
            capabilities = await self.served.find(resource.name).client.capabilities(PATIENCE)
            if set(mix.names) <= set(capabilities.speakers):
                voice = Voice(locale=mix.locale, gender=mix.gender, speaker=mix.expression)
                return CatalogueVoice(
                    resource.name, resource.spec.engine, voice, resource.spec.license, speaker=mix.expression
                )
        return None

    def _clip(self, tenant: str, utterance: Utterance) -> GetClip | None:
        """Return what reads the clip of an utterance's voice, if it is a cloned one."""
        return self._clones.getter(tenant, utterance.voice) if self._clones else None

    def _of(self, utterance: Utterance) -> Served[VoiceModel, VoiceClient]:
        return self.served.find(utterance.voice.model)


__all__ = [
    "ModelUnavailableError",
    "OverloadedError",
    "SpeechService",
    "UnknownModelError",
    "UnknownVoiceError",
]
