"""The table of batches, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy.exc import IntegrityError

from tts_app.storage.batches import (
    Batch,
    Batches,
    BatchStatus,
    OpenBatches,
)
from tts_app.storage.database import Database
from tts_app.storage.idempotency import IdempotencyConflictError
from tts_app.storage.pages import UnknownCursorError

TENANT = "hotel"
FINAL = [status for status in BatchStatus if status.final]


@pytest.fixture
def batches(database: Database) -> Batches:
    return Batches(database)


def batch(
    number: int,
    key: str | None = None,
    request_hash: str = "h",
    created: float | None = None,
    post: int = 1,
) -> Batch:
    return Batch(
        id=f"batch_{number:04x}",
        status=BatchStatus.QUEUED.value,
        created=1000.1 + number if created is None else created,
        idempotency_key=key,
        request_hash=request_hash,
        job=f'{{"posts": {{"inline": [{{"id": {post}, "text": {{"ar": "مرحبا"}}}}]}}}}',
    )


def status(batches: Batches, number: int = 1) -> str:
    found = batches.get(TENANT, f"batch_{number:04x}")
    assert found is not None
    return found.status


def test_batches_keeps_a_batch_from_queued_to_its_end(batches: Batches) -> None:
    assert batches.add(TENANT, batch(1)).id == "batch_0001"
    assert batches.running(TENANT, "batch_0001", started=2000.0)
    assert batches.progress(TENANT, "batch_0001", total=8, done=3, failed=1, skipped=2)
    assert batches.finish(TENANT, "batch_0001", BatchStatus.FAILED, finished=3000.0, message="no such voice")
    found = batches.get(TENANT, "batch_0001")
    assert found is not None
    assert (found.status, found.message) == ("failed", "no such voice")
    assert (found.total, found.done, found.failed, found.skipped) == (8, 3, 1, 2)
    assert (found.created, found.started, found.finished) == (1001.1, 2000.0, 3000.0)
    assert found.started_at is not None
    assert found.finished_at is not None
    assert found.created_at < found.started_at < found.finished_at
    assert "مرحبا" in found.job


def test_batches_adds_a_batch_with_nothing_done(batches: Batches) -> None:
    batches.add(TENANT, batch(1))
    found = batches.get(TENANT, "batch_0001")
    assert found is not None
    assert (found.total, found.done, found.failed, found.skipped) == (0, 0, 0, 0)
    assert (found.started_at, found.finished_at, found.message) == (None, None, None)


def test_batches_reports_a_missing_batch(batches: Batches) -> None:
    for missing in ("batch_0001", "batch_\0"):
        assert batches.get(TENANT, missing) is None
        assert batches.delete_ended(TENANT, missing) is None
    assert not batches.running(TENANT, "batch_0001", started=1.0)
    assert not batches.progress(TENANT, "batch_0001", total=1, done=0, failed=0, skipped=0)
    assert not batches.finish(TENANT, "batch_0001", BatchStatus.SUCCEEDED, finished=1.0)
    assert not batches.reopen(TENANT, "batch_0001")


def test_batches_deletes_and_restores_an_ended_batch(batches: Batches) -> None:
    batches.add(TENANT, batch(1))
    assert batches.delete_ended(TENANT, "batch_0001") is None, "it is queued"
    assert batches.finish(TENANT, "batch_0001", BatchStatus.FAILED, finished=1.0)
    removed = batches.delete_ended(TENANT, "batch_0001")
    assert removed is not None
    assert batches.get(TENANT, "batch_0001") is None
    assert batches.delete_ended(TENANT, "batch_0001") is None
    batches.restore(removed)
    found = batches.get(TENANT, "batch_0001")
    assert found is not None
    assert (found.request_hash, found.status) == ("h", "failed")


def test_batches_keeps_the_first_start_of_a_restarted_batch(batches: Batches) -> None:
    batches.add(TENANT, batch(1))
    assert batches.running(TENANT, "batch_0001", started=2000.0)
    assert batches.running(TENANT, "batch_0001", started=2500.0)
    found = batches.get(TENANT, "batch_0001")
    assert found is not None
    assert (found.status, found.started) == ("running", 2000.0)


@pytest.mark.parametrize("first", FINAL)
def test_batches_does_not_change_a_final_batch(batches: Batches, first: BatchStatus) -> None:
    batches.add(TENANT, batch(1))
    assert batches.finish(TENANT, "batch_0001", first, finished=2000.0)
    assert not batches.running(TENANT, "batch_0001", started=3000.0)
    for second in FINAL:
        assert not batches.finish(TENANT, "batch_0001", second, finished=3000.0, message="late")
    found = batches.get(TENANT, "batch_0001")
    assert found is not None
    assert (found.status, found.finished, found.message) == (first.value, 2000.0, None)
    assert batches.progress(TENANT, "batch_0001", total=2, done=2, failed=0, skipped=0)


@pytest.mark.parametrize("open_status", [BatchStatus.QUEUED, BatchStatus.RUNNING])
def test_batches_finish_refuses_an_open_status(batches: Batches, open_status: BatchStatus) -> None:
    batches.add(TENANT, batch(1))
    with pytest.raises(ValueError, match=f"cannot end as {open_status}"):
        batches.finish(TENANT, "batch_0001", open_status, finished=1.0)


def test_batches_accepts_one_of_a_cancel_and_a_finish_at_once(batches: Batches) -> None:
    ends = [BatchStatus.CANCELLED, BatchStatus.SUCCEEDED]
    with ThreadPoolExecutor(2) as pool:
        for number in range(10):
            batches.add(TENANT, batch(number))
            start = Barrier(2)

            def end(wanted: BatchStatus, number: int = number, start: Barrier = start) -> bool:
                start.wait()
                return batches.finish(TENANT, f"batch_{number:04x}", wanted, finished=1.0)

            won = list(pool.map(end, ends))
            assert sorted(won) == [False, True]
            assert status(batches, number) == ends[won.index(True)]


@pytest.mark.parametrize("ended", [BatchStatus.PARTIALLY_FAILED, BatchStatus.FAILED, BatchStatus.CANCELLED])
def test_batches_reopens_a_batch_that_did_not_succeed(batches: Batches, ended: BatchStatus) -> None:
    batches.add(TENANT, batch(1))
    batches.running(TENANT, "batch_0001", started=1500.0)
    batches.finish(TENANT, "batch_0001", ended, finished=2000.0, message="why")
    assert batches.reopen(TENANT, "batch_0001")
    found = batches.get(TENANT, "batch_0001")
    assert found is not None
    assert (found.status, found.finished, found.message) == ("queued", None, None)
    assert found.retry_failed
    assert batches.unfinished() == [(TENANT, "batch_0001")]
    assert not batches.reopen(TENANT, "batch_0001")
    assert batches.running(TENANT, "batch_0001", started=3000.0)
    assert batches.finish(TENANT, "batch_0001", BatchStatus.SUCCEEDED, finished=4000.0)
    assert not batches.reopen(TENANT, "batch_0001")
    found = batches.get(TENANT, "batch_0001")
    assert found is not None
    assert (found.status, found.retry_failed) == ("succeeded", False)


def test_batches_lists_unfinished_ones_oldest_first(batches: Batches) -> None:
    for number in (3, 1, 2, 0):
        batches.add(TENANT, batch(number))
    batches.running(TENANT, "batch_0001", started=1.0)
    batches.finish(TENANT, "batch_0002", BatchStatus.CANCELLED, finished=1.0)
    assert batches.unfinished() == [(TENANT, f"batch_000{number}") for number in (0, 1, 3)]


def test_batches_counts_those_of_all_tenants_that_have_not_ended(batches: Batches) -> None:
    assert batches.open_by_status() == {}
    for number in (1, 2, 3, 4):
        batches.add(TENANT if number % 2 else "other", batch(number))
    batches.running(TENANT, "batch_0003", started=2000.0)
    batches.running("other", "batch_0004", started=2000.0)
    batches.finish("other", "batch_0004", BatchStatus.FAILED, finished=3000.0)
    assert batches.open_by_status() == {
        BatchStatus.QUEUED: OpenBatches(2, 1001.1),
        BatchStatus.RUNNING: OpenBatches(1, 1003.1),
    }


def test_batches_pages_have_each_batch_once_newest_first(batches: Batches) -> None:
    for number in range(7):
        batches.add(TENANT, batch(number, created=1000.1 + number // 3))  # some of the same moment
    seen: list[str] = []
    cursor: str | None = None
    sizes = []
    while True:
        page = batches.list(TENANT, 2, cursor)
        seen += [found.id for found in page.rows]
        sizes.append(len(page.rows))
        if page.next is None:
            break
        cursor = page.next
        batches.finish(TENANT, page.rows[-1].id, BatchStatus.FAILED, finished=1.0)
        batches.delete_ended(
            TENANT, page.rows[-1].id
        )  # a page goes on though the batch it ended with is gone
        batches.add(TENANT, batch(100 + len(seen), created=9000.0))  # and newer ones do not shift it
    assert seen == [f"batch_{number:04x}" for number in range(6, -1, -1)]
    assert sizes == [2, 2, 2, 1]


def test_batches_has_no_page_after_a_page_that_is_just_full(batches: Batches) -> None:
    assert (batches.list(TENANT, 2).rows, batches.list(TENANT, 2).next) == ([], None)
    for number in range(2):
        batches.add(TENANT, batch(number))
    assert batches.list(TENANT, 2).next is None


@pytest.mark.parametrize(
    "cursor", ["", "x", "batch_01", "nan~batch_01", "1.0~batch_\x00", "1.0~batch_01~", "1.0"]
)
def test_batches_refuses_a_foreign_cursor(batches: Batches, cursor: str) -> None:
    with pytest.raises(UnknownCursorError, match="is not a cursor"):
        batches.list(TENANT, 2, cursor)


def test_batches_finds_the_batch_of_a_repeated_request(batches: Batches) -> None:
    batches.add(TENANT, batch(1, "key"))
    batches.running(TENANT, "batch_0001", started=1.0)
    found = batches.add(TENANT, batch(2, "key"))
    assert (found.id, found.status) == ("batch_0001", "running")
    assert batches.get(TENANT, "batch_0002") is None


def test_batches_knows_a_repeated_request_by_its_body_or_by_its_hash(batches: Batches) -> None:
    batches.add(TENANT, batch(1, "key"))
    assert batches.add(TENANT, batch(2, "key", "hashed with another secret")).id == "batch_0001"
    assert batches.finish(TENANT, "batch_0001", BatchStatus.SUCCEEDED, finished=1.0)
    assert batches.forget_texts(now=2.0, text_ttl=0.0, fingerprint=lambda _job: "keyed") == 1
    assert batches.add(TENANT, batch(2, "key", "keyed")).id == "batch_0001"
    with pytest.raises(IdempotencyConflictError):
        batches.add(TENANT, batch(2, "key", "h"))


def test_batches_refuses_a_reused_idempotency_key(batches: Batches) -> None:
    batches.add(TENANT, batch(1, "key"))
    with pytest.raises(IdempotencyConflictError, match="used for another request"):
        batches.add(TENANT, batch(2, "key", "other", post=2))
    assert batches.get(TENANT, "batch_0002") is None


def test_batches_adds_requests_without_a_key_separately(batches: Batches) -> None:
    assert batches.add(TENANT, batch(1)).id != batches.add(TENANT, batch(2)).id
    with pytest.raises(IntegrityError):
        batches.add(TENANT, batch(1))


def test_batches_adds_one_batch_for_many_requests_with_one_key(batches: Batches) -> None:
    start = Barrier(8)

    def add(number: int) -> str:
        start.wait()
        return batches.add(TENANT, batch(number, "key")).id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(add, range(8)))
    assert len(ids) == 1
    assert [found.id for found in batches.list(TENANT, 10).rows] == list(ids)


def test_batches_of_another_tenant_are_not_there(batches: Batches) -> None:
    batches.add(TENANT, batch(1, "key"))
    batches.finish(TENANT, "batch_0001", BatchStatus.FAILED, finished=1.0)
    before = batches.get(TENANT, "batch_0001")
    for tenant in ("clinic", "default", ""):
        assert batches.get(tenant, "batch_0001") is None
        assert batches.list(tenant, 10).rows == []
        assert not batches.running(tenant, "batch_0001", started=2.0)
        assert not batches.progress(tenant, "batch_0001", total=9, done=9, failed=0, skipped=0)
        assert not batches.finish(tenant, "batch_0001", BatchStatus.CANCELLED, finished=2.0)
        assert not batches.reopen(tenant, "batch_0001")
        assert batches.delete_ended(tenant, "batch_0001") is None
        assert batches.repeated(tenant, batch(2, "key", "other")) is None
    after = batches.get(TENANT, "batch_0001")
    assert before is not None
    assert after is not None
    assert (after.status, after.total, after.finished) == (before.status, before.total, before.finished)


def test_batches_have_the_idempotency_keys_of_each_tenant_apart(batches: Batches) -> None:
    for number, tenant in enumerate(("hotel", "clinic"), 1):
        assert batches.add(tenant, batch(number, "key", tenant)).id == f"batch_{number:04x}"
        assert batches.add(tenant, batch(9, "key", tenant)).id == f"batch_{number:04x}"
    assert batches.unfinished() == [("hotel", "batch_0001"), ("clinic", "batch_0002")]
