"""Tenants take turns."""

import asyncio

import pytest

from tts_app.fair_queue import FairAsyncQueue, FairQueue, may_add


def drained(queue: FairQueue[str]) -> str:
    return " ".join(queue.take() for _ in range(len(queue)))


def test_fair_queue_of_one_tenant_is_first_in_first_out() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in "abcd":
        queue.put("hotel", item)
    assert (len(queue), list(queue)) == (4, ["a", "b", "c", "d"])
    assert drained(queue) == "a b c d"
    assert not queue
    with pytest.raises(IndexError):
        queue.take()


def test_fair_queue_takes_tenants_in_turn() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(1000):
        queue.put("flood", f"f{number}")
    assert [queue.take(), queue.take()] == ["f0", "f1"]
    queue.put("hotel", "h0")
    queue.put("hotel", "h1")
    queue.put("clinic", "c0")
    assert [queue.take() for _ in range(7)] == ["f2", "h0", "c0", "f3", "h1", "f4", "f5"]


def test_fair_queue_gives_a_tenant_as_many_in_a_turn_as_it_weighs() -> None:
    queue: FairQueue[str] = FairQueue({"hotel": 3})
    for number in range(4):
        queue.put("hotel", f"h{number}")
        queue.put("clinic", f"c{number}")
    assert drained(queue) == "h0 h1 h2 c0 h3 c1 c2 c3"


def test_fair_queue_removes_what_leaves_and_its_turn_with_it() -> None:
    queue: FairQueue[str] = FairQueue({"hotel": 2})
    for item in ("h0", "h1", "h2"):
        queue.put("hotel", item)
    queue.put("clinic", "c0")
    assert queue.take() == "h0"
    assert list(queue.newest_first("hotel")) == ["h2", "h1"]
    assert queue.remove("hotel", "h1")
    assert queue.remove("hotel", "h2")
    for gone in (("hotel", "h2"), ("nobody", "h2"), ("clinic", "h2")):
        assert not queue.remove(*gone)
    assert list(queue.newest_first("hotel")) == []
    queue.put("hotel", "h3")
    assert drained(queue) == "c0 h3"


async def test_fair_async_queue_waits_and_takes_tenants_in_turn() -> None:
    queue: FairAsyncQueue[int] = FairAsyncQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait(("hotel", 1))
    assert await waiting == ("hotel", 1)
    for number in range(3):
        queue.put_nowait(("flood", number))
    queue.put_nowait(("hotel", 2))
    assert queue.qsize() == 4
    assert [(await queue.get())[0] for _ in range(4)] == ["flood", "hotel", "flood", "flood"]
    assert queue.empty()


@pytest.mark.parametrize(
    ("unfinished", "tenant", "accepted"),
    [
        ({}, "hotel", True),
        ({"hotel": 99}, "hotel", True),
        ({"hotel": 100}, "hotel", False),
        ({"flood": 100}, "hotel", True),
        ({"flood": 100, "hotel": 49}, "hotel", True),
        ({"flood": 100, "hotel": 50}, "hotel", False),
        ({"flood": 100, "hotel": 50}, "clinic", True),
        ({"flood": 100, "hotel": 1}, "flood", False),
        ({f"t{number}": 1 for number in range(300)}, "hotel", True),
        ({f"t{number}": 1 for number in range(300)}, "t1", False),
        ({"flood": 100, "heavy": 74}, "heavy", True),
        ({"flood": 100, "heavy": 75}, "heavy", False),
    ],
)
def test_may_add_leaves_each_tenant_its_share(
    unfinished: dict[str, int], tenant: str, accepted: bool
) -> None:
    assert may_add(unfinished, tenant, 100, {"heavy": 3}) == accepted


def test_may_add_bounds_the_whole() -> None:
    unfinished: dict[str, int] = {}
    for tenant in ["flood", *(f"t{number}" for number in range(3))]:
        while may_add(unfinished, tenant, 100, {}):
            unfinished[tenant] = unfinished.get(tenant, 0) + 1
    assert unfinished["flood"] == 100
    assert sum(unfinished.values()) == 100 + 50 + 34 + 25
