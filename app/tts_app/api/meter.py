"""Measures what a request takes, for the quotas and the usage of its caller.

What it may take is reserved before it is made, and settled with what it took, also if the caller leaves.
"""

import asyncio
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from tts_app.amounts import Amounts
from tts_app.api.deps import Caller, Playground
from tts_app.api.metering import Metering, measured
from tts_app.api.quotas import Reservation, Seen, seen_by
from tts_app.batch.names import parse_label
from tts_app.batch.plan import Plan, text_for
from tts_app.catalogue import CatalogueVoice
from tts_app.engines.text import Delta, TextRequest, Usage
from tts_app.quotas import Measure, Stock
from tts_app.resources.locales import characters_per_second
from tts_app.security.principal import Principal
from tts_app.speech import Chunk, Utterance
from tts_app.storage.batches import Batch
from tts_app.storage.speeches import Speech

_USUAL_ANSWER = 512
"""Tokens that are reserved for an answer whose request has no limit."""
_CHARACTERS_PER_TOKEN = 4
"""Of a prompt, until the model has counted its tokens."""
Made = TypeVar("Made", Delta, Delta | Chunk)


@dataclass(frozen=True, slots=True)
class Meter:
    """The meter of one request."""

    metering: Metering
    caller: Principal
    seen: Seen

    async def spoken(
        self, utterance: Utterance, chunks: AsyncGenerator[Chunk, None]
    ) -> AsyncGenerator[Chunk, None]:
        """Pass on the audio of an utterance.

        Raises:
            ApiError: 429 or 400 for a quota; `chunks` is not begun.
            What `chunks` raises.
        """
        characters, seconds = len(utterance.text), _seconds(utterance)
        took = Amounts()
        with self.metering.guard.stream(self.caller):
            reservation = await self._reserve(measured(Amounts(characters, seconds)))
            try:
                async with aclosing(chunks):
                    async for chunk in chunks:
                        took.audio_seconds += chunk.seconds
                        # While it goes on, only the time says how much of the text was spoken.
                        took.characters = min(characters, round(characters * took.audio_seconds / seconds))
                        yield chunk
                took.characters = characters
            finally:
                self.metering.guard.settle(reservation, measured(took))
                self.metering.record(self.caller, utterance.voice.model, utterance.voice.id, took)

    async def as_written(
        self, utterance: Utterance, characters: Callable[[], int], chunks: AsyncGenerator[Chunk, None]
    ) -> AsyncGenerator[Chunk, None]:
        """Pass on the audio of a text that is still being written, of which `characters` are spoken.

        How long it will be is not known: it is charged as it is made, and begun if there is any left.

        Raises:
            ApiError: 429 or 400 for a quota; `chunks` is not begun.
            What `chunks` raises.
        """
        took = Amounts()
        with self.metering.guard.stream(self.caller):
            reservation = await self._reserve({Measure.CHARACTERS: 1, Measure.AUDIO_SECONDS: 1})
            try:
                async with aclosing(chunks):
                    async for chunk in chunks:
                        took.audio_seconds += chunk.seconds
                        yield chunk
            finally:
                took.characters = characters()
                self.metering.guard.settle(reservation, measured(took))
                self.metering.record(self.caller, utterance.voice.model, utterance.voice.id, took)

    async def written(
        self,
        model: str,
        request: TextRequest,
        made: AsyncGenerator[Made, None],
        voice: CatalogueVoice | None = None,
    ) -> AsyncGenerator[Made, None]:
        """Pass on what a text model writes, and its audio if it is spoken by `voice`.

        How long an answer that is spoken will be is not known: its characters and audio are charged when it
        ends, and it is begun if there is any left of them.

        Raises:
            ApiError: 429 or 400 for a quota; `made` is not begun.
            What `made` raises.
        """
        prompt = _prompt_tokens(request)
        wanted = {Measure.TOKENS: prompt + request.n * (request.max_tokens or _USUAL_ANSWER)}
        if voice is not None:
            wanted |= {Measure.CHARACTERS: 1, Measure.AUDIO_SECONDS: 1}
        text, speech = Amounts(), Amounts()
        usage: Usage | None = None
        with self.metering.guard.stream(self.caller):
            reservation = await self._reserve(wanted)
            try:
                async with aclosing(made):
                    async for item in made:
                        if isinstance(item, Chunk):
                            speech.audio_seconds += item.seconds
                        else:
                            text.prompt_tokens = prompt
                            text.completion_tokens += item.tokens
                            speech.characters += len(item.text)
                            usage = item.usage or usage
                        yield item
            finally:
                if usage is not None:
                    text.prompt_tokens, text.completion_tokens = usage.prompt, usage.completion
                self.metering.record(self.caller, model, "", text)
                if voice is not None and speech.audio_seconds:
                    self.metering.record(self.caller, voice.model, voice.id, speech, requests=0)
                    text.add(speech)
                self.metering.guard.settle(reservation, measured(text))

    @asynccontextmanager
    async def accepting(self, speech: Speech, utterance: Utterance) -> AsyncIterator[None]:
        """Reserve for a speech that is made later, if the block ends well.

        Raises:
            ApiError: 429 or 400 for a quota, before the block.
        """
        await self.metering.checked(self.caller, Stock.STORED_BYTES)
        reservation = await self._reserve(measured(Amounts(len(utterance.text), _seconds(utterance))))
        with self.metering.holding(speech.id, self.caller, reservation):
            yield

    @asynccontextmanager
    async def accepting_batch(self, batch: Batch) -> AsyncIterator[Callable[[Plan], None]]:
        """Reserve for a batch that is made later, if the block ends well.

        Yields what to call, in a thread, with the plan of the batch before it is stored. It may stay
        uncalled: the request is a repeated one.

        Raises:
            ApiError: 429 or 400 for a quota, out of that call.
        """
        loop = asyncio.get_running_loop()
        held = ExitStack()

        async def reserve(plan: Plan) -> None:
            reservation = await self._reserve(measured(Amounts(plan.characters, plan.seconds)))
            held.enter_context(self.metering.holding(batch.id, self.caller, reservation))

        def allow(plan: Plan) -> None:
            # Here and not in the event loop, which would need a second thread while this one waits for it.
            self.metering.check(self.caller, Stock.BATCHES, Stock.STORED_BYTES)
            asyncio.run_coroutine_threadsafe(reserve(plan), loop).result()

        async with self.metering.batch_lock(self.caller):
            with held:
                yield allow

    @asynccontextmanager
    async def reopening(self, batch: Batch) -> AsyncIterator[None]:
        """Reserve for what an ended batch has not made yet, if the block ends well.

        Raises:
            ApiError: 429 for a quota, before the block.
        """
        async with self.metering.batch_lock(self.caller):
            await self.metering.checked(self.caller, Stock.BATCHES, Stock.STORED_BYTES)
            reservation = await self._reserve(measured(await asyncio.to_thread(_open_part, batch)))
            with self.metering.holding(batch.id, self.caller, reservation):
                yield

    async def _reserve(self, wanted: Mapping[Measure, int]) -> Reservation:
        return await self.metering.guard.reserve(self.caller, wanted, self.seen)


async def _meter(request: Request, caller: Caller, playground: Playground) -> Meter:
    return Meter(playground.metering, caller, seen_by(request.scope))


Metered = Annotated[Meter, Depends(_meter)]


def _open_part(batch: Batch) -> Amounts:
    """Return an estimate of what an ended batch has not made: the share of its items that are not done."""
    characters, seconds = 0, 0.0
    for post in json.loads(batch.job)["posts"]["inline"]:
        for avatar in batch.avatars or ():
            locale = parse_label(avatar).locale
            if text := text_for(post["text"], locale):
                characters += len(text)
                seconds += len(text) / characters_per_second(locale)
    share = (batch.total - batch.done) / batch.total if batch.total else 1
    return Amounts(math.ceil(characters * share), seconds * share)


def _seconds(utterance: Utterance) -> float:
    """Return an estimate of the audio of an utterance; above 0."""
    pace = characters_per_second(utterance.voice.voice.locale) * utterance.options.speed
    return max(1, len(utterance.text)) / pace


def _prompt_tokens(request: TextRequest) -> int:
    """Return an estimate of the tokens of a prompt."""
    if request.prompt is not None:
        characters = len(request.prompt)
    else:
        characters = sum(len(str(message.get("content") or "")) for message in request.messages or ())
    return math.ceil(characters / _CHARACTERS_PER_TOKEN)
