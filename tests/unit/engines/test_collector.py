"""Batches of many callers' segments: who shares a call, who is next, and what a failure costs the others."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from threading import Semaphore
from typing import Any

import numpy as np
import pytest

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, EngineError, Segment, Size
from tts_app.engines.collector import HEAD_START, MOST_PADDING, Waiting, choose
from tts_app.engines.pool import EnginePool

LIMITS = Capabilities(24_000, "text", 1000, (1.0, 1.0), parallel=False, max_batch=4, max_frames=1000)


def waiting(
    frames: float, arrived: float = 0.0, *, group: Any = None, background: bool = False, first: bool = False
) -> Waiting:
    segment = Segment(f"{frames:g}", "", "en-US", "somebody", first=first)
    return Waiting(segment, Size(frames, group), background, arrived)


def test_choose_takes_the_oldest_first_and_no_more_than_a_batch() -> None:
    segments = [waiting(100, arrived) for arrived in (6, 5, 4, 3, 2, 1)]
    assert choose(segments, LIMITS) == segments[:1:-1]


def test_choose_lets_first_segments_go_before_later_ones_that_wait_no_longer_than_the_head_start() -> None:
    old = waiting(100, 0.0)
    first = waiting(10, HEAD_START - 0.1, first=True)
    assert choose([old, first], LIMITS) == [first], "the other is too long to share its call"
    late = waiting(10, HEAD_START + 0.1, first=True)
    assert choose([old, late], LIMITS) == [old], "it does not wait for ever"


def test_choose_keeps_the_cost_of_a_batch_in_frames() -> None:
    segments = [waiting(400, arrived) for arrived in range(4)]
    assert choose(segments, LIMITS) == segments[:2], "three would be 1200 frames"
    assert choose([waiting(5000)], LIMITS), "one alone is always spoken"


def test_choose_keeps_padding_low() -> None:
    lead, close, far = waiting(100, 0), waiting(140, 1), waiting(30, 2)
    chosen = choose([lead, close, far], LIMITS)
    assert chosen == [lead, close]
    frames = [one.size.frames for one in chosen]
    assert sum(frames) / (len(frames) * max(frames)) >= 1 - MOST_PADDING


def test_choose_puts_segments_of_one_group_together() -> None:
    segments = [waiting(10, arrived, group=arrived % 2) for arrived in range(6)]
    assert choose(segments, LIMITS) == segments[::2]


def test_choose_speaks_background_work_last_and_by_itself() -> None:
    behind = waiting(10, 0, background=True)
    before = waiting(10, 5)
    assert choose([behind, before], LIMITS) == [before]
    assert choose([behind, waiting(10, 1, background=True)], LIMITS)[0] is behind
    assert choose([], LIMITS) == []


class Engine:
    """Holds every call until it gets a permit; refuses batches that hold `broken`, and texts of `0`."""

    def __init__(self, most: int = 4) -> None:
        self.capabilities = Capabilities(
            24_000, "text", 1000, (1.0, 1.0), parallel=False, max_batch=most, max_frames=1000
        )
        self.permits = Semaphore(0)
        self.calls: list[list[str]] = []
        self.closed = False
        self.shorted = False

    def size(self, segment: Segment) -> Size:
        if segment.text == "0":
            raise EngineError("nothing to speak")
        return Size(10.0)

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        texts = [segment.text for segment in segments]
        assert alone == (len(texts) == 1)
        self.calls.append(texts)
        assert self.permits.acquire(timeout=10)
        if "broken" in texts:
            raise ValueError("broken")
        spoken = [np.full(3, float(len(text)), np.float32) for text in texts]
        return spoken[1:] if self.shorted else spoken

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.permits.release(1000)


@pytest.fixture
def pool(engine: Engine) -> Iterator[EnginePool]:
    made = EnginePool(engine)  # type: ignore[arg-type]
    yield made
    engine.permits.release(1000)
    made.close()


def call(pool: EnginePool, text: str, background: bool = False) -> "asyncio.Task[Audio]":
    return asyncio.ensure_future(pool.synthesise(Segment(text, "", "en-US", ""), background))


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.001)


async def test_collector_speaks_at_once_while_the_engine_is_idle(pool: EnginePool, engine: Engine) -> None:
    engine.permits.release()
    assert (await call(pool, "abc")).tolist() == [3.0, 3.0, 3.0]
    assert engine.calls == [["abc"]]


async def test_collector_fills_the_next_call_with_what_came_meanwhile(
    pool: EnginePool, engine: Engine
) -> None:
    tasks = [call(pool, "a")]
    await until(lambda: engine.calls)
    for text in ("b", "bb", "bbb", "bbbb", "bbbbb"):
        tasks.append(call(pool, text))
        await asyncio.sleep(0)
    engine.permits.release(3)
    audio = await asyncio.gather(*tasks)
    assert engine.calls == [["a"], ["b", "bb", "bbb", "bbbb"], ["bbbbb"]]
    assert [one[0] for one in audio] == [1, 1, 2, 3, 4, 5], "each caller gets its own sound"


async def test_collector_takes_cancelled_segments_out_before_the_call(
    pool: EnginePool, engine: Engine
) -> None:
    first = call(pool, "a")
    await until(lambda: engine.calls)
    leaving, staying = call(pool, "leaving"), call(pool, "staying")
    await asyncio.sleep(0.01)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    engine.permits.release(2)
    await asyncio.gather(first, staying)
    assert engine.calls == [["a"], ["staying"]]


async def test_collector_tries_the_segments_of_a_failed_batch_once_alone(
    pool: EnginePool, engine: Engine
) -> None:
    tasks = [call(pool, "a")]
    await until(lambda: engine.calls)
    tasks += [call(pool, text) for text in ("good", "broken", "well")]
    await asyncio.sleep(0.01)
    engine.permits.release(5)
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert engine.calls == [["a"], ["good", "broken", "well"], ["good"], ["broken"], ["well"]]
    assert [isinstance(one, ValueError) for one in found] == [False, False, True, False]


async def test_collector_refuses_what_has_no_size_and_an_engine_that_loses_a_segment(
    pool: EnginePool, engine: Engine
) -> None:
    with pytest.raises(EngineError, match="nothing to speak"):
        await call(pool, "0")
    engine.shorted = True
    engine.permits.release()
    with pytest.raises(ValueError, match="shorter"):
        await call(pool, "a")
    engine.shorted = False
    engine.permits.release()
    assert len(await call(pool, "a")) == 3, "its thread goes on"


async def test_collector_speaks_background_work_when_nobody_waits(pool: EnginePool, engine: Engine) -> None:
    tasks = [call(pool, "a")]
    await until(lambda: engine.calls)
    tasks += [call(pool, "behind", background=True), call(pool, "before")]
    await asyncio.sleep(0.01)
    engine.permits.release(3)
    await asyncio.gather(*tasks)
    assert engine.calls == [["a"], ["before"], ["behind"]]


async def test_collector_gives_an_engine_without_batches_one_call_at_a_time() -> None:
    engine = Engine(most=1)
    pool = EnginePool(engine)  # type: ignore[arg-type]
    tasks = [call(pool, text) for text in "abc"]
    await until(lambda: engine.calls)
    await asyncio.sleep(0.02)
    assert engine.calls == [["a"]]
    engine.permits.release(3)
    await asyncio.gather(*tasks)
    assert engine.calls == [["a"], ["b"], ["c"]]
    pool.close()


async def test_collector_close_refuses_what_waits_and_ends_what_runs(engine: Engine) -> None:
    pool = EnginePool(engine)  # type: ignore[arg-type]
    running = call(pool, "a")
    await until(lambda: engine.calls)
    late = call(pool, "late")
    await asyncio.sleep(0.01)
    closing = asyncio.ensure_future(asyncio.to_thread(pool.close))
    with pytest.raises(EngineError, match="closed"):
        await late
    assert not engine.closed
    engine.permits.release()
    await asyncio.gather(running, closing)
    assert engine.closed
    with pytest.raises(EngineError, match="closed"):
        await call(pool, "after")


def test_collector_serves_any_number_of_event_loops(pool: EnginePool, engine: Engine) -> None:
    engine.permits.release(100)

    def caller(text: str) -> float:
        async def one() -> float:
            return float((await pool.synthesise(Segment(text, "", "en-US", "")))[0])

        return asyncio.run(one())

    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(caller, ["a", "bb", "ccc"] * 8)) == [1, 2, 3] * 8
    assert sum(map(len, engine.calls)) == 24


class SimulatedGpuEngine(Engine):
    """A call takes a fixed time and a little for each segment, as on a GPU."""

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        self.calls.append([segment.text for segment in segments])
        time.sleep(0.02 + 0.001 * len(segments))
        return [np.zeros(1, np.float32) for _ in segments]


async def test_collector_shares_each_call_among_callers_that_speak_segment_after_segment() -> None:
    engine = SimulatedGpuEngine(most=16)
    pool = EnginePool(engine)  # type: ignore[arg-type]

    async def caller() -> None:
        for _ in range(10):
            await pool.synthesise(Segment("a", "", "en-US", ""))

    await asyncio.gather(*(caller() for _ in range(16)))
    pool.close()
    assert sum(map(len, engine.calls)) == 160
    assert len(engine.calls) <= 40, "without a window, or without batches, there are many more"
