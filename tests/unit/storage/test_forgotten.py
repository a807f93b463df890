"""Texts of deleted and ended things are in no file of a SQLite database, while it is in use."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tts_app.storage.batches import Batch, Batches, BatchStatus
from tts_app.storage.database import Database
from tts_app.storage.speeches import Speech, Speeches, Status

CANARY = "Platypus confidential zebra"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'metadata.sqlite'}")
    yield opened
    opened.close()


def found_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if CANARY.encode() in path.read_bytes()]


def nothing() -> None:
    """Publish nothing."""


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(
            lambda table: table.done(
                "hotel", "speech_1", finished=2, seconds=1, size=1, sha256="s", frames=b"", publish=nothing
            ),
            id="done",
        ),
        pytest.param(lambda table: table.failed("hotel", "speech_1", finished=2.0, error="no"), id="failed"),
        pytest.param(lambda table: table.delete("hotel", "speech_1"), id="deleted"),
    ],
)
def test_speech_that_ended_leaves_no_text(
    database: Database, tmp_path: Path, end: Callable[[Speeches], object]
) -> None:
    speeches = Speeches(database)
    for number in range(20):  # the rows fill pages, some of which are freed
        speeches.add(
            "hotel",
            Speech(
                id=f"speech_{number}",
                status=Status.QUEUED.value,
                created=float(number),
                model="kokoro",
                voice="female_en-US",
                locale="en-US",
                format="mp3",
                speed=1.0,
                text=(CANARY if number == 1 else "other ") * 300,
                characters=1,
                text_hash="h",
            ),
        )
    assert found_in(tmp_path)
    assert end(speeches)
    assert found_in(tmp_path) == []
    assert (tmp_path / "metadata.sqlite-wal").exists(), "the database is in use"


def test_deleted_batch_leaves_neither_texts_nor_key(database: Database, tmp_path: Path) -> None:
    batches = Batches(database)
    batches.add(
        "hotel",
        Batch(
            id="batch_1",
            status=BatchStatus.QUEUED.value,
            created=1.0,
            idempotency_key=CANARY,
            request_hash="h",
            job=f'{{"posts": {{"inline": [{{"id": 1, "text": {{"en": "{CANARY * 200}"}}}}]}}}}',
        ),
    )
    batches.finish("hotel", "batch_1", BatchStatus.CANCELLED, finished=2.0)
    assert found_in(tmp_path)
    assert batches.delete_ended("hotel", "batch_1") is not None
    assert found_in(tmp_path) == []


def hashed(job: str) -> str:
    return "keyed" if CANARY in job else "?"


def ended(number: int, **more: Any) -> Batch:
    """Return a batch that ended at 100 seconds, and can be retried."""
    posts = {"inline": [{"id": number, "text": {"en": CANARY, "es": f"{CANARY} {number}"}}]}
    fields: dict[str, Any] = {"status": BatchStatus.PARTIALLY_FAILED.value, "finished": 100.0, **more}
    return Batch(
        id=f"batch_{number}",
        created=1.0,
        request_hash="h",
        job=json.dumps({"posts": posts, "output": {"format": "mp3"}}),
        **fields,
    )


def test_texts_of_ended_batches_are_forgotten_when_their_time_has_come(
    database: Database, tmp_path: Path
) -> None:
    batches = Batches(database)
    open_, own, later = (
        ended(1, status=BatchStatus.RUNNING.value, finished=None),
        ended(2, text_ttl=0.0),
        ended(3),
    )
    for tenant, batch in (("hotel", open_), ("hotel", own), ("clinic", later)):
        batches.add(tenant, batch)
    assert batches.forget_texts(now=99.0, text_ttl=60.0, fingerprint=hashed) == 0
    assert batches.forget_texts(now=100.0, text_ttl=60.0, fingerprint=hashed) == 1
    assert not batches.reopen("hotel", "batch_2"), "its texts are gone"
    assert batches.forget_texts(now=160.0, text_ttl=60.0, fingerprint=hashed) == 1
    kept = batches.get("clinic", "batch_3")
    assert kept is not None
    assert json.loads(kept.job)["posts"] == {"inline": [{"id": 3, "text": {"en": "-", "es": "-"}}]}
    assert kept.request_hash == "keyed"
    assert found_in(tmp_path), "an open batch needs its texts"
    assert batches.finish("hotel", "batch_1", BatchStatus.CANCELLED, finished=200.0)
    assert batches.forget_texts(now=1e9, text_ttl=60.0, fingerprint=hashed) == 1
    assert found_in(tmp_path) == []


def test_texts_of_a_batch_that_is_retried_are_kept(database: Database) -> None:
    batches = Batches(database)
    batches.add("hotel", ended(1))
    assert batches.reopen("hotel", "batch_1")
    assert batches.forget_texts(now=1e9, text_ttl=0.0, fingerprint=hashed) == 0


def test_texts_of_many_batches_are_forgotten_in_several_transactions(
    database: Database, tmp_path: Path
) -> None:
    batches = Batches(database)
    for number in range(250):
        batches.add("hotel", ended(number))
    assert batches.forget_texts(now=1e9, text_ttl=0.0, fingerprint=hashed) == 250
    assert found_in(tmp_path) == []
