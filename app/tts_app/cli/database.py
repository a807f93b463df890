"""`ttsp database`: the database of the metadata, where the service's role may not change tables."""

from typing import Annotated

import typer

from tts_app.cli.console import FAILED, WRONG_USAGE, err, fail, settings_of

database_app = typer.Typer(help="Manage the database of TTSP_DATABASE_URL.", no_args_is_help=True)


@database_app.command("migrate")
def migrate(
    service_role: Annotated[
        str | None,
        typer.Option(
            help="Of PostgreSQL: the service's role. It gets what it needs; of the audit, to read and to add."
        ),
    ] = None,
) -> None:
    """Bring the tables to this version. The role of TTSP_DATABASE_URL must own them."""
    from sqlalchemy.exc import SQLAlchemyError

    from tts_app.storage.database import Database, DatabaseError

    try:
        database = Database(settings_of().database)
        try:
            if service_role is not None:
                database.grant(service_role)
        finally:
            database.close()
    except DatabaseError as error:
        fail(str(error), WRONG_USAGE)
    except SQLAlchemyError as error:
        fail(f"The database refuses: {type(error).__name__}.", FAILED)
    err.print("The tables are those of this version.")
