"""Drafts posts with a text model: one request for each post and language, repeated if its text is bad."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from tts_app.batch.drafts import DraftError, draft_request, text_of
from tts_app.batch.post_record import Fault
from tts_app.batch.review import Review
from tts_app.engines.text import EngineError, Writer
from tts_app.resources.tts_job import Post

_SEEDS_A_POST = 1000


@dataclass(frozen=True, slots=True)
class Order:
    """Which posts are wanted."""

    topic: str
    languages: tuple[str, ...]
    """Languages and locales that each post has a text in."""
    count: int
    first: int = 1
    """Id of the first post; the others follow it."""
    tries: int = 3
    """How often a model is asked for one text."""
    seed: int = 0
    """Where the seeds begin: each try has its own."""

    @property
    def ids(self) -> range:
        """The ids of the posts."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, slots=True)
class Draft:
    """The result of drafting one post."""

    id: int
    post: Post | None
    """With the texts that are good; None if none is."""
    faults: tuple[Fault, ...]
    """Why each of the other texts is missing."""


async def draft_posts(writer: Writer, order: Order, review: Review, report: Callable[[Draft], None]) -> None:
    """Draft the posts of `order`, as many at a time as `writer` writes, and `report` each when it is done.

    `review` knows the texts that the new ones must not repeat. If this is cancelled or the writer fails, the
    posts that have a good text by then are still reported.

    Raises:
        EngineError: the writer fails; the other posts were not tried.
    """
    slots = asyncio.Semaphore(writer.capabilities.slots)

    async def one(number: int) -> None:
        async with slots:
            await _draft(writer, order, number, review, report)

    try:
        async with asyncio.TaskGroup() as group:
            for number in order.ids:
                group.create_task(one(number))
    except* EngineError as failed:
        raise failed.exceptions[0] from None


async def _draft(
    writer: Writer, order: Order, number: int, review: Review, report: Callable[[Draft], None]
) -> None:
    texts: dict[str, str] = {}
    missing = dict.fromkeys(order.languages, "it was not tried")
    ended = False
    try:
        for place, language in enumerate(order.languages):
            missing[language] = "it was not finished"
            like = next(iter(texts.values()), None)
            seed = order.seed + number * _SEEDS_A_POST + place * order.tries
            try:
                texts[language] = await _text(writer, order, language, like, seed, review)
                review.keep(f"post {number} in {language}", texts[language])
                del missing[language]
            except DraftError as error:
                missing[language] = str(error)
        ended = True
    finally:
        faults = (Fault(f"post {number}", f"no text in {name}: {why}") for name, why in missing.items())
        if ended or texts:
            report(Draft(number, Post(id=number, text=texts) if texts else None, tuple(faults)))


async def _text(
    writer: Writer, order: Order, language: str, like: str | None, seed: int, review: Review
) -> str:
    """Return a text that has no fault.

    Raises:
        DraftError: no try gave one; the message says what was wrong with the last.
        EngineError: the writer fails.
    """
    can = writer.capabilities
    faults: list[str] = []
    for attempt in range(order.tries):
        request = draft_request(
            order.topic, language, like, seed=seed + attempt, held=can.json, context=can.context_length
        )
        finish, parts = None, []
        async with aclosing(writer.generate(request)) as deltas:
            async for delta in deltas:
                parts.append(delta.text)
                finish = delta.finish or finish
        if finish == "length":
            faults = [f"the answer had no end within {request.max_tokens} tokens"]
            continue
        try:
            text = text_of("".join(parts), can.json)
        except DraftError as error:
            faults = [str(error)]
            continue
        # Nothing is awaited between this check and the caller's `keep`: no other draft can come between.
        faults = review.faults(language, text)
        if not faults:
            return text
    raise DraftError(f"{'; '.join(faults)} (the last of {order.tries} tries)")
