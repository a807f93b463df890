"""`ttsp keys`: keys of callers, where the database is."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tts_app.cli.console import FAILED, WRONG_USAGE, err, fail
from tts_app.security.principal import ALL_BUT_ADMIN, Scope, scopes_of
from tts_app.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from tts_app.security.issuing import Issuer
    from tts_app.storage.acts import Act
    from tts_app.storage.api_keys import ApiKey, ApiKeys

keys_app = typer.Typer(
    help="Manage callers' keys, in the database of TTSP_DATABASE_URL or TTSP_STATE_DIR, or in a Secret.",
    no_args_is_help=True,
)
KeyId = Annotated[str, typer.Argument(help="The key's id: the part between the underscores.")]
Scopes = Annotated[
    str,
    typer.Option(help=f"What it may do, separated by commas: {', '.join(Scope)}. Default: all but admin."),
]
Days = Annotated[float, typer.Option(min=0, help="Days until it expires; 0: never.")]


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    tenant: Annotated[str, typer.Option(help="Whose it is.")] = DEFAULT_TENANT,
    scopes: Scopes = "",
    days: Days = 90,
) -> None:
    """Make a key and print it. It cannot be printed again."""
    from tts_app.security.issuing import DAY

    chosen = _scopes(scopes)
    with _issuer("key.create") as (issuer, _keys, act):
        try:
            key, record = issuer.create(tenant, name, chosen, days * DAY or None, getpass.getuser(), act)
        except ValueError as error:
            fail(str(error), WRONG_USAGE)
    _print_new(key.text, record)


@keys_app.command("secret")
def secret(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    tenant: Annotated[str, typer.Option(help="Whose it is.")] = DEFAULT_TENANT,
    scopes: Scopes = "",
    days: Days = 90,
    called: Annotated[str, typer.Option("--secret", help="Name of the Secret.")] = "api-keys",
    add_to: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File of a Secret whose keys to keep.")
    ] = None,
) -> None:
    """Print a Kubernetes Secret with a new key's hash, for a Playground's `security.keysSecret`.

    The key itself is printed to standard error. Nothing is stored.
    """
    from tts_app.security.issuing import DAY
    from tts_app.security.key_secret import KeySecret

    chosen = _scopes(scopes)
    try:
        before = KeySecret.parse(add_to.read_text(encoding="utf-8")) if add_to else KeySecret.new(called)
        key, made = before.with_key(tenant, name, chosen, days * DAY or None, getpass.getuser())
    except ValueError as error:
        fail(f"{add_to}: {error}" if add_to else str(error), WRONG_USAGE)
    typer.echo(made.text(), nl=False)
    err.print(f"The key is {key.text}", highlight=False, soft_wrap=True)
    err.print("Keep it now: the Secret has only its hash.")
    if add_to is None:
        err.print("It has a new pepper: a gateway that knows an older Secret of that name needs a new pod.")


@keys_app.command("list")
def list_keys() -> None:
    """List all keys, those that have ended too."""
    with _issuer() as (_, keys, _act):
        for record in keys.list(None):
            state = f"revoked {_day(record.revoked)}" if record.revoked else f"until {_day(record.expires)}"
            typer.echo(f"{record.id}  {record.tenant}  {record.name}  {','.join(record.scopes)}  {state}")


@keys_app.command("rotate")
def rotate(
    key_id: KeyId,
    overlap: Annotated[float, typer.Option(min=0, help="Hours for which the old key is still valid.")] = 24,
) -> None:
    """Make a successor of a key with the same rights, and print it."""
    with _issuer("key.rotate") as (issuer, _keys, act):
        rotated = issuer.rotate(None, key_id, getpass.getuser(), overlap * 3600, act)
    if rotated is None:
        fail(f"There is no key {key_id!r} that is not revoked: `ttsp keys list` shows all.", WRONG_USAGE)
    key, record = rotated
    _print_new(key.text, record)


@keys_app.command("revoke")
def revoke(key_id: KeyId) -> None:
    """Revoke a key: every replica refuses it within 5 seconds."""
    with _issuer("key.revoke") as (issuer, _keys, act):
        if not issuer.revoke(None, key_id, act):
            fail(f"There is no key {key_id!r} that is not revoked: `ttsp keys list` shows all.", WRONG_USAGE)
    err.print(f"{key_id} is revoked.")


def _scopes(names: str) -> frozenset[Scope]:
    """Return the scopes of an option's text. Exits where one is none."""
    try:
        return scopes_of(part.strip() for part in names.split(",")) if names else ALL_BUT_ADMIN
    except ValueError as error:
        fail(str(error), WRONG_USAGE)


@contextmanager
def _issuer(action: str = "") -> Iterator[tuple["Issuer", "ApiKeys", "Act"]]:
    """Yield what issues keys, the keys, and the act of a command that does `action`."""
    from tts_app.cli.audit import audited
    from tts_app.security.issuing import Issuer
    from tts_app.settings import Settings
    from tts_app.storage.acts import AuditError
    from tts_app.storage.api_keys import ApiKeys
    from tts_app.storage.database import Database, DatabaseError

    settings = Settings()
    try:
        database = Database(settings.database)
    except DatabaseError as error:
        fail(str(error), WRONG_USAGE)
    try:
        keys = ApiKeys(database)
        with audited(settings, database, action) as act:
            yield Issuer(keys, settings.key_pepper()), keys, act
    except AuditError as error:
        fail(str(error), FAILED)
    finally:
        database.close()


def _print_new(key: str, record: "ApiKey") -> None:
    typer.echo(key)
    err.print(f"{record.id} of {record.tenant}: {', '.join(record.scopes)}; until {_day(record.expires)}.")
    err.print("Keep it now: only its hash is stored.")


def _day(seconds: float | None) -> str:
    return "ever" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
