"""The pool, with an engine that speaks when it is told to."""

import asyncio
from collections.abc import Sequence
from threading import Lock, Semaphore
from typing import Any

import numpy as np
import pytest

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, EngineError, Segment
from tts_app.engines.pool import EnginePool

MANY = 10_000


class Engine:
    """Holds every call until it gets a permit; notes who was alone, and how many ran at once."""

    def __init__(self) -> None:
        self.permits = Semaphore(0)
        self.spoken: list[tuple[str, bool]] = []
        self.running = self.most = 0
        self.closed = False
        self._lock = Lock()
        self.capabilities = Capabilities(24_000, "phonemes", 100, (1.0, 1.0))

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
            assert self.running == 1 or not alone
            self.spoken.append((segments[0].text, alone))
        assert self.permits.acquire(timeout=10)
        with self._lock:
            self.running -= 1
        if segments[0].text == "broken":
            raise ValueError("broken")
        return [np.zeros(1, np.float32)]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def pool(engine: Engine) -> EnginePool:
    return EnginePool(engine, callers=2)  # type: ignore[arg-type]


def call(pool: EnginePool, text: str) -> "asyncio.Task[Any]":
    return asyncio.ensure_future(pool.synthesise(Segment(text, "a", "en-US", "af_heart")))


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.001)


async def test_pool_runs_a_lone_call_with_nothing_beside_it(pool: EnginePool, engine: Engine) -> None:
    first = call(pool, "1")
    await until(lambda: engine.spoken)
    second = call(pool, "2")
    await asyncio.sleep(0.02)
    assert engine.spoken == [("1", True)]
    engine.permits.release(MANY)
    await asyncio.gather(first, second)
    assert engine.spoken == [("1", True), ("2", True)]
    assert engine.most == 1


async def test_pool_gives_many_calls_a_core_each_in_order(pool: EnginePool, engine: Engine) -> None:
    first = call(pool, "0")
    await until(lambda: engine.spoken)
    others = [call(pool, str(n)) for n in range(1, 6)]
    await asyncio.sleep(0.02)
    assert engine.spoken == [("0", True)]
    engine.permits.release()
    await until(lambda: engine.running == 2)
    await asyncio.sleep(0.02)
    assert engine.spoken == [("0", True), ("1", False), ("2", False)]
    engine.permits.release(MANY)
    await asyncio.gather(first, *others)
    assert [text for text, _ in engine.spoken] == list("012345")
    assert engine.most == 2


async def test_pool_never_runs_a_call_that_is_canceled_in_time(pool: EnginePool, engine: Engine) -> None:
    first, second, third = call(pool, "1"), call(pool, "2"), call(pool, "3")
    await until(lambda: engine.spoken)
    second.cancel()
    engine.permits.release(MANY)
    await asyncio.gather(first, third)
    with pytest.raises(asyncio.CancelledError):
        await second
    assert [text for text, _ in engine.spoken] == ["1", "3"]


async def test_pool_stays_busy_until_the_call_of_a_caller_who_left_ends(
    pool: EnginePool, engine: Engine
) -> None:
    first = call(pool, "1")
    await until(lambda: engine.spoken)
    first.cancel()
    second = call(pool, "2")
    await asyncio.sleep(0.02)
    assert engine.spoken == [("1", True)]
    engine.permits.release(MANY)
    await second
    assert engine.spoken == [("1", True), ("2", True)]


async def test_pool_takes_the_turn_of_a_failed_call_back(pool: EnginePool, engine: Engine) -> None:
    engine.permits.release(MANY)
    for _ in range(5):
        with pytest.raises(ValueError, match="broken"):
            await call(pool, "broken")
    await call(pool, "whole")
    assert engine.spoken[-1] == ("whole", True)


async def test_pool_survives_many_cancellations(pool: EnginePool, engine: Engine) -> None:
    engine.permits.release(MANY)
    for n in range(200):
        calls = [call(pool, str(i)) for i in range(4)]
        for _ in range(n % 5):
            await asyncio.sleep(0)
        calls[n % 4].cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    await until(lambda: engine.running == 0)
    async with asyncio.timeout(10):
        await call(pool, "last")
    assert engine.spoken[-1] == ("last", True)


def test_pool_serves_any_number_of_event_loops(pool: EnginePool, engine: Engine) -> None:
    engine.permits.release(MANY)

    async def speak() -> None:
        await asyncio.gather(*(call(pool, str(n)) for n in range(3)))

    for _ in range(3):
        asyncio.run(speak())
    assert len(engine.spoken) == 9


async def test_pool_close_refuses_waiting_calls(pool: EnginePool, engine: Engine) -> None:
    first, second = call(pool, "1"), call(pool, "2")
    await until(lambda: engine.spoken)
    closing = asyncio.ensure_future(asyncio.to_thread(pool.close))
    with pytest.raises(EngineError, match="closed"):
        await second
    assert not engine.closed
    engine.permits.release(MANY)
    await asyncio.gather(first, closing)
    assert engine.closed
    with pytest.raises(EngineError, match="closed"):
        await call(pool, "3")


async def test_pool_close_ends_waiting_background_calls(pool: EnginePool, engine: Engine) -> None:
    segment = Segment("1", "a", "en-US", "af_heart")
    calls = [asyncio.ensure_future(pool.synthesise(segment, background=True)) for _ in range(4)]
    await until(lambda: engine.running == 2)
    closing = asyncio.ensure_future(asyncio.to_thread(pool.close))
    await until(lambda: sum(call.done() for call in calls) == 2)
    engine.permits.release(MANY)
    await closing
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(end, EngineError) for end in ended) == 2
    with pytest.raises(EngineError, match="closed"):
        await pool.synthesise(segment, background=True)


async def test_pool_cancels_a_background_call_whose_caller_leaves(pool: EnginePool, engine: Engine) -> None:
    segment = Segment("1", "a", "en-US", "af_heart")
    calls = [asyncio.ensure_future(pool.synthesise(segment, background=True)) for _ in range(3)]
    await until(lambda: engine.running == 2)
    calls[2].cancel()
    with pytest.raises(asyncio.CancelledError):
        await calls[2]
    engine.permits.release(MANY)
    await asyncio.gather(*calls[:2])
    assert len(engine.spoken) == 2
