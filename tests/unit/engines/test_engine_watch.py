"""What metrics say of an engine: what it computed, apart from what waited for it."""

import asyncio
from collections.abc import Sequence
from threading import Event
from typing import Any

import numpy as np
import pytest
from measured import Measured

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, EngineError, Segment, Size
from tts_app.engines.pool import EnginePool
from tts_app.engines.watch import padding
from tts_app.telemetry.metrics.engine import Device, EngineMetrics

RATE = 1000


class Engine:
    """Holds every call until it may go on; a segment of n letters has n frames, and n seconds of audio."""

    def __init__(self, batches: bool) -> None:
        self.capabilities = (
            Capabilities(RATE, "text", 100, (1.0, 1.0), parallel=False, max_batch=4, max_frames=1000)
            if batches
            else Capabilities(RATE, "text", 100, (1.0, 1.0))
        )
        self.begun = 0
        self.may = Event()

    def size(self, segment: Segment) -> Size:
        return Size(float(len(segment.text)))

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        self.begun += 1
        assert self.may.wait(timeout=10)
        if any(segment.text == "broken" for segment in segments):
            raise ValueError("broken")
        return [np.zeros(len(segment.text) * RATE, np.float32) for segment in segments]

    def close(self) -> None:
        """Nothing to release."""


@pytest.fixture
def make(measured: Measured) -> Any:
    """Makes a pool of an engine that is watched: `batches`, or calls side by side."""
    made: list[tuple[Engine, EnginePool]] = []

    def make(batches: bool, callers: int | None = None) -> tuple[Engine, EnginePool]:
        engine = Engine(batches)
        made.append((engine, EnginePool(engine, callers, EngineMetrics("m", Device.CPU))))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for engine, pool in made:
        engine.may.set()
        pool.close()


def call(pool: EnginePool, text: str, background: bool = False) -> "asyncio.Task[Audio]":
    return asyncio.ensure_future(pool.synthesise(Segment(text, "", "en-US", ""), background))


@pytest.mark.parametrize("batches", [True, False])
async def test_audio_segments_and_calls_are_counted(make: Any, measured: Measured, batches: bool) -> None:
    engine, pool = make(batches)
    engine.may.set()
    await call(pool, "four")
    assert measured.total("ttsp_engine_audio_seconds", model="m") == 4
    assert measured.total("ttsp_engine_segments", outcome="finished") == 1
    assert measured.all("ttsp_engine_batch_segments") == [1]
    assert measured.all("ttsp_engine_padding_ratio") == [0]
    assert len(measured.all("ttsp_engine_wait_seconds")) == 1


@pytest.mark.parametrize("batches", [True, False])
async def test_failed_calls_are_counted(make: Any, measured: Measured, batches: bool) -> None:
    engine, pool = make(batches)
    engine.may.set()
    with pytest.raises(ValueError, match="broken"):
        await call(pool, "broken")
    assert measured.total("ttsp_engine_segments", outcome="failed") == 1
    assert measured.total("ttsp_engine_audio_seconds") == 0
    assert measured.total("ttsp_engine_compute_seconds", device="cpu") > 0, "it has computed all the same"


@pytest.mark.parametrize("batches", [True, False])
async def test_segments_that_never_ran_are_counted_as_cancelled(
    make: Any, measured: Measured, until: Any, batches: bool
) -> None:
    engine, pool = make(batches, None if batches else 1)
    first = call(pool, "a")
    await until(lambda: engine.begun == 1)
    left = call(pool, "b")
    await asyncio.sleep(0.01)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    engine.may.set()
    await first
    assert measured.total("ttsp_engine_segments", outcome="cancelled") == 1
    assert measured.total("ttsp_engine_segments", outcome="finished") == 1
    assert len(measured.all("ttsp_engine_batch_segments")) == 1


async def test_a_batch_tells_its_size_and_padding(make: Any, measured: Measured, until: Any) -> None:
    engine, pool = make(True)
    first = call(pool, "a")
    await until(lambda: engine.begun == 1)
    others = [call(pool, "eight..."), call(pool, "sixsix")]
    await asyncio.sleep(0.01)
    engine.may.set()
    await asyncio.gather(first, *others)
    assert measured.all("ttsp_engine_batch_segments") == [1, 2]
    assert measured.all("ttsp_engine_padding_ratio") == [0, pytest.approx(1 - 14 / 16)]


class Clocks:
    """Stand for the clocks of a call. They are told the time; the wall's goes on a little by itself."""

    def __init__(self) -> None:
        self.wall = self.processor = 100.0

    def monotonic(self) -> float:
        self.wall += 0.001
        return self.wall

    def thread_time(self) -> float:
        return self.processor


async def test_waiting_is_not_computing(
    make: Any, measured: Measured, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds in the queue behind a call of ten seconds are no computing."""
    clocks = Clocks()
    monkeypatch.setattr("tts_app.engines.collector.time", clocks)
    engine, pool = make(True)
    first = call(pool, "a")
    await until(lambda: engine.begun == 1)
    other = call(pool, "bbbbbbbbbbbbbbbb")  # too long to share a call with the next
    await asyncio.sleep(0.01)
    clocks.wall += 10
    engine.may.set()
    await asyncio.gather(first, other)
    assert measured.all("ttsp_engine_wait_seconds") == pytest.approx([0, 10], abs=0.5)
    assert measured.total("ttsp_engine_compute_seconds") == pytest.approx(10, abs=0.5)


async def test_a_call_on_one_of_several_cores_counts_its_share(
    make: Any, measured: Measured, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks()
    monkeypatch.setattr("tts_app.engines.pool.time", clocks)
    engine, pool = make(False, 4)
    spoken = call(pool, "behind", background=True)
    await until(lambda: engine.begun == 1)
    clocks.wall, clocks.processor = 200.0, 108.0  # in the background it had a core for 8 of 100 seconds
    engine.may.set()
    await spoken
    assert measured.all("ttsp_engine_compute_seconds") == [2]


async def test_a_call_that_has_all_cores_counts_whole(
    make: Any, measured: Measured, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks()
    monkeypatch.setattr("tts_app.engines.pool.time", clocks)
    engine, pool = make(False, 4)
    spoken = call(pool, "alone")
    await until(lambda: engine.begun == 1)
    clocks.wall += 3
    engine.may.set()
    await spoken
    assert measured.all("ttsp_engine_compute_seconds") == [pytest.approx(3, abs=0.1)]


async def test_a_closed_engine_fails_what_waits(make: Any, measured: Measured, until: Any) -> None:
    engine, pool = make(True)
    first = call(pool, "a")
    await until(lambda: engine.begun == 1)
    waiting = call(pool, "b")
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(asyncio.to_thread(pool.close))
    with pytest.raises(EngineError):
        await waiting
    engine.may.set()
    await asyncio.gather(first, closing)
    assert measured.total("ttsp_engine_segments", outcome="failed") == 1


@pytest.mark.parametrize(
    ("frames", "share"),
    [([], 0), ([0, 0], 0), ([10], 0), ([10, 10], 0), ([10, 5], 0.25), ([4, 1, 1], 0.5)],
)
def test_padding(frames: list[float], share: float) -> None:
    assert padding(frames) == share
