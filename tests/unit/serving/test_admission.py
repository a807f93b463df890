"""Admission: bounded, in turn, first come first served within a tenant, and never a slot lost."""

import asyncio
import gc
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import pytest

from tts_app.serving.admission import Admission, OverloadedError


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def hold(
    admission: Admission, until: asyncio.Event, log: list[str] | None = None, name: str = ""
) -> None:
    async with admission.slot("a"):
        if log is not None:
            log.append(name)
        await until.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_admission_refuses_a_caller_beyond_the_queue_at_once() -> None:
    admission = Admission(slots=2, queue=1)
    release = asyncio.Event()
    tasks = [asyncio.create_task(hold(admission, release)) for _ in range(3)]
    await settle()
    assert (admission.running, admission.waiting) == (2, 1)
    with pytest.raises(OverloadedError) as refused:
        async with admission.slot("a"):
            pytest.fail("there was no room")
    assert refused.value.retry_after >= 1
    release.set()
    await asyncio.gather(*tasks)
    assert (admission.running, admission.waiting) == (0, 0)


async def test_admission_without_a_queue_refuses_whoever_would_wait() -> None:
    admission = Admission(slots=1, queue=0)
    async with admission.slot("a"):
        with pytest.raises(OverloadedError):
            await hold(admission, asyncio.Event())
    async with admission.slot("a"):
        assert admission.running == 1


async def test_admission_serves_in_order_of_arrival() -> None:
    admission = Admission(slots=1, queue=10)
    order: list[str] = []
    release = asyncio.Event()
    release.set()
    first = asyncio.Event()
    holder = asyncio.create_task(hold(admission, first))
    await settle()
    tasks = [asyncio.create_task(hold(admission, release, order, str(i))) for i in range(5)]
    await settle()
    first.set()
    await asyncio.gather(holder, *tasks)
    assert order == ["0", "1", "2", "3", "4"]


async def test_admission_gets_a_slot_back_after_an_error() -> None:
    admission = Admission(slots=1, queue=0)
    with pytest.raises(RuntimeError):
        async with admission.slot("a"):
            raise RuntimeError
    assert admission.running == 0


async def test_admission_queue_loses_a_caller_who_leaves() -> None:
    admission = Admission(slots=1, queue=1)
    release = asyncio.Event()
    holder = asyncio.create_task(hold(admission, release))
    await settle()
    waiter = asyncio.create_task(hold(admission, release))
    await settle()
    waiter.cancel()
    await asyncio.wait([waiter])
    assert admission.waiting == 0
    replacement = asyncio.create_task(hold(admission, release))
    await settle()
    assert admission.waiting == 1
    release.set()
    await asyncio.gather(holder, replacement)
    assert admission.running == 0


async def test_admission_gets_a_slot_back_from_a_caller_who_leaves_as_it_is_granted() -> None:
    admission = Admission(slots=1, queue=1)
    release = asyncio.Event()
    holder = asyncio.create_task(hold(admission, release))
    await settle()
    waiter = asyncio.create_task(hold(admission, asyncio.Event()))
    await settle()
    release.set()
    await asyncio.sleep(0)
    assert admission.waiting == 0, "handed over, but the waiter has not run yet"
    waiter.cancel()
    await asyncio.wait([holder, waiter])
    assert (admission.running, admission.waiting) == (0, 0)


async def test_admission_survives_holder_and_waiters_leaving_at_once() -> None:
    admission = Admission(slots=1, queue=2)
    tasks = [asyncio.create_task(hold(admission, asyncio.Event())) for _ in range(3)]
    await settle()
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 3
    assert (admission.running, admission.waiting) == (0, 0)


async def test_admission_background_work_waits_beyond_the_bound_and_refuses_nobody() -> None:
    admission = Admission(slots=1, queue=1)
    release = asyncio.Event()
    done: list[int] = []

    async def background(number: int) -> None:
        async with admission.background("a"):
            done.append(number)

    holder = asyncio.create_task(hold(admission, release))
    await settle()
    tasks = [asyncio.create_task(background(number)) for number in range(5)]
    await settle()
    assert admission.waiting == 5
    caller = asyncio.create_task(hold(admission, release))
    await settle()
    assert admission.waiting == 6
    release.set()
    await asyncio.gather(holder, caller, *tasks)
    assert done == [0, 1, 2, 3, 4]
    assert admission.running == 0


async def test_admission_retry_after_follows_the_measured_service_time() -> None:
    clock = Clock()
    admission = Admission(slots=1, queue=10, clock=clock)
    for _ in range(40):
        async with admission.slot("a"):
            clock.now += 10.0
    assert admission.retry_after == 10
    release = asyncio.Event()
    tasks = [asyncio.create_task(hold(admission, release)) for _ in range(4)]
    await settle()
    assert admission.retry_after == 40  # three wait already
    release.set()
    await asyncio.gather(*tasks)
    for _ in range(60):
        async with admission.slot("a"):
            clock.now += 0.01
    assert admission.retry_after == 1


async def test_admission_resize_hands_out_new_room_at_once() -> None:
    admission = Admission(slots=1, queue=10)
    release = asyncio.Event()
    tasks = [asyncio.create_task(hold(admission, release)) for _ in range(4)]
    await settle()
    admission.resize(3, 10)
    await settle()
    assert (admission.running, admission.waiting) == (3, 1)
    admission.resize(1, 10)
    release.set()
    await asyncio.gather(*tasks)
    assert admission.running == 0


@pytest.mark.parametrize("seed", range(5))
async def test_admission_loses_no_slot_however_callers_come_and_leave(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same race every time
    admission = Admission(slots=3, queue=6)
    most = 0

    async def caller() -> None:
        nonlocal most
        with suppress(OverloadedError, RuntimeError):
            tenant = chance.choice("aaab")
            way = admission.slot if chance.random() < 0.8 else admission.background
            async with way(tenant):
                most = max(most, admission.running)
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                if chance.random() < 0.2:
                    raise RuntimeError

    tasks: list[asyncio.Task[None]] = []
    for _ in range(500):
        tasks.append(asyncio.create_task(caller()))
        if chance.random() < 0.4:
            chance.choice(tasks).cancel()
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (admission.running, admission.waiting) == (0, 0)
    assert most == 3
    async with admission.slot("a"):
        assert admission.running == 1


async def outcome(admission: Admission, tenant: str, until: asyncio.Event, served: list[str]) -> bool:
    """Hold a slot for `tenant` until the event; return whether it was let in."""
    try:
        async with admission.slot(tenant):
            served.append(tenant)
            await until.wait()
    except OverloadedError as refused:
        assert refused.retry_after >= 1
        return False
    return True


async def test_admission_takes_tenants_in_turn() -> None:
    admission = Admission(slots=1, queue=1000)
    release, served = asyncio.Event(), list[str]()
    flood = [asyncio.create_task(outcome(admission, "flood", release, served)) for _ in range(500)]
    await settle()
    late = [asyncio.create_task(outcome(admission, name, release, served)) for name in ("hotel", "clinic")]
    await settle()
    release.set()
    assert all(await asyncio.gather(*flood, *late))
    assert served[:4] == ["flood", "flood", "hotel", "clinic"], "one holds the slot, then each has a turn"


async def test_admission_turns_go_by_weight() -> None:
    admission = Admission(slots=1, queue=100, weights={"hotel": 2})
    release, served = asyncio.Event(), list[str]()
    names = ("first", *("hotel", "clinic") * 3)
    tasks = [asyncio.create_task(outcome(admission, name, release, served)) for name in names]
    await settle()
    release.set()
    await asyncio.gather(*tasks)
    assert served[1:] == ["hotel", "hotel", "clinic", "hotel", "clinic", "clinic"]


async def test_admission_that_is_full_refuses_the_newest_of_whom_most_is_waiting() -> None:
    admission = Admission(slots=1, queue=4)
    release, served = asyncio.Event(), list[str]()

    def come(tenant: str) -> "asyncio.Task[bool]":
        return asyncio.create_task(outcome(admission, tenant, release, served))

    holder, *flood = [come("flood") for _ in range(5)]
    await settle()
    hotel = [come("hotel")]
    await settle()
    assert [task.done() for task in flood] == [False, False, False, True]
    assert admission.waiting == 4
    hotel.append(come("hotel"))
    await settle()
    assert [task.done() for task in flood] == [False, False, True, True], "each has two of the four places"
    for tenant in ("flood", "hotel", "clinic"):
        late = come(tenant)
        await settle()
        assert late.done() == (tenant != "clinic")
    assert [task.done() for task in flood] == [False, True, True, True]
    release.set()
    assert [await task for task in (holder, *flood)] == [True, True, False, False, False]
    assert [await task for task in hotel] == [True, True]
    assert await late
    assert (admission.running, admission.waiting) == (0, 0)


async def test_admission_that_is_full_measures_what_waits_by_weight() -> None:
    admission = Admission(slots=1, queue=4, weights={"heavy": 4})
    release, served = asyncio.Event(), list[str]()
    heavy = [asyncio.create_task(outcome(admission, "heavy", release, served)) for _ in range(5)]
    await settle()
    assert not await outcome(admission, "hotel", release, served)
    release.set()
    assert all(await asyncio.gather(*heavy))


async def test_admission_refuses_no_background_work_for_a_caller() -> None:
    admission = Admission(slots=1, queue=1)
    release, served = asyncio.Event(), list[str]()

    async def background() -> None:
        async with admission.background("flood"):
            served.append("background")

    flood = [asyncio.create_task(outcome(admission, "flood", release, served)) for _ in range(2)]
    await settle()
    work = [asyncio.create_task(background()) for _ in range(3)]
    await settle()
    assert not await outcome(admission, "hotel", release, served), "flood has only one that counts"
    release.set()
    assert all(await asyncio.gather(*flood))
    await asyncio.gather(*work)
    assert served.count("background") == 3
    assert (admission.running, admission.waiting) == (0, 0)


async def test_admission_survives_that_one_leaves_as_it_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    admission = Admission(slots=1, queue=2)
    release, served = asyncio.Event(), list[str]()
    flood = [asyncio.create_task(outcome(admission, "flood", release, served)) for _ in range(3)]
    await settle()
    hotel = asyncio.create_task(outcome(admission, "hotel", release, served))
    await asyncio.sleep(0)
    flood[2].cancel()  # it is refused already, and has not run since
    await asyncio.wait([flood[2]])
    release.set()
    assert await asyncio.gather(*flood[:2], hotel) == [True] * 3
    assert (admission.running, admission.waiting) == (0, 0)
    del flood[2]
    gc.collect()
    assert not caplog.records, "no error is left that nobody looked at"


def jain(served: Sequence[float]) -> float:
    """Jain's index of fairness: 1 if all got the same, 1/n if one got everything."""
    return sum(served) ** 2 / (len(served) * sum(one * one for one in served))


async def test_admission_is_fair_to_ten_tenants_of_whom_one_floods() -> None:
    """Simulated. Nine tenants keep three requests in flight, the tenth a hundred."""
    admission = Admission(slots=4, queue=32)
    served: Counter[str] = Counter()
    enough = asyncio.Event()

    async def caller(tenant: str) -> None:
        while not enough.is_set():
            with suppress(OverloadedError):
                async with admission.slot(tenant):
                    served[tenant] += 1
                    if served.total() >= 1000:
                        enough.set()
                    await asyncio.sleep(0)
            await asyncio.sleep(0)

    load = {"flood": 100} | {f"tenant-{number}": 3 for number in range(9)}
    async with asyncio.timeout(120):
        await asyncio.gather(*(caller(name) for name, count in load.items() for _ in range(count)))
    assert len(served) == 10
    assert jain(list(served.values())) >= 0.95, served
