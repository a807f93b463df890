"""`ttsp keys`: keys of callers, where the database is."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tts_app.cli.console import WRONG_USAGE, err, fail
from tts_app.security.principal import ALL_BUT_ADMIN, Scope, scopes_of
from tts_app.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from tts_app.security.issuing import Issuer
    from tts_app.storage.api_keys import ApiKey, ApiKeys

keys_app = typer.Typer(
    help="Manage callers' keys in the database of TTSP_DATABASE_URL or TTSP_STATE_DIR.", no_args_is_help=True
)
KeyId = Annotated[str, typer.Argument(help="The key's id: the part between the underscores.")]


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    tenant: Annotated[str, typer.Option(help="Whose it is.")] = DEFAULT_TENANT,
    scopes: Annotated[
        str,
        typer.Option(
            help=f"What it may do, separated by commas: {', '.join(Scope)}. Default: all but admin."
        ),
    ] = "",
    days: Annotated[float, typer.Option(min=0, help="Days until it expires; 0: never.")] = 90,
) -> None:
    """Make a key and print it. It cannot be printed again."""
    from tts_app.security.issuing import DAY

    try:
        chosen = scopes_of(part.strip() for part in scopes.split(",")) if scopes else ALL_BUT_ADMIN
    except ValueError as error:
        fail(str(error), WRONG_USAGE)
    with _issuer() as (issuer, _keys):
        try:
            key, record = issuer.create(tenant, name, chosen, days * DAY or None, getpass.getuser())
        except ValueError as error:
            fail(str(error), WRONG_USAGE)
    _print_new(key.text, record)


@keys_app.command("list")
def list_keys() -> None:
    """List all keys, those that have ended too."""
    with _issuer() as (_, keys):
        for record in keys.list(None):
            state = f"revoked {_day(record.revoked)}" if record.revoked else f"until {_day(record.expires)}"
            typer.echo(f"{record.id}  {record.tenant}  {record.name}  {','.join(record.scopes)}  {state}")


@keys_app.command("rotate")
def rotate(
    key_id: KeyId,
    overlap: Annotated[float, typer.Option(min=0, help="Hours for which the old key is still valid.")] = 24,
) -> None:
    """Make a successor of a key with the same rights, and print it."""
    with _issuer() as (issuer, _keys):
        rotated = issuer.rotate(None, key_id, getpass.getuser(), overlap * 3600)
    if rotated is None:
        fail(f"There is no key {key_id!r} that is not revoked: `ttsp keys list` shows all.", WRONG_USAGE)
    key, record = rotated
    _print_new(key.text, record)


@keys_app.command("revoke")
def revoke(key_id: KeyId) -> None:
    """Revoke a key: every replica refuses it within 5 seconds."""
    with _issuer() as (issuer, _keys):
        if not issuer.revoke(None, key_id):
            fail(f"There is no key {key_id!r} that is not revoked: `ttsp keys list` shows all.", WRONG_USAGE)
    err.print(f"{key_id} is revoked.")


@contextmanager
def _issuer() -> Iterator[tuple["Issuer", "ApiKeys"]]:
    from tts_app.security.issuing import Issuer
    from tts_app.settings import Settings
    from tts_app.storage.api_keys import ApiKeys
    from tts_app.storage.database import Database, DatabaseError

    settings = Settings()
    try:
        database = Database(settings.database)
    except DatabaseError as error:
        fail(str(error), WRONG_USAGE)
    try:
        keys = ApiKeys(database)
        yield Issuer(keys, settings.key_pepper()), keys
    finally:
        database.close()


def _print_new(key: str, record: "ApiKey") -> None:
    typer.echo(key)
    err.print(f"{record.id} of {record.tenant}: {', '.join(record.scopes)}; until {_day(record.expires)}.")
    err.print("Keep it now: only its hash is stored.")


def _day(seconds: float | None) -> str:
    return "ever" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
