"""How much room stores have."""

from pathlib import Path

import pytest

from tts_app.settings import Settings
from tts_app.storage.room import local_stores, room_of
from tts_app.telemetry.metrics.storage import Store


def test_all_stores_of_a_laptop_are_local(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, audio_output=str(tmp_path / "out"))
    assert local_stores(settings) == {
        Store.LOGS: settings.log_dir or settings.state,
        Store.DATABASE: settings.state.absolute() / "metadata.sqlite",
        Store.AUDIO: tmp_path / "out",
    }


def test_stores_elsewhere_are_left_out(tmp_path: Path) -> None:
    database = "postgresql://tts:secret@db.example/tts"
    settings = Settings(state_dir=tmp_path, audio_output="memory://audio", database_url=database)
    assert set(local_stores(settings)) == {Store.LOGS}


def test_room_of_a_place_that_does_not_exist_yet_is_that_of_its_folder(tmp_path: Path) -> None:
    free, size = room_of(tmp_path / "not" / "there.sqlite")
    assert 0 <= free <= size
    assert size == room_of(tmp_path)[1] > 0


def test_a_full_disk_has_no_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 0, "total": 10})())
    assert room_of(tmp_path) == (0, 10)
