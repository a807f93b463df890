"""`ttsp audit`: whether the audit is whole, and who did what."""

import getpass
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tts_app.cli.console import FAILED, WRONG_USAGE, err, fail, settings_of

if TYPE_CHECKING:
    from tts_app.security.audit import Row
    from tts_app.settings import Settings
    from tts_app.storage.acts import Act
    from tts_app.storage.audit import AuditRows
    from tts_app.storage.database import Database

audit_app = typer.Typer(
    help="Read the audit in the database of TTSP_DATABASE_URL or TTSP_STATE_DIR.", no_args_is_help=True
)
_SHOWN = 100


@audit_app.command("verify")
def verify_chains(
    anchors: Annotated[
        str | None, typer.Option(help="Folder or URL of the anchors. Default: TTSP_AUDIT_ANCHOR.")
    ] = None,
) -> None:
    """Check that no row was edited, removed or moved. Exit code 1: one was."""
    from itertools import islice

    from tts_app.security.audit import chain_key, verify
    from tts_app.storage.anchors import AnchorError, Anchors

    settings = settings_of()
    url = anchors or settings.audit_anchor
    try:
        key = chain_key(settings.audit_key(make=False))
    except OSError as error:
        fail(f"The audit's key cannot be read, and without it no row can be checked: {error}", WRONG_USAGE)
    with _rows() as rows:
        try:
            heads = [*rows.continued(key), *(Anchors(url).heads() if url else ())]
        except AnchorError as error:
            fail(str(error), WRONG_USAGE)
        counted = _Counted(rows.all())
        faults = list(islice(verify(counted, heads, key), _SHOWN + 1))
    for fault in faults[:_SHOWN]:
        typer.echo(f"{fault.kind}  {fault.writer}  {fault.message}")
    if faults:
        more = ", and there are more" if len(faults) > _SHOWN else ""
        fail(f"The audit is not whole: {min(len(faults), _SHOWN)} faults{more}.", FAILED)
    err.print(f"The audit is whole: {counted.rows} rows in {len(counted.writers)} chains.")
    if not url:
        err.print("Without anchors nobody can tell whether rows at the end are missing: TTSP_AUDIT_ANCHOR.")


@audit_app.command("query")
def query(
    key: Annotated[str | None, typer.Option(help="Id of the key that was used.")] = None,
    subject: Annotated[
        str | None, typer.Option(help="Who it was, where it was no key: api-key, cli:root ...")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="From this time on: 2026-11-30T10:00.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Before this time. Times are in UTC.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, as `speech.listen`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """List what was done, newest first: with --key, what one key touched."""
    from tts_app.security.audit import key_subject
    from tts_app.storage.audit import Filter

    if key is not None and subject is not None:
        fail("Give --key or --subject, not both.", WRONG_USAGE)
    wanted = Filter(
        tenant=tenant,
        subject=subject if key is None else key_subject(key),
        action=action,
        start=_moment("--from", start),
        end=_moment("--to", end),
    )
    with _rows() as rows:
        for row in rows.find(wanted):
            typer.echo(json.dumps(_record(row)) if as_json else _line(row))


@contextmanager
def audited(settings: "Settings", database: "Database", action: str) -> Iterator["Act"]:
    """Yield the act of a command that changes keys; it is recorded where TTSP_AUDIT says so, and anchored.

    `action` is empty where nothing is changed.
    """
    from tts_app.security.audit import Entry, chain_key
    from tts_app.storage.acts import UNRECORDED
    from tts_app.storage.anchors import AnchorError, Anchors
    from tts_app.storage.audit import AuditLog

    if not settings.audit or not action:
        yield UNRECORDED
        return
    try:
        anchors = Anchors(settings.audit_anchor) if settings.audit_anchor else None
        audit = AuditLog(database, chain_key(settings.audit_key()))
    except (AnchorError, OSError) as error:
        fail(str(error), WRONG_USAGE)
    who, host = f"cli:{getpass.getuser()}", socket.gethostname()
    yield audit.act(Entry("", who, action, "key", "", "done", host, ""))
    if anchors is not None and audit.head is not None:
        try:
            anchors.add(audit.head, time.time_ns() // 1000)
        except OSError as error:
            reason = error.strerror or error
            err.print(f"The row of the audit is not anchored: {reason}.", style="red", markup=False)


@contextmanager
def _rows() -> Iterator["AuditRows"]:
    from sqlalchemy.exc import SQLAlchemyError

    from tts_app.storage.audit import AuditRows
    from tts_app.storage.database import Database, DatabaseError

    try:
        database = Database(settings_of().database)
    except DatabaseError as error:
        fail(str(error), WRONG_USAGE)
    try:
        yield AuditRows(database)
    except SQLAlchemyError as error:
        fail(f"The database cannot be read: {type(error).__name__}.", FAILED)
    finally:
        database.close()


class _Counted:
    """Passes rows on and counts them."""

    def __init__(self, rows: Iterator["Row"]) -> None:
        self._rows = rows
        self.rows = 0
        self.writers: set[str] = set()

    def __iter__(self) -> Iterator["Row"]:
        for row in self._rows:
            self.rows += 1
            self.writers.add(row.writer)
            yield row


def _moment(option: str, given: str | None) -> int | None:
    """Return a time in microseconds since the epoch."""
    if given is None:
        return None
    try:
        read = datetime.fromisoformat(given)
    except ValueError:
        fail(f"{option} {given!r} is no time: write it as 2026-11-30T10:00, in UTC.", WRONG_USAGE)
    return round((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1e6)


def _record(row: "Row") -> dict[str, object]:
    return {**asdict(row), "time": _time(row)}


def _line(row: "Row") -> str:
    what = f"{row.action}  {row.object_kind} {row.object_id}  {row.outcome}"
    return f"{_time(row)}  {row.tenant}  {row.subject}  {what}  {row.address}  {row.request_id}"


def _time(row: "Row") -> str:
    return datetime.fromtimestamp(row.time / 1e6, UTC).isoformat(timespec="milliseconds")
