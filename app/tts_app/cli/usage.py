"""`ttsp usage`: what callers have used, where the database is."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from tts_app.cli.console import WRONG_USAGE, fail
from tts_app.tenants import DEFAULT_TENANT

_HEADINGS = ("day", "model", "voice", "requests", "characters", "audio s", "prompt tokens", "tokens")


def usage(
    tenant: Annotated[str, typer.Option(help="Whose.")] = DEFAULT_TENANT,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days up to today (UTC).")] = 30,
    callers: Annotated[bool, typer.Option("--callers", help="By caller too: keys' ids, users.")] = False,
) -> None:
    """Print what a tenant has used, by day, model and voice, with tabs between the columns."""
    from tts_app.settings import Settings
    from tts_app.storage.database import Database, DatabaseError
    from tts_app.storage.usage import Usages

    last = datetime.now(UTC).date()
    try:
        database = Database(Settings().database)
    except DatabaseError as error:
        fail(str(error), WRONG_USAGE)
    try:
        first = last - timedelta(days=days - 1)
        found = Usages(database).list(tenant, first, last, by_caller=callers)
    finally:
        database.close()
    typer.echo("\t".join((*_HEADINGS, "caller") if callers else _HEADINGS))
    for used, total in found:
        amounts = total.amounts
        cells = [
            str(used.day),
            used.model,
            used.voice or "-",
            str(total.requests),
            str(amounts.characters),
            f"{amounts.audio_seconds:.1f}",
            str(amounts.prompt_tokens),
            str(amounts.completion_tokens),
        ]
        typer.echo("\t".join([*cells, used.caller or "-"] if callers else cells))
