"""The table of the audit: written with the act, never changed, whole however many write."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from tts_app.security.audit import (
    BEGIN,
    Entry,
    Row,
    chain_key,
    continued_by,
    first_row,
    following,
    head_of,
    verify,
)
from tts_app.storage.acts import AuditError
from tts_app.storage.anchors import AnchorError, Anchors
from tts_app.storage.api_keys import ApiKey, ApiKeys
from tts_app.storage.audit import AuditLog, AuditRows, Filter
from tts_app.storage.batches import Batch, Batches, BatchStatus
from tts_app.storage.database import Database, DatabaseError

KEY = chain_key(b"secret")
ENTRY = Entry("hotel", "key:1", "speech.listen", "speech", "speech_1", "began", "192.0.2.1", "request-1")

CHANGES = ("UPDATE audit SET subject = 'x'", "DELETE FROM audit")


def faults(database: Database, anchors: Anchors | None = None) -> list[str]:
    rows = AuditRows(database)
    heads = [*rows.continued(KEY), *(anchors.heads() if anchors else ())]
    return [f"{fault.kind} {fault.seq}" for fault in verify(rows.all(), heads, KEY)]


def rows_of(database: Database) -> list[Row]:
    return list(AuditRows(database).all())


def key(key_id: str) -> ApiKey:
    return ApiKey(
        id=key_id, tenant="hotel", name="n", digest="d", scopes=[], created=1.0, created_by="c",
        expires=None, revoked=None,
    )  # fmt: skip


def tamper(database: Database, *statements: str) -> None:
    """Change rows as somebody does who has the rights of the database's owner."""
    with database.engine.begin() as connection:
        if database.engine.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER audit_no_update"))
            connection.execute(text("DROP TRIGGER audit_no_delete"))
        for statement in statements:
            connection.execute(text(statement))


def test_audit_rows_are_as_they_were_written(database: Database) -> None:
    audit = AuditLog(database, KEY, clock=iter(range(100, 200)).__next__)
    audit.append([ENTRY, replace(ENTRY, object_id="speech_2")])
    audit.append([replace(ENTRY, object_id="speech_3")])
    first, *others = rows_of(database)
    assert (first.action, first.seq, first.object_id) == (BEGIN, 1, "")
    assert [(row.seq, row.time, row.object_id) for row in others] == [
        (2, 101, "speech_1"), (3, 102, "speech_2"), (4, 103, "speech_3"),
    ]  # fmt: skip
    assert others[0].tenant == "hotel"
    assert (others[0].address, others[0].request_id, others[0].outcome) == ("192.0.2.1", "request-1", "began")
    assert audit.head == head_of(others[-1])
    assert faults(database) == []


def test_audit_of_a_new_writer_continues_the_newest_row(database: Database) -> None:
    for _ in range(3):
        AuditLog(database, KEY).append([ENTRY])
    rows = sorted(rows_of(database), key=lambda row: row.time)
    assert len({row.writer for row in rows}) == 3
    assert [continued_by(row) for row in rows if row.action == BEGIN] == [
        None, head_of(rows[1]), head_of(rows[3]),
    ]  # fmt: skip
    assert faults(database) == []


def test_act_and_its_row_are_stored_together(database: Database) -> None:
    audit = AuditLog(database, KEY)
    ApiKeys(database).add(key("1"), audit.act(replace(ENTRY, action="key.create", object_kind="key")))
    assert [(row.action, row.object_kind, row.object_id) for row in rows_of(database)[1:]] == [
        ("key.create", "key", "1")
    ]


def test_others_need_not_wait_while_a_deleted_text_is_overwritten(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'm.sqlite'}")
    audit = AuditLog(database, KEY)
    batches = Batches(database)
    batches.add(
        "hotel",
        Batch(id="batch_1", status=BatchStatus.QUEUED.value, created=1.0, request_hash="h", job="{}"),
        audit.act(ENTRY),
    )
    batches.finish("hotel", "batch_1", BatchStatus.CANCELLED, finished=2.0, act=audit.act(ENTRY))
    held: dict[str, bool] = {}

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        held[statement.split("(", maxsplit=1)[0].strip()] = audit.lock.locked()

    event.listen(database.engine, "before_cursor_execute", note)
    assert batches.delete_ended("hotel", "batch_1", audit.act(ENTRY)) is not None
    assert held["INSERT INTO audit"] is True
    assert held["PRAGMA wal_checkpoint"] is False
    database.close()


def test_act_that_has_no_effect_leaves_no_row(database: Database) -> None:
    audit = AuditLog(database, KEY)
    assert not ApiKeys(database).revoke(None, "unknown", 1.0, audit.act(ENTRY))
    assert rows_of(database) == []


def test_act_is_rolled_back_when_its_row_cannot_be_written(database: Database) -> None:
    audit = AuditLog(database, KEY)
    audit.append([ENTRY])
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO away"))
    with pytest.raises(AuditError, match="nothing was done"):
        ApiKeys(database).add(key("1"), audit.act(ENTRY))
    assert ApiKeys(database).list(None) == []
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO audit"))
    ApiKeys(database).add(key("1"), audit.act(ENTRY))
    assert [row.seq for row in rows_of(database)] == [1, 2, 3]
    assert faults(database) == []


def test_row_is_rolled_back_when_its_act_fails(database: Database) -> None:
    audit = AuditLog(database, KEY)
    keys = ApiKeys(database)
    keys.add(key("1"), audit.act(ENTRY))
    with pytest.raises(IntegrityError):
        keys.add(key("1"), audit.act(ENTRY))
    keys.add(key("2"), audit.act(ENTRY))
    assert [row.seq for row in rows_of(database)] == [1, 2, 3]
    assert faults(database) == []


def test_audit_goes_on_after_a_commit_of_which_nobody_knows_whether_it_was_made(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = AuditLog(database, KEY)
    audit.append([ENTRY])
    begin = database.engine.begin

    @contextmanager
    def broken() -> Iterator[Connection]:
        with begin() as connection:
            yield connection
        raise OperationalError("COMMIT", {}, ConnectionError("it broke"))

    monkeypatch.setattr(database.engine, "begin", broken)
    with pytest.raises(AuditError):
        audit.append([ENTRY])
    monkeypatch.undo()
    audit.append([ENTRY])
    assert [row.seq for row in rows_of(database)] == [1, 2, 3, 4]
    assert faults(database) == []


def test_audit_is_not_written_on_a_full_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'm.sqlite'}")
    audit = AuditLog(database, KEY)
    audit.append([ENTRY])
    with database.engine.connect() as connection:  # the pool has this connection alone
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(AuditError):
        for _ in range(1000):
            audit.append([ENTRY] * 10)
    with pytest.raises(AuditError):
        ApiKeys(database).add(key("1"), audit.act(replace(ENTRY, address="x" * 50_000)))
    assert ApiKeys(database).list(None) == []
    assert faults(database) == []
    database.close()


def test_chain_is_whole_however_many_write(database: Database) -> None:
    audit, keys = AuditLog(database, KEY), ApiKeys(database)
    together = threading.Barrier(8)

    def write(number: int) -> None:
        together.wait()
        for i in range(10):
            if number % 2:
                audit.append([replace(ENTRY, object_id=f"{number}-{i}")] * 3)
            else:
                keys.add(key(f"{number}-{i}"), audit.act(ENTRY))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert [row.seq for row in rows_of(database)] == list(range(1, 4 * 30 + 4 * 10 + 2))
    assert faults(database) == []


def test_chains_of_several_writers_are_whole(database: Database) -> None:
    together = threading.Barrier(4)

    def write(_number: int) -> None:
        audit = AuditLog(database, KEY)
        together.wait()
        for _ in range(10):
            audit.append([ENTRY])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert len(rows_of(database)) == 44
    assert faults(database) == []


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE audit SET subject = 'key:2' WHERE seq = 3", ["edited 3"]),
        ("DELETE FROM audit WHERE seq = 3", ["deleted 3"]),
        ("DELETE FROM audit WHERE seq > 3", ["truncated 3"]),
        ("DELETE FROM audit", ["missing None"]),
    ],
)
def test_changes_past_the_service_are_found(
    database: Database, tmp_path: Path, statement: str, expected: list[str]
) -> None:
    audit = AuditLog(database, KEY)
    audit.append([ENTRY] * 5)
    anchors = Anchors(str(tmp_path / "anchors"))
    assert audit.head is not None
    anchors.add(audit.head, 1)
    assert faults(database, anchors) == []
    tamper(database, statement)
    assert faults(database, anchors) == expected


def test_rows_that_changed_places_are_found(database: Database) -> None:
    AuditLog(database, KEY).append([replace(ENTRY, object_id=str(number)) for number in range(5)])
    move = "UPDATE audit SET seq = {} WHERE seq = {}"
    tamper(database, move.format(99, 3), move.format(3, 5), move.format(5, 99))
    assert sorted(faults(database)) == ["reordered 3", "reordered 5"]


def test_sqlite_refuses_to_change_rows(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'm.sqlite'}")
    AuditLog(database, KEY).append([ENTRY])
    for statement in (*CHANGES, "INSERT OR REPLACE INTO audit SELECT * FROM audit"):
        refused = pytest.raises(IntegrityError, match="neither changed nor removed")
        with refused, database.session() as session:
            session.execute(text(statement))
    assert faults(database) == []
    database.close()


def test_filter_finds_newest_first_and_goes_on_after_a_page(database: Database) -> None:
    audit = AuditLog(database, KEY, clock=iter(range(10)).__next__)
    audit.append(
        [replace(ENTRY, subject=subject, tenant=tenant) for subject, tenant in
         [("key:1", "a"), ("key:2", "a"), ("key:1", "b"), ("key:1", "a")]]
    )  # fmt: skip
    rows = AuditRows(database)

    def times(**wanted: object) -> list[int]:
        return [row.time for row in rows.find(Filter(**wanted))]  # type: ignore[arg-type]

    assert times() == [4, 3, 2, 1, 0]
    assert times(subject="key:1") == [4, 3, 1]
    assert times(subject="key:1", tenant="a") == [4, 1]
    assert times(start=2, end=4) == [3, 2]
    assert times(action=BEGIN) == [0]
    *_, last = page = list(rows.find(Filter(), 2))
    assert [row.time for row in page] == [4, 3]
    place = (last.time, last.writer, last.seq)
    assert [row.time for row in rows.find(Filter(), 2, place)] == [2, 1]


def test_anchors_in_a_folder_are_appended_and_private(tmp_path: Path) -> None:
    anchors = Anchors(str(tmp_path / "kept" / "anchors"))
    heads = [head_of(row) for row in _chain()]
    for number, head in enumerate(heads):
        anchors.add(head, number)
    (file,) = (tmp_path / "kept" / "anchors").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert list(anchors.heads()) == heads
    with file.open("ab") as stream:
        stream.write(b'{"writer": "a", "se')  # a machine lost its power
    assert list(anchors.heads()) == heads
    file.write_bytes(b"nonsense\n")
    with pytest.raises(AnchorError, match="line 1 is no head of a chain"):
        list(anchors.heads())
    with pytest.raises(AnchorError, match="no folder of anchors"):
        list(Anchors(str(tmp_path / "none")).heads())


def test_anchors_in_an_object_store_are_an_object_each() -> None:
    anchors = Anchors("memory://audit-anchors")
    heads = [head_of(row) for row in _chain()]
    for head in heads:
        anchors.add(head, 1)
    assert list(anchors.heads()) == heads
    anchors.add(heads[0], 2)  # again: the answer of the first time was lost
    assert list(anchors.heads()) == heads


@pytest.fixture
def roles(postgres: object, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """URLs of an empty PostgreSQL database: of its owner, and of a role without rights."""
    url = postgres.new_database()  # type: ignore[attr-defined]
    name = f"service_{make_url(url).database}"
    owner = f"owner_{make_url(url).database}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE ROLE {name} LOGIN")
        server.execute(f"CREATE ROLE {owner} LOGIN")
        server.execute(f"GRANT ALL ON SCHEMA public TO {owner}")
    yield url.replace("ttsp@", f"{owner}@"), url.replace("ttsp@", f"{name}@")


def test_postgres_service_role_adds_rows_and_changes_none(roles: tuple[str, str]) -> None:
    owner_url, service_url = roles
    with pytest.raises(DatabaseError, match="ttsp database migrate"):
        Database(service_url)
    owner = Database(owner_url)
    owner.grant(make_url(service_url).username or "")
    assert owner.may_change_audit()
    service = Database(service_url)
    assert not service.may_change_audit()
    audit, keys = AuditLog(service, KEY), ApiKeys(service)
    keys.add(key("1"), audit.act(ENTRY))
    assert keys.revoke(None, "1", 2.0, audit.act(ENTRY))
    for statement in (
        "UPDATE audit SET subject = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "DROP TABLE audit",
    ):
        with (
            pytest.raises(DBAPIError, match=r"permission denied|must be owner"),
            service.session() as session,
        ):
            session.execute(text(statement))
    assert [row.seq for row in rows_of(service)] == [1, 2, 3]
    assert faults(service) == []
    service.close()
    owner.close()


def test_postgres_grant_leaves_tables_of_others_alone(roles: tuple[str, str]) -> None:
    owner_url, service_url = roles
    owner = Database(owner_url)
    with psycopg.connect(owner_url.replace(f"{make_url(owner_url).username}@", "ttsp@")) as server:
        server.execute("CREATE TABLE public.others (id int)")
    owner.grant(make_url(service_url).username or "")
    with psycopg.connect(service_url) as server:
        query = "SELECT has_table_privilege(%s, 'SELECT')"
        found = {name: server.execute(query, [name]).fetchone() for name in ("others", "speeches", "audit")}
    assert found == {"others": (False,), "speeches": (True,), "audit": (True,)}
    owner.close()


def test_postgres_grant_refuses_a_role_that_can_change_the_audit(roles: tuple[str, str]) -> None:
    owner = Database(roles[0])
    with pytest.raises(DatabaseError, match="can change the audit whatever is granted"):
        owner.grant(make_url(roles[0]).username or "")
    with pytest.raises(DatabaseError, match="There is no role 'nobody; DROP'"):
        owner.grant("nobody; DROP")
    AuditLog(owner, KEY).append([ENTRY])
    assert faults(owner) == []
    owner.close()


def _chain() -> list[Row]:
    rows = [first_row("a", None, "host", 1, KEY)]
    rows.append(following(head_of(rows[0]), ENTRY, 2, KEY))
    return rows
