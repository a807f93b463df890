"""The table of speeches, on SQLite and on PostgreSQL."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tts_app.storage.database import Database
from tts_app.storage.speeches import Speech, Speeches, Status

TENANT = "hotel"


@pytest.fixture
def speeches(database: Database) -> Speeches:
    return Speeches(database)


def nothing() -> None:
    """Publish nothing."""


def speech(number: int, status: Status = Status.QUEUED) -> Speech:
    return Speech(
        id=f"speech_{number}",
        status=status.value,
        created=1000.0 + number,
        model="kokoro",
        voice="female_en-US",
        locale="en-US",
        format="mp3",
        speed=1.0,
        text="secret text",
        characters=11,
        text_hash="h",
    )


def test_speeches_keeps_a_speech_from_queued_to_done(speeches: Speeches) -> None:
    speeches.add(TENANT, speech(1))
    speeches.running(TENANT, "speech_1")
    found = speeches.get(TENANT, "speech_1")
    assert found is not None
    assert (found.status, found.text) == ("running", "secret text")
    assert speeches.done(
        TENANT, "speech_1", finished=2000.0, seconds=1.5, size=10, sha256="s", frames=b"", publish=nothing
    )
    found = speeches.get(TENANT, "speech_1")
    assert found is not None
    assert (found.status, found.text, found.seconds, found.bytes) == ("done", None, 1.5, 10)
    assert found.finished_at is not None
    assert found.created_at < found.finished_at


def test_speeches_forgets_the_text_of_a_failed_speech(
    speeches: Speeches, database: Database, url: str, tmp_path: Path
) -> None:
    speeches.add(TENANT, speech(1))
    speeches.failed(TENANT, "speech_1", finished=2000.0, error="no")
    found = speeches.get(TENANT, "speech_1")
    assert found is not None
    assert (found.status, found.text, found.error) == ("failed", None, "no")
    if url.startswith("sqlite"):
        database.close()  # folds the log into the database
        assert b"secret text" not in (tmp_path / "state" / "metadata.sqlite").read_bytes()


def test_speeches_lists_unfinished_ones_oldest_first(speeches: Speeches) -> None:
    for number, status in ((3, Status.QUEUED), (1, Status.RUNNING), (2, Status.DONE), (0, Status.FAILED)):
        speeches.add(TENANT, speech(number, status))
    assert speeches.unfinished() == [(TENANT, "speech_1"), (TENANT, "speech_3")]
    assert speeches.count_unfinished() == {TENANT: 2}


def test_speeches_returns_none_for_a_missing_speech(speeches: Speeches) -> None:
    for missing in ("speech_1", "speech_\0"):
        assert speeches.get(TENANT, missing) is None
        assert speeches.delete(TENANT, missing) is None


def test_speeches_done_is_false_for_a_deleted_speech(speeches: Speeches) -> None:
    speeches.add(TENANT, speech(1))
    removed = speeches.delete(TENANT, "speech_1")
    assert removed is not None
    assert removed.voice == "female_en-US"
    assert speeches.delete(TENANT, "speech_1") is None
    assert not speeches.done(
        TENANT, "speech_1", finished=1.0, seconds=1.0, size=1, sha256="s", frames=b"", publish=nothing
    )
    assert speeches.get(TENANT, "speech_1") is None


@pytest.mark.parametrize("ended", ["done", "failed"])
def test_speeches_does_not_change_an_ended_speech(speeches: Speeches, ended: str) -> None:
    published: list[str] = []

    def done(name: str, finished: float) -> bool:
        return speeches.done(
            TENANT,
            "speech_1",
            finished=finished,
            seconds=1.0,
            size=1,
            sha256=name,
            frames=b"",
            publish=lambda: published.append(name),
        )

    speeches.add(TENANT, speech(1))
    assert (
        done("first", 1.0)
        if ended == "done"
        else speeches.failed(TENANT, "speech_1", finished=1.0, error="no")
    )
    assert not speeches.running(TENANT, "speech_1")
    assert not speeches.failed(TENANT, "speech_1", finished=2.0, error="later")
    assert not done("later", 2.0)
    found = speeches.get(TENANT, "speech_1")
    assert found is not None
    assert (found.status, found.finished) == (ended, 1.0)
    assert (found.sha256, found.error) == (("first", None) if ended == "done" else (None, "no"))
    assert published == (["first"] if ended == "done" else [])


def test_speeches_publishes_once_for_two_who_made_a_speech(speeches: Speeches) -> None:
    """The second comes while the first is at it."""
    published: list[str] = []
    at_it, both = Event(), Event()

    def done(name: str, publish: Callable[[], None]) -> bool:
        return speeches.done(
            TENANT, "speech_1", finished=1.0, seconds=1.0, size=1, sha256=name, frames=b"", publish=publish
        )

    def first() -> None:
        at_it.set()
        assert not both.wait(0.3), "the second has not waited"
        published.append("first")

    def second() -> bool:
        kept = done("second", lambda: published.append("second"))
        both.set()
        return kept

    speeches.add(TENANT, speech(1))
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(done, "first", first)
        assert at_it.wait(10)
        other = pool.submit(second)
        assert (one.result(), other.result(), published) == (True, False, ["first"])
    found = speeches.get(TENANT, "speech_1")
    assert found is not None
    assert found.sha256 == "first"


def test_speeches_keeps_a_speech_open_that_cannot_be_published(speeches: Speeches) -> None:
    def refuse() -> None:
        raise OSError("simulated")

    speeches.add(TENANT, speech(1))
    with pytest.raises(OSError, match="simulated"):
        speeches.done(
            TENANT, "speech_1", finished=1.0, seconds=1.0, size=1, sha256="s", frames=b"", publish=refuse
        )
    found = speeches.get(TENANT, "speech_1")
    assert found is not None
    assert (found.status, found.text) == ("queued", "secret text")


def test_speeches_accepts_writes_of_many_threads(speeches: Speeches) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: speeches.add(TENANT, speech(number)), range(64)))
        list(pool.map(lambda number: speeches.running(TENANT, f"speech_{number}"), range(64)))
    assert speeches.count_unfinished() == {TENANT: 64}


def test_speeches_of_another_tenant_are_not_there(speeches: Speeches) -> None:
    speeches.add(TENANT, speech(1))
    speeches.add("clinic", speech(2))
    for tenant in ("clinic", "default", ""):
        assert speeches.get(tenant, "speech_1") is None
        assert not speeches.running(tenant, "speech_1")
        assert not speeches.done(
            tenant, "speech_1", finished=2.0, seconds=1.0, size=1, sha256="s", frames=b"", publish=pytest.fail
        )
        assert not speeches.failed(tenant, "speech_1", finished=2.0, error="no")
        assert speeches.delete(tenant, "speech_1") is None
    found = speeches.get(TENANT, "speech_1")
    assert found is not None
    assert (found.status, found.text) == ("queued", "secret text")
    assert speeches.unfinished() == [(TENANT, "speech_1"), ("clinic", "speech_2")]
    assert speeches.count_unfinished() == {TENANT: 1, "clinic": 1}


def test_database_on_sqlite_is_private_and_has_a_write_ahead_log(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state' / 'metadata.sqlite'}")
    Speeches(database).add(TENANT, speech(1))
    file = tmp_path / "state" / "metadata.sqlite"
    assert file.stat().st_mode & 0o077 == 0
    with sqlite3.connect(file) as opened:
        assert opened.execute("pragma journal_mode").fetchone() == ("wal",)
