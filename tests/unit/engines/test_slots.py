import asyncio

import pytest

from tts_app.engines.base import EngineError
from tts_app.engines.slots import Slots


async def taken(slots: Slots, count: int) -> "asyncio.Task[None]":
    task = asyncio.create_task(slots.take(count))
    await asyncio.sleep(0)
    return task


async def test_slots_are_given_in_order_even_when_a_later_caller_would_fit() -> None:
    slots = Slots(2)
    await slots.take(1)
    large, small = await taken(slots, 2), await taken(slots, 1)
    assert (slots.taken, slots.waiting) == (1, 2)
    slots.give(1)
    await large
    assert not small.done()
    slots.give(2)
    await small
    assert (slots.taken, slots.waiting) == (1, 0)


async def test_slots_go_to_the_next_caller_when_one_leaves_the_queue() -> None:
    slots = Slots(2)
    await slots.take(1)
    large, small = await taken(slots, 2), await taken(slots, 1)
    large.cancel()
    await small
    assert (slots.taken, slots.waiting) == (2, 0)


async def test_slots_granted_to_a_caller_who_leaves_are_given_back() -> None:
    slots = Slots(1)
    await slots.take(1)
    waiting = await taken(slots, 1)
    slots.give(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert slots.taken == 0


async def test_slots_refuse_ends_all_waiting() -> None:
    slots = Slots(1)
    await slots.take(1)
    waiting = [await taken(slots, 1) for _ in range(2)]
    slots.refuse(EngineError("closed"))
    assert [str(result) for result in await asyncio.gather(*waiting, return_exceptions=True)] == [
        "closed"
    ] * 2
    assert slots.waiting == 0


async def test_slots_take_refuses_more_than_there_are() -> None:
    with pytest.raises(EngineError, match="3 answers at a time are too many: this model writes 2"):
        await Slots(2).take(3)
