"""The gauges of the gateway, without a request."""

import asyncio
from typing import Any

import pytest
from measured import Measured
from simulated_pool import OpenGovernor, Pool

from tts_app.api import shown
from tts_app.batch import driver

BATCH = {"posts": [{"id": 1, "text": {"en": "Welcome."}}], "avatars": {"locales": ["en-US"]}, "retries": 0}
SAY = {"input": "One two.", "voice": "alloy"}


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    made = Pool()
    monkeypatch.setattr(driver, "WorkerHandle", made.worker)
    monkeypatch.setattr(driver, "Governor", OpenGovernor)
    return made


async def show(api: Any) -> None:
    """Look at everything at once."""
    for one in shown.showing_of(api.context)._shows:
        if (made := one()) is not None:
            await made


async def test_all_gauges_are_there_before_the_first_request(start: Any, measured: Measured) -> None:
    api = await start()
    await show(api)
    for kind, model in (("speech", "kokoro"), ("text", "writer")):
        assert set(measured.all("ttsp_model_ready", kind=kind, model=model)) == {1}
        assert set(measured.all("ttsp_queue_running", kind=kind, model=model)) == {0}
        assert set(measured.all("ttsp_queue_fairness_ratio", kind=kind, model=model)) == {1}
        for priority in ("interactive", "background"):
            assert set(measured.all("ttsp_queue_waiting", kind=kind, model=model, priority=priority)) == {0}
    for store in ("audio", "database", "logs"):
        size = measured.all("ttsp_storage_size_bytes", store=store)[-1]
        assert 0 < measured.all("ttsp_storage_free_bytes", store=store)[-1] <= size
    assert set(measured.all("ttsp_batches", state="queued")) == {0}
    assert set(measured.all("ttsp_batch_oldest_age_seconds")) == {0}
    assert set(measured.all("ttsp_build_info")) == {1}


async def test_a_model_that_does_not_answer_is_not_ready(api: Any, measured: Measured) -> None:
    api.model.down = True
    await show(api)
    assert measured.all("ttsp_model_ready", model="kokoro")[-1] == 0
    assert measured.all("ttsp_model_ready", model="writer")[-1] == 1
    api.model.running = True  # Serve has replicas of it: they are only busy
    await show(api)
    assert measured.all("ttsp_model_ready", model="kokoro")[-1] == 1


async def test_a_model_that_was_removed_is_not_shown_any_more(api: Any, measured: Measured) -> None:
    api.context.text.reconfigure([])
    before = len(measured.all("ttsp_model_ready", model="writer"))
    await show(api)
    assert len(measured.all("ttsp_model_ready", model="writer")) == before


async def test_batches_are_shown_by_state_and_counted_at_their_end(
    api: Any, pool: Pool, until: Any, measured: Measured
) -> None:
    pool.gate.clear()
    for _ in range(3):
        assert (await api.client.post("/v1/batches", json=BATCH)).status_code in (200, 201, 202)
    await until(lambda: pool.asked > 0)
    await asyncio.sleep(0.01)
    await show(api)
    assert measured.all("ttsp_batches", state="running")[-1] == 1
    assert measured.all("ttsp_batches", state="queued")[-1] == 2
    assert measured.all("ttsp_batch_oldest_age_seconds")[-1] > 0
    pool.gate.set()
    await until(lambda: measured.total("ttsp_batches_finished", outcome="succeeded") == 3)
    assert measured.total("ttsp_batch_items", outcome="done") == 6
    assert measured.total("ttsp_speech_characters", model="kokoro") == 6 * len("Welcome.")


async def test_a_batch_that_is_cancelled_is_counted_once(
    api: Any, pool: Pool, until: Any, measured: Measured
) -> None:
    pool.gate.clear()
    made = (await api.client.post("/v1/batches", json=BATCH)).json()
    await until(lambda: pool.asked > 0)
    cancelled = await api.client.post(f"/v1/batches/{made['id']}/cancel")
    assert cancelled.status_code < 300
    pool.gate.set()
    await until(lambda: api.context.batches._running is None)
    assert measured.total("ttsp_batches_finished", outcome="cancelled") == 1
    assert measured.total("ttsp_batches_finished") == 1


async def test_rows_of_the_audit_are_counted(start: Any, measured: Measured) -> None:
    api = await start(audit=True)
    assert (await api.client.post("/v1/audio/speech", json=SAY)).status_code == 200
    assert measured.total("ttsp_audit_writes") == 1
    stored = await api.client.post("/v1/speech", json={"text": "One.", "voice": "female_en-US"})
    assert stored.status_code == 202
    assert measured.total("ttsp_audit_writes") == 2, "those of a transaction too"
    assert measured.total("ttsp_audit_write_failures") == 0
