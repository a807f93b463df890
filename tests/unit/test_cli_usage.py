"""`ttsp usage`: what callers have used, where the database is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tts_app.amounts import Amounts
from tts_app.cli import app
from tts_app.settings import Settings
from tts_app.storage.database import Database
from tts_app.storage.usage import Total, Usages, Used


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("TTSP_DATABASE_URL", raising=False)


def ttsp(*arguments: str) -> list[list[str]]:
    result = CliRunner().invoke(app, ["usage", *arguments])
    assert result.exit_code == 0, result.output
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_usage_prints_the_rows_of_a_tenant() -> None:
    today = datetime.now(UTC).date()
    database = Database(Settings().database)
    Usages(database).add(
        [
            (Used(today, "hotel", "site", "kokoro", "female_en-US"), Total(3, Amounts(21, 1.5))),
            (Used(today, "hotel", "app", "writer", ""), Total(1, Amounts(0, 0.0, 7, 3))),
            (Used(today - timedelta(days=40), "hotel", "site", "old", ""), Total(1, Amounts())),
        ]
    )
    database.close()
    day = str(today)
    headings = ["day", "model", "voice", "requests", "characters", "audio s", "prompt tokens", "tokens"]
    spoken = [day, "kokoro", "female_en-US", "3", "21", "1.5", "0", "0"]
    written = [day, "writer", "-", "1", "0", "0.0", "7", "3"]
    assert ttsp("--tenant", "hotel") == [headings, spoken, written]
    assert ttsp("--tenant", "hotel", "--callers") == [
        [*headings, "caller"], [*spoken, "site"], [*written, "app"],
    ]  # fmt: skip
    assert len(ttsp("--tenant", "hotel", "--days", "60")) == 4
    assert ttsp() == [headings]
