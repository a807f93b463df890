"""Opening a database, new, old or too new, and every migration up and down."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from tts_app.settings import Settings
from tts_app.storage import api_keys, audit, usage, voices  # noqa: F401 - their tables are part of the metadata
from tts_app.storage.batches import Batch, Batches
from tts_app.storage.database import Base, Database, DatabaseError, migrations
from tts_app.storage.speeches import Speech, Speeches

REVISIONS = ["0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012"]


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """A database, opened past our code."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir()
    opened = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    yield opened
    opened.dispose()


def batch_of(batch_id: str, key: str) -> Batch:
    return Batch(
        id=batch_id, status="queued", created=2.5, idempotency_key=key, request_hash="h", job="{}", avatars=[]
    )


def heads(connection: Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection).get_current_heads()


def differences(connection: Connection) -> list[object]:
    """What autogenerate would change to make the database as the classes are."""
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, Base.metadata))


def test_database_has_the_tables_that_the_classes_describe(database: Database) -> None:
    with database.engine.connect() as connection:
        assert heads(connection) == (REVISIONS[-1],)
        assert differences(connection) == []


def test_migrations_go_up_and_down_through_every_revision(engine: Engine) -> None:
    tables = {
        "base": {"alembic_version"},
        "0001": {"alembic_version", "speeches"},
        "0002": {"alembic_version", "speeches", "batches"},
        "0003": {"alembic_version", "speeches", "batches"},
        "0004": {"alembic_version", "speeches", "batches"},
        "0005": {"alembic_version", "speeches", "batches"},
        "0006": {"alembic_version", "speeches", "batches", "api_keys"},
        "0007": {"alembic_version", "speeches", "batches", "api_keys"},
        "0008": {"alembic_version", "speeches", "batches", "api_keys", "audit"},
        "0009": {"alembic_version", "speeches", "batches", "api_keys", "audit"},
        "0010": {"alembic_version", "speeches", "batches", "api_keys", "audit", "usage"},
        "0011": {"alembic_version", "speeches", "batches", "api_keys", "audit", "usage", "voices"},
        "0012": {"alembic_version", "speeches", "batches", "api_keys", "audit", "usage", "voices"},
    }
    with engine.begin() as connection:
        config = migrations(connection)
        known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
        assert known == REVISIONS[::-1]
        for target in [*REVISIONS, *REVISIONS[-2::-1], "base", *REVISIONS]:
            going_up = target != "base" and target > max(heads(connection), default="")
            (command.upgrade if going_up else command.downgrade)(config, target)
            assert set(inspect(connection).get_table_names()) == tables[target]
        assert differences(connection) == []


def test_database_from_before_migrations_is_taken_over_with_its_rows(engine: Engine, url: str) -> None:
    with engine.begin() as connection:
        command.upgrade(migrations(connection), "0001")
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(
            text(
                "INSERT INTO speeches (id, status, created, model, voice, locale, format, speed, characters, "
                "text_hash) VALUES ('speech_1', 'done', 1.5, 'kokoro', 'v', 'en-US', 'mp3', 1, 3, 'h')"
            )
        )
    database = Database(url)
    found = Speeches(database).get("default", "speech_1")
    assert found is not None
    assert (found.created, found.characters) == (1.5, 3)
    assert Batches(database).unfinished() == []
    database.close()
    with engine.connect() as connection:
        assert heads(connection) == (REVISIONS[-1],)
        assert differences(connection) == []


def test_database_of_revision_1_is_upgraded_and_keeps_its_rows(engine: Engine, url: str) -> None:
    with engine.begin() as connection:
        command.upgrade(migrations(connection), "0001")
        connection.execute(
            text(
                "INSERT INTO speeches (id, status, created, model, voice, locale, format, speed, characters, "
                "text_hash) VALUES ('speech_1', 'done', 1.5, 'kokoro', 'v', 'en-US', 'mp3', 1, 3, 'h')"
            )
        )
    database = Database(url)
    assert isinstance(Speeches(database).get("default", "speech_1"), Speech)
    database.close()


def test_database_of_revision_2_is_upgraded_and_keeps_its_batches(engine: Engine, url: str) -> None:
    with engine.begin() as connection:
        command.upgrade(migrations(connection), "0002")
        connection.execute(
            text(
                "INSERT INTO batches (id, status, created, request_hash, job, total, done, failed, skipped) "
                "VALUES ('batch_1', 'failed', 1.5, 'h', '{}', 2, 1, 1, 0)"
            )
        )
    database = Database(url)
    found = Batches(database).get("default", "batch_1")
    assert found is not None
    assert (found.job, found.failed, found.retry_failed, found.avatars) == ("{}", 1, False, None)
    database.close()


def test_database_of_revision_6_gives_its_rows_to_the_default_tenant(engine: Engine, url: str) -> None:
    with engine.begin() as connection:
        command.upgrade(migrations(connection), "0006")
        connection.execute(
            text(
                "INSERT INTO speeches (id, status, created, model, voice, locale, format, speed, characters, "
                "text_hash) VALUES ('speech_1', 'queued', 1.5, 'kokoro', 'v', 'en-US', 'mp3', 1, 3, 'h')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO batches (id, status, created, request_hash, job, total, done, failed, skipped, "
                "idempotency_key, avatars) VALUES ('batch_1', 'queued', 1.5, 'h', '{}', 2, 1, 1, 0, 'key', "
                "'[\"female_en-US\"]')"
            )
        )
    database = Database(url)
    batches, speeches = Batches(database), Speeches(database)
    assert speeches.unfinished() == [("default", "speech_1")]
    assert batches.unfinished() == [("default", "batch_1")]
    repeated = batch_of("batch_2", "key")
    assert batches.add("default", repeated).id == "batch_1"
    assert batches.add("hotel", repeated).id == "batch_2"
    found = batches.get("default", "batch_1")
    assert found is not None
    assert (found.avatars, found.retry_failed, found.done) == (["female_en-US"], False, 1)
    database.close()


def test_gateway_of_an_earlier_version_still_stores_into_the_database(database: Database) -> None:
    """It names no tenant."""
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO speeches (id, status, created, model, voice, locale, format, speed, characters, "
                "text_hash) VALUES ('speech_1', 'queued', 1.5, 'kokoro', 'v', 'en-US', 'mp3', 1, 3, 'h')"
            )
        )
    assert Speeches(database).get("default", "speech_1") is not None


def test_database_of_a_newer_version_is_refused_and_left_alone(engine: Engine, url: str) -> None:
    Database(url).close()
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match="revision 9999, which this version does not know: a newer one"):
        Database(url)
    with engine.connect() as connection:
        assert heads(connection) == ("9999",)


def test_database_is_upgraded_once_by_processes_that_open_it_at_once(url: str) -> None:
    program = (
        "import sys; from tts_app.storage.database import Database; "
        "print('ready', flush=True); sys.stdin.readline(); Database(sys.argv[1]).close()"
    )
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", program, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("\n")
        opener.stdin.flush()
    ends = [(*opener.communicate(), opener.returncode) for opener in openers]
    assert ends == [("", "", 0)] * 3
    database = Database(url)
    with database.engine.connect() as connection:
        assert heads(connection) == (REVISIONS[-1],)
        assert differences(connection) == []
    database.close()


def test_migration_that_fails_leaves_nothing_behind(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_later(config: object, _target: str) -> None:
        upgrade(config, "0001")
        raise RuntimeError("later")

    upgrade = command.upgrade
    monkeypatch.setattr(command, "upgrade", fail_later)
    with pytest.raises(RuntimeError, match="later"):
        Database(url)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    monkeypatch.undo()
    Database(url).close()


@pytest.mark.parametrize(
    "wrong",
    [
        "metadata.sqlite",
        "mysql://u:s3cret@host/name",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql+asyncpg://u:s3cret@host/name",
        "postgresql://u:s3cret@host:port/name",
    ],
)
def test_database_error_does_not_repeat_the_password_of_a_wrong_url(wrong: str) -> None:
    with pytest.raises(DatabaseError, match="It is sqlite:////folder/file") as reported:
        Database(wrong)
    assert "s3cret" not in str(reported.value)


@pytest.mark.parametrize("wrong", ["metadata.sqlite", "mysql://u:s3cret@host/name", "sqlite:///:memory:"])
def test_database_setting_refuses_other_urls(wrong: str) -> None:
    with pytest.raises(ValidationError, match="it must be a database's URL") as reported:
        Settings(database_url=wrong)
    assert "s3cret" not in str(reported.value)


@pytest.mark.parametrize(
    "right",
    [
        "sqlite:////state/m.sqlite",
        "postgres://h/n",
        "postgresql://u@/n?host=/run",
        "postgresql+psycopg://h/n",
    ],
)
def test_database_setting_accepts_our_urls(right: str) -> None:
    assert Settings(database_url=right).database == right
