"""The table of batches, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy.exc import IntegrityError

from tts_app.storage.batches import (
    Batch,
    Batches,
    BatchStatus,
    IdempotencyConflictError,
    UnknownCursorError,
)
from tts_app.storage.database import Database

FINAL = [status for status in BatchStatus if status.final]


@pytest.fixture
def batches(database: Database) -> Batches:
    return Batches(database)


def batch(
    number: int, key: str | None = None, request_hash: str = "h", created: float | None = None
) -> Batch:
    return Batch(
        id=f"batch_{number:04x}",
        status=BatchStatus.QUEUED.value,
        created=1000.1 + number if created is None else created,
        idempotency_key=key,
        request_hash=request_hash,
        job='{"posts": {"inline": [{"id": 1, "text": {"ar": "مرحبا"}}]}}',
    )


def status(batches: Batches, number: int = 1) -> str:
    found = batches.get(f"batch_{number:04x}")
    assert found is not None
    return found.status


def test_batches_keeps_a_batch_from_queued_to_its_end(batches: Batches) -> None:
    assert batches.add(batch(1)).id == "batch_0001"
    assert batches.running("batch_0001", started=2000.0)
    assert batches.progress("batch_0001", total=8, done=3, failed=1, skipped=2)
    assert batches.finish("batch_0001", BatchStatus.FAILED, finished=3000.0, message="no such voice")
    found = batches.get("batch_0001")
    assert found is not None
    assert (found.status, found.message) == ("failed", "no such voice")
    assert (found.total, found.done, found.failed, found.skipped) == (8, 3, 1, 2)
    assert (found.created, found.started, found.finished) == (1001.1, 2000.0, 3000.0)
    assert found.started_at is not None
    assert found.finished_at is not None
    assert found.created_at < found.started_at < found.finished_at
    assert "مرحبا" in found.job


def test_batches_adds_a_batch_with_nothing_done(batches: Batches) -> None:
    batches.add(batch(1))
    found = batches.get("batch_0001")
    assert found is not None
    assert (found.total, found.done, found.failed, found.skipped) == (0, 0, 0, 0)
    assert (found.started_at, found.finished_at, found.message) == (None, None, None)


def test_batches_reports_a_missing_batch(batches: Batches) -> None:
    for missing in ("batch_0001", "batch_\0"):
        assert batches.get(missing) is None
        assert batches.delete_ended(missing) is None
    assert not batches.running("batch_0001", started=1.0)
    assert not batches.progress("batch_0001", total=1, done=0, failed=0, skipped=0)
    assert not batches.finish("batch_0001", BatchStatus.SUCCEEDED, finished=1.0)
    assert not batches.reopen("batch_0001")


def test_batches_deletes_and_restores_an_ended_batch(batches: Batches) -> None:
    batches.add(batch(1))
    assert batches.delete_ended("batch_0001") is None, "it is queued"
    assert batches.finish("batch_0001", BatchStatus.FAILED, finished=1.0)
    removed = batches.delete_ended("batch_0001")
    assert removed is not None
    assert batches.get("batch_0001") is None
    assert batches.delete_ended("batch_0001") is None
    batches.restore(removed)
    found = batches.get("batch_0001")
    assert found is not None
    assert (found.request_hash, found.status) == ("h", "failed")


def test_batches_keeps_the_first_start_of_a_restarted_batch(batches: Batches) -> None:
    batches.add(batch(1))
    assert batches.running("batch_0001", started=2000.0)
    assert batches.running("batch_0001", started=2500.0)
    found = batches.get("batch_0001")
    assert found is not None
    assert (found.status, found.started) == ("running", 2000.0)


@pytest.mark.parametrize("first", FINAL)
def test_batches_does_not_change_a_final_batch(batches: Batches, first: BatchStatus) -> None:
    batches.add(batch(1))
    assert batches.finish("batch_0001", first, finished=2000.0)
    assert not batches.running("batch_0001", started=3000.0)
    for second in FINAL:
        assert not batches.finish("batch_0001", second, finished=3000.0, message="late")
    found = batches.get("batch_0001")
    assert found is not None
    assert (found.status, found.finished, found.message) == (first.value, 2000.0, None)
    assert batches.progress("batch_0001", total=2, done=2, failed=0, skipped=0)


@pytest.mark.parametrize("open_status", [BatchStatus.QUEUED, BatchStatus.RUNNING])
def test_batches_finish_refuses_an_open_status(batches: Batches, open_status: BatchStatus) -> None:
    batches.add(batch(1))
    with pytest.raises(ValueError, match=f"cannot end as {open_status}"):
        batches.finish("batch_0001", open_status, finished=1.0)


def test_batches_accepts_one_of_a_cancel_and_a_finish_at_once(batches: Batches) -> None:
    ends = [BatchStatus.CANCELLED, BatchStatus.SUCCEEDED]
    with ThreadPoolExecutor(2) as pool:
        for number in range(10):
            batches.add(batch(number))
            start = Barrier(2)

            def end(wanted: BatchStatus, number: int = number, start: Barrier = start) -> bool:
                start.wait()
                return batches.finish(f"batch_{number:04x}", wanted, finished=1.0)

            won = list(pool.map(end, ends))
            assert sorted(won) == [False, True]
            assert status(batches, number) == ends[won.index(True)]


@pytest.mark.parametrize("ended", [BatchStatus.PARTIALLY_FAILED, BatchStatus.FAILED, BatchStatus.CANCELLED])
def test_batches_reopens_a_batch_that_did_not_succeed(batches: Batches, ended: BatchStatus) -> None:
    batches.add(batch(1))
    batches.running("batch_0001", started=1500.0)
    batches.finish("batch_0001", ended, finished=2000.0, message="why")
    assert batches.reopen("batch_0001")
    found = batches.get("batch_0001")
    assert found is not None
    assert (found.status, found.finished, found.message) == ("queued", None, None)
    assert found.retry_failed
    assert batches.unfinished() == ["batch_0001"]
    assert not batches.reopen("batch_0001")
    assert batches.running("batch_0001", started=3000.0)
    assert batches.finish("batch_0001", BatchStatus.SUCCEEDED, finished=4000.0)
    assert not batches.reopen("batch_0001")
    found = batches.get("batch_0001")
    assert found is not None
    assert (found.status, found.retry_failed) == ("succeeded", False)


def test_batches_lists_unfinished_ones_oldest_first(batches: Batches) -> None:
    for number in (3, 1, 2, 0):
        batches.add(batch(number))
    batches.running("batch_0001", started=1.0)
    batches.finish("batch_0002", BatchStatus.CANCELLED, finished=1.0)
    assert batches.unfinished() == ["batch_0000", "batch_0001", "batch_0003"]


def test_batches_pages_have_each_batch_once_newest_first(batches: Batches) -> None:
    for number in range(7):
        batches.add(batch(number, created=1000.1 + number // 3))  # some of the same moment
    seen: list[str] = []
    cursor: str | None = None
    sizes = []
    while True:
        page = batches.list(2, cursor)
        seen += [found.id for found in page.batches]
        sizes.append(len(page.batches))
        if page.next is None:
            break
        cursor = page.next
        batches.finish(page.batches[-1].id, BatchStatus.FAILED, finished=1.0)
        batches.delete_ended(page.batches[-1].id)  # a page goes on though the batch it ended with is gone
        batches.add(batch(100 + len(seen), created=9000.0))  # and newer ones do not shift it
    assert seen == [f"batch_{number:04x}" for number in range(6, -1, -1)]
    assert sizes == [2, 2, 2, 1]


def test_batches_has_no_page_after_a_page_that_is_just_full(batches: Batches) -> None:
    assert (batches.list(2).batches, batches.list(2).next) == ([], None)
    for number in range(2):
        batches.add(batch(number))
    assert batches.list(2).next is None


@pytest.mark.parametrize(
    "cursor", ["", "x", "batch_01", "nan~batch_01", "1.0~batch_\x00", "1.0~batch_01~", "1.0"]
)
def test_batches_refuses_a_foreign_cursor(batches: Batches, cursor: str) -> None:
    with pytest.raises(UnknownCursorError, match="is not a cursor"):
        batches.list(2, cursor)


def test_batches_finds_the_batch_of_a_repeated_request(batches: Batches) -> None:
    batches.add(batch(1, "key"))
    batches.running("batch_0001", started=1.0)
    found = batches.add(batch(2, "key"))
    assert (found.id, found.status) == ("batch_0001", "running")
    assert batches.get("batch_0002") is None


def test_batches_refuses_a_reused_idempotency_key(batches: Batches) -> None:
    batches.add(batch(1, "key"))
    with pytest.raises(IdempotencyConflictError, match="used for another request"):
        batches.add(batch(2, "key", "other"))
    assert batches.get("batch_0002") is None


def test_batches_adds_requests_without_a_key_separately(batches: Batches) -> None:
    assert batches.add(batch(1)).id != batches.add(batch(2)).id
    with pytest.raises(IntegrityError):
        batches.add(batch(1))


def test_batches_adds_one_batch_for_many_requests_with_one_key(batches: Batches) -> None:
    start = Barrier(8)

    def add(number: int) -> str:
        start.wait()
        return batches.add(batch(number, "key")).id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(add, range(8)))
    assert len(ids) == 1
    assert [found.id for found in batches.list(10).batches] == list(ids)
