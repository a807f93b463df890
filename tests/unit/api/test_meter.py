"""What is charged to a caller who leaves in the middle of an answer."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import date
from math import ceil
from typing import Any

from tts_app.api.meter import Meter
from tts_app.engines.text import Delta, TextRequest
from tts_app.resources.locales import characters_per_second
from tts_app.security.principal import ANONYMOUS
from tts_app.speech import Chunk, Utterance
from tts_app.storage.usage import Usages

Start = Callable[..., Awaitable[Any]]


async def made(*items: Any) -> AsyncGenerator[Any, None]:
    for item in items:
        yield item


async def charged(api: Any, until: Any, *counts: int) -> None:
    """Wait until the counts of the rates are these, in the order of the quotas."""
    await until(lambda: tuple(api.context.metering.guard._counts._local.storage.values()) == counts)


async def used(api: Any) -> Any:
    await api.context.metering._usage.flush()
    usages = Usages(api.context.database)
    ((_, total),) = usages.list("default", date(2026, 1, 1), date(9999, 1, 1))
    return total


async def test_speech_that_is_left_is_charged_by_the_time_that_was_spoken(start: Start, until: Any) -> None:
    api = await start(quotas="characters=1000/day,audio_seconds=1000/day")
    pace = characters_per_second("en-US")
    voice = api.context.service.catalogue.find("female_en-US")
    meter = Meter(api.context.metering, ANONYMOUS, {})
    whole = made(*(Chunk(b"x", 1.5) for _ in range(9)))
    async with aclosing(meter.spoken(Utterance("a" * 300, voice), whole)) as chunks:
        await anext(chunks)
        await charged(api, until, 300, ceil(300 / pace))
        await anext(chunks)
    await charged(api, until, round(3 * pace), 3)
    total = await used(api)
    assert (total.requests, total.amounts.characters, total.amounts.audio_seconds) == (
        1,
        round(3 * pace),
        3.0,
    )


async def test_text_that_is_left_is_charged_by_the_tokens_that_were_written(start: Start, until: Any) -> None:
    api = await start(quotas="tokens=1000/day")
    meter = Meter(api.context.metering, ANONYMOUS, {})
    request = TextRequest(prompt="p" * 40, max_tokens=100, n=2)
    whole = made(*(Delta(text="a", tokens=3) for _ in range(9)))
    async with aclosing(meter.written("writer", request, whole)) as deltas:
        await anext(deltas)
        await charged(api, until, 10 + 200)
        await anext(deltas)
    await charged(api, until, 10 + 6)
    total = await used(api)
    assert (total.amounts.prompt_tokens, total.amounts.completion_tokens) == (10, 6)


async def test_text_that_was_not_begun_is_charged_nothing(start: Start, until: Any) -> None:
    api = await start(quotas="tokens=1000/day")
    meter = Meter(api.context.metering, ANONYMOUS, {})
    async for _ in meter.written("writer", TextRequest(prompt="p"), made()):
        raise AssertionError("nothing is written")
    await charged(api, until, 0)
