"""Admission: bounded, first come first served, and never a slot lost."""

import asyncio
import random
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
    async with admission.slot():
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
        async with admission.slot():
            pytest.fail("there was no room")
    assert refused.value.retry_after >= 1
    release.set()
    await asyncio.gather(*tasks)
    assert (admission.running, admission.waiting) == (0, 0)


async def test_admission_without_a_queue_refuses_whoever_would_wait() -> None:
    admission = Admission(slots=1, queue=0)
    async with admission.slot():
        with pytest.raises(OverloadedError):
            await hold(admission, asyncio.Event())
    async with admission.slot():
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
        async with admission.slot():
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
        async with admission.background():
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
        async with admission.slot():
            clock.now += 10.0
    assert admission.retry_after == 10
    release = asyncio.Event()
    tasks = [asyncio.create_task(hold(admission, release)) for _ in range(4)]
    await settle()
    assert admission.retry_after == 40  # three wait already
    release.set()
    await asyncio.gather(*tasks)
    for _ in range(60):
        async with admission.slot():
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
            async with admission.slot() if chance.random() < 0.8 else admission.background():
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
    async with admission.slot():
        assert admission.running == 1
