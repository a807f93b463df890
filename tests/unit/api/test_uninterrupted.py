"""Changes that go on to their end when the caller leaves."""

import asyncio
from typing import Any

import pytest

from tts_app.api.errors import ApiError
from tts_app.api.quotas import Reservation
from tts_app.api.uninterrupted import uninterrupted
from tts_app.quotas import Measure
from tts_app.security.principal import ANONYMOUS
from tts_app.storage.batches import Batch, Batches

BATCH = {
    "posts": [{"id": 1, "text": {"en": "Welcome."}}],
    "avatars": {"locales": ["en-US"], "genders": ["female"]},
}


async def test_work_goes_on_when_its_caller_is_cancelled() -> None:
    gate, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await gate.wait()
        done.set()

    caller = asyncio.create_task(uninterrupted(work()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gate.set()
    await asyncio.wait_for(done.wait(), 20)


async def test_work_passes_on_what_it_returns_and_raises() -> None:
    async def refuse() -> int:
        raise ValueError("no")

    assert await uninterrupted(asyncio.sleep(0, 7)) == 7
    with pytest.raises(ValueError, match="no"):
        await uninterrupted(refuse())


async def test_batch_whose_caller_leaves_while_it_is_stored_is_made(
    api: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, caller = asyncio.Event(), None
    loop, add = asyncio.get_running_loop(), Batches.add

    def leaving(*arguments: Any, **more: Any) -> Any:
        loop.call_soon_threadsafe(caller.cancel)  # type: ignore[attr-defined]
        found = add(*arguments, **more)
        loop.call_soon_threadsafe(stored.set)
        return found

    monkeypatch.setattr(Batches, "add", leaving)
    caller = asyncio.create_task(api.client.post("/v1/batches", json=BATCH))
    await asyncio.wait([caller])
    await asyncio.wait_for(stored.wait(), 20)

    async def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await api.client.get("/v1/batches")).json()["data"]
        return found

    deadline = loop.time() + 20
    while (await listed())[0]["status"] == "queued":
        assert loop.time() < deadline, await listed()
        await asyncio.sleep(0.05)


async def test_refused_retry_leaves_the_reservation_of_the_batch_that_runs(start: Any, until: Any) -> None:
    metering = (await start(quotas="characters=1000/day")).context.metering
    reserved = await metering.guard.reserve(ANONYMOUS, {Measure.CHARACTERS: 900}, {})
    with metering.holding("batch_1", ANONYMOUS, reserved):
        pass
    with pytest.raises(ApiError), metering.holding("batch_1", ANONYMOUS, Reservation()):
        raise ApiError(409, "It runs.")
    metering.batch_ran(Batch(id="batch_1", tenant="default"), {})
    await until(lambda: not metering.guard._tasks)
    assert await metering.guard.reserve(ANONYMOUS, {Measure.CHARACTERS: 1000}, {})
