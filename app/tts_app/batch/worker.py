"""A worker of a batch: a Ray actor that speaks items and puts their audio into the output."""

import asyncio
import hashlib
import logging
import os
from collections.abc import Sequence
from importlib import import_module
from typing import Literal, NamedTuple

from tts_app.batch.speakers import Speaker
from tts_app.catalogue import CatalogueVoice
from tts_app.engines.base import Clip, EngineError
from tts_app.engines.priority import yield_process
from tts_app.resources import VoiceModel
from tts_app.resources.tts_job import Reading
from tts_app.serving.client import ModelUnavailableError
from tts_app.settings import Settings
from tts_app.speech import SpeechOptions, TextError, Utterance
from tts_app.storage.output import describe, open_output
from tts_app.telemetry import traces
from tts_app.telemetry.about import Carried, about
from tts_app.telemetry.logs import log, set_up

PLAIN_READING = Reading()


class Order(NamedTuple):
    """An item, as a worker needs it."""

    number: int
    text: str
    voice: CatalogueVoice
    format: str
    file: str
    clip: Clip | None = None
    """The clip of a cloned voice."""
    trace: traces.Carrier | None = None
    """The item's trace."""
    reading: Reading = PLAIN_READING
    """How its text is read."""

    @property
    def utterance(self) -> Utterance:
        """What is spoken: nobody waits for its first sound."""
        options = SpeechOptions(self.format, **self.reading.model_dump())
        return Utterance(self.text, self.voice, options, low_latency=False)


class Spoken(NamedTuple):
    """The audio of an item is in the output."""

    number: int
    sha256: str
    bytes: int
    seconds: float


class Fault(NamedTuple):
    """An item could not be spoken."""

    number: int
    cause: Literal["item", "passing", "output"]
    """The item itself; something temporary; the output, which concerns all items."""
    reason: str
    """One word, for programs."""
    message: str


class Worker:
    """Speaks with one model. An actor class; `slots` is its `max_concurrency`."""

    def __init__(self, speaker: str, model: VoiceModel, slots: int, output: str) -> None:
        self._path, self._model, self._slots = speaker, model, slots
        self._output = open_output(output)
        self._speaker: Speaker

    async def ready(self) -> int:
        """Load the model; return the process id. Raises what the speaker raises."""
        yield_process()
        settings = Settings()
        component = f"batch-{self._model.name}"
        set_up(component, settings.log_level, settings.log_dir, model=self._model.name)
        traces.set_up(component)
        module, _, name = self._path.partition(":")
        made: type[Speaker] = getattr(import_module(module), name)
        self._speaker = await asyncio.to_thread(made, self._model, self._slots)
        return os.getpid()

    async def render(self, orders: Sequence[Order], work: Carried | None = None) -> list[Spoken | Fault]:
        """Speak each item into its file. `work` is what the driver works for, for the log."""
        spoken = []
        with about(work):
            for order in orders:
                with traces.resumed(order.trace):
                    spoken.append(await self._render(order))
        return spoken

    async def send_traces(self) -> None:
        """Send what is recorded of traces: the worker is about to be killed."""
        await asyncio.to_thread(traces.flush)

    async def _render(self, order: Order) -> Spoken | Fault:
        with about(item=order.number):
            result = await self._speak(order)
            if isinstance(result, Fault):
                log("item failed", level=logging.WARNING, cause=result.cause, reason=result.reason)
            else:
                log("item spoken", level=logging.DEBUG, seconds=result.seconds, bytes=result.bytes)
            return result

    async def _speak(self, order: Order) -> Spoken | Fault:
        try:
            with traces.span("speech", {"ttsp.characters": len(order.text), "ttsp.format": order.format}):
                data, seconds = await self._speaker.speak(order.utterance, order.clip)
        except TextError as error:
            return Fault(order.number, "item", "NothingToSpeak", str(error))
        except EngineError as error:
            return Fault(order.number, "item", "EngineRefused", str(error))
        except ModelUnavailableError as error:
            return Fault(order.number, "passing", "ModelUnavailable", str(error))
        except Exception as error:  # noqa: BLE001 - one item fails alone, with its reason
            return Fault(order.number, "passing", type(error).__name__, str(error)[:500])
        try:
            with traces.span("store", {"ttsp.bytes": len(data)}):
                await asyncio.to_thread(self._output.put, order.file, data)
        except OSError as error:
            return Fault(order.number, "output", "OutputFault", describe(error))
        return Spoken(order.number, hashlib.sha256(data).hexdigest(), len(data), round(seconds, 3))
