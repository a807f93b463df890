"""`ttsp audit`, and what `ttsp keys` records."""

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tts_app.cli import app
from tts_app.security.audit import Entry, chain_key
from tts_app.settings import Settings
from tts_app.storage.audit import AuditLog
from tts_app.storage.database import Database

KEY_ID = "0123456789abcdef"
MINUTE = 60_000_000


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TTSP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TTSP_AUDIT", "true")
    monkeypatch.setenv("TTSP_AUDIT_ANCHOR", str(tmp_path / "anchors"))
    monkeypatch.delenv("TTSP_DATABASE_URL", raising=False)
    return tmp_path / "state"


def ttsp(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout.strip(), " ".join(result.stderr.split())


def written(*entries: Entry) -> None:
    """A chain with these entries, the first at 00:01 on 1 January 1970, each a minute later."""
    settings = Settings()
    database = Database(settings.database)
    clock = iter(range(0, 100 * MINUTE, MINUTE)).__next__
    AuditLog(database, chain_key(settings.audit_key()), clock=clock).append(entries)
    database.close()


def entry(subject: str, object_id: str, tenant: str = "hotel", action: str = "speech.listen") -> Entry:
    return Entry(tenant, subject, action, "speech", object_id, "began", "192.0.2.1", "request-1")


def tamper(state: Path, statement: str) -> None:
    with sqlite3.connect(state / "metadata.sqlite") as database:
        for trigger in ("audit_no_update", "audit_no_delete"):
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute(statement)


def test_keys_are_recorded_and_anchored(tmp_path: Path) -> None:
    _, key, _ = ttsp("keys", "create", "the site")
    key_id = key.split("_")[1]
    _, successor, _ = ttsp("keys", "rotate", key_id)
    assert ttsp("keys", "revoke", key_id)[0] == 0
    assert ttsp("keys", "revoke", key_id)[0] == 2
    code, listed, _ = ttsp("audit", "query", "--json")
    assert code == 0
    found = [json.loads(line) for line in listed.splitlines()]
    assert [(row["action"], row["object_id"]) for row in found if row["action"] != "audit.begin"] == [
        ("key.revoke", key_id),
        ("key.rotate", successor.split("_")[1]),
        ("key.rotate", key_id),
        ("key.create", key_id),
    ]
    assert all(row["subject"].startswith("cli:") for row in found if row["action"] != "audit.begin")
    assert len(list((tmp_path / "anchors").iterdir())) == 3
    code, _, said = ttsp("audit", "verify")
    assert (code, said) == (0, "The audit is whole: 7 rows in 3 chains.")


def test_keys_are_not_changed_without_a_row(state: Path) -> None:
    _, key, _ = ttsp("keys", "create", "the site")
    with sqlite3.connect(state / "metadata.sqlite") as database:
        database.execute("ALTER TABLE audit RENAME TO away")
    code, said, reason = ttsp("keys", "create", "another")
    assert (code, said) == (1, "")
    assert "The audit cannot be written, so nothing was done" in reason
    assert ttsp("keys", "revoke", key.split("_")[1])[0] == 1
    listed = ttsp("keys", "list")[1]
    assert "another" not in listed
    assert "revoked" not in listed


def test_keys_are_not_changed_where_the_anchors_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSP_AUDIT_ANCHOR", "nowhere://anchors")
    code, _, said = ttsp("keys", "create", "the site")
    assert code == 2
    assert "TTSP_AUDIT_ANCHOR, 'nowhere://anchors', is neither a folder nor the address of a store" in said
    assert ttsp("keys", "list") == (0, "", "")


def test_keys_leave_no_row_without_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TTSP_AUDIT")
    ttsp("keys", "create", "the site")
    assert ttsp("audit", "query") == (0, "", "")


def test_audit_query_answers_what_a_key_touched() -> None:
    written(
        entry(f"key:{KEY_ID}", "speech_1"),
        entry("api-key", "speech_2"),
        entry(f"key:{KEY_ID}", "speech_3", tenant="clinic"),
        entry(f"key:{KEY_ID}", "speech_4", action="speech.delete"),
    )

    def found(*options: str) -> list[str]:
        code, listed, _ = ttsp("audit", "query", "--json", *options)
        assert code == 0
        return [json.loads(line)["object_id"] for line in listed.splitlines()]

    assert found("--key", KEY_ID) == ["speech_4", "speech_3", "speech_1"]
    assert found("--key", KEY_ID, "--tenant", "hotel") == ["speech_4", "speech_1"]
    assert found("--key", KEY_ID, "--action", "speech.listen") == ["speech_3", "speech_1"]
    assert found("--key", KEY_ID, "--from", "1970-01-01T00:02", "--to", "1970-01-01T01:04+01:00") == [
        "speech_3"
    ]
    assert found("--key", KEY_ID, "--from", "1970-01-02") == []
    assert found("--subject", "api-key") == ["speech_2"]
    _, line, _ = ttsp("audit", "query", "--subject", "api-key")
    when, what = "1970-01-01T00:02:00.000+00:00", "speech.listen  speech speech_2  began"
    assert line == f"{when}  hotel  api-key  {what}  192.0.2.1  request-1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from", "yesterday"), "--from 'yesterday' is no time: write it as 2026-11-30T10:00, in UTC."),
        (("--key", "1", "--subject", "2"), "Give --key or --subject, not both."),
    ],
)
def test_audit_query_refuses(options: tuple[str, ...], said: str) -> None:
    code, _, reason = ttsp("audit", "query", *options)
    assert (code, reason) == (2, f"ttsp: {said}")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE audit SET subject = 'x' WHERE seq = 2", "edited {} row 2 was edited"),
        ("DELETE FROM audit WHERE seq = 2", "deleted {} row 2 is missing"),
        ("DELETE FROM audit", "missing {} the whole chain is missing; it had at least 3 rows"),
        ("DELETE FROM audit WHERE seq = 3", "truncated {} the chain ends with row 2, and row 3 was there"),
        ("UPDATE audit SET seq = -2 WHERE seq = 3", "edited {} a row has the number -2"),
    ],
)
def test_audit_verify_names_what_was_changed(state: Path, statement: str, expected: str) -> None:
    _, key, _ = ttsp("keys", "create", "the site")
    ttsp("keys", "rotate", key.split("_")[1])
    with sqlite3.connect(state / "metadata.sqlite") as database:
        ((writer,),) = database.execute("SELECT writer FROM audit WHERE seq = 3")
    tamper(state, f"{statement}{' AND' if 'WHERE' in statement else ' WHERE'} writer = '{writer}'")
    code, found, said = ttsp("audit", "verify")
    assert code == 1
    assert expected.format(writer) in " ".join(found.split())
    assert "The audit is not whole" in said


def test_audit_verify_needs_the_key_and_makes_none(state: Path, tmp_path: Path) -> None:
    written(entry("api-key", "speech_1"))
    (state / "audit-key").rename(tmp_path / "kept")
    code, _, said = ttsp("audit", "verify")
    assert code == 2
    assert "The audit's key cannot be read, and without it no row can be checked" in said
    assert not (state / "audit-key").exists()


def test_audit_verify_says_what_it_cannot_know(monkeypatch: pytest.MonkeyPatch) -> None:
    written(entry("api-key", "speech_1"))
    code, _, said = ttsp("audit", "verify")
    assert code == 2
    assert "There is no folder of anchors" in said
    monkeypatch.setenv("TTSP_AUDIT_ANCHOR", "")
    code, _, said = ttsp("audit", "verify")
    assert code == 0
    assert "Without anchors nobody can tell whether rows at the end are missing" in said


def test_database_migrate_makes_the_tables(state: Path) -> None:
    assert ttsp("database", "migrate") == (0, "", "The tables are those of this version.")
    assert (state / "metadata.sqlite").exists()
    code, _, said = ttsp("database", "migrate", "--service-role", "tts")
    assert code == 2
    assert "SQLite has no roles" in said
