"""Databases: SQLite in a file, and a real PostgreSQL that is started once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import Postgres, PostgresMissingError

from tts_app.storage.database import Database


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    try:
        server = Postgres()
    except PostgresMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database that is empty, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'metadata.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database of this version."""
    opened = Database(url)
    yield opened
    opened.close()
