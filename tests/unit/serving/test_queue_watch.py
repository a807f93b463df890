"""What metrics say of a queue."""

import asyncio
from typing import Any

import pytest
from measured import Measured

from tts_app.serving.admission import Admission, OverloadedError
from tts_app.serving.queue_watch import QueueWatch
from tts_app.telemetry.metrics.labels import Kind
from tts_app.telemetry.metrics.queue import QueueMetrics


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Queue:
    """A queue of one slot that is watched."""

    def __init__(self, room: int) -> None:
        self.clock = Clock()
        self.watch = QueueWatch("kokoro", QueueMetrics(Kind.SPEECH), {}, self.clock)
        self.admission = Admission(1, room, clock=self.clock, watcher=self.watch)
        self.ended = asyncio.Event()

    def call(self, tenant: str = "a", background: bool = False) -> "asyncio.Task[None]":
        """Hold a slot until `ended`."""

        async def hold() -> None:
            slot = self.admission.background if background else self.admission.slot
            async with slot(tenant):
                await self.ended.wait()

        return asyncio.ensure_future(hold())


@pytest.fixture
async def queue() -> Any:
    return Queue(room=2)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_waiting_is_shown_as_soon_as_somebody_joins(queue: Queue, measured: Measured) -> None:
    tasks = [queue.call(), queue.call(), queue.call(), queue.call(background=True)]
    await settle()
    assert measured.all("ttsp_queue_waiting", priority="interactive") == [1, 2], "behind one long request"
    assert measured.all("ttsp_queue_waiting", priority="background") == [1]
    queue.watch.show(queue.admission)
    assert measured.all("ttsp_queue_running", kind="speech", model="kokoro") == [1]
    assert measured.all("ttsp_queue_waiting", priority="interactive")[-1] == 2
    queue.ended.set()
    await asyncio.gather(*tasks)
    queue.watch.show(queue.admission)
    assert measured.all("ttsp_queue_running")[-1] == 0
    for priority in ("interactive", "background"):
        assert measured.all("ttsp_queue_waiting", priority=priority)[-1] == 0


async def test_who_leaves_the_queue_is_not_counted_any_more(queue: Queue, measured: Measured) -> None:
    first, leaver, background = queue.call(), queue.call(), queue.call(background=True)
    await settle()
    leaver.cancel()
    background.cancel()
    await settle()
    queue.watch.show(queue.admission)
    assert measured.all("ttsp_queue_waiting", priority="interactive")[-1] == 0
    assert measured.all("ttsp_queue_waiting", priority="background")[-1] == 0
    queue.ended.set()
    await first


async def test_the_wait_is_from_joining_to_admission(queue: Queue, measured: Measured) -> None:
    first, second = queue.call(), queue.call()
    await settle()
    queue.clock.now = 7.0
    queue.ended.set()
    await asyncio.gather(first, second)
    assert measured.all("ttsp_queue_wait_seconds", priority="interactive") == [0, 7]


async def test_who_finds_no_place_is_shed_with_the_reason(queue: Queue, measured: Measured) -> None:
    tasks = [queue.call("greedy") for _ in range(3)]
    await settle()
    with pytest.raises(OverloadedError):
        await queue.call("greedy")
    assert measured.total("ttsp_queue_shed", reason="full", model="kokoro") == 1
    tasks.append(queue.call("modest"))
    await settle()
    assert measured.total("ttsp_queue_shed", reason="displaced") == 1
    queue.ended.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found if one is not None] == [OverloadedError]


async def test_fairness_is_shown_without_a_name(queue: Queue, measured: Measured) -> None:
    queue.ended.set()
    for _ in range(50):
        await queue.call("hotel-secret")
    queue.watch.show(queue.admission)
    assert measured.all("ttsp_queue_fairness_ratio") == [1]
    for name, series in measured.values.items():
        for labels in series:
            assert "hotel-secret" not in dict(labels).values(), name
