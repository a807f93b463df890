"""What is written about speeches and batches is its owner's only, whatever the umask."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from other_user import AS_ROOT, crossing, open_modes, seen_by_nobody

from tts_app.files import private_file, private_folder
from tts_app.storage.audio import AudioStore
from tts_app.storage.database import Database
from tts_app.storage.output import open_output
from tts_app.telemetry import logs


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a folder that others can enter, while new files are open to everybody."""
    before = os.umask(0)
    try:
        with crossing() as folder:
            yield folder
    finally:
        os.umask(before)


def check(folder: Path) -> None:
    """Check that nobody else sees anything of `folder`."""
    assert open_modes(folder) == []
    if AS_ROOT:
        assert seen_by_nobody(folder) == []


def test_seen_by_nobody_is_what_is_open(shared: Path) -> None:
    if not AS_ROOT:
        pytest.skip("only root can be somebody else")
    for name, mode in (("open", 0o644), ("closed", 0o600)):
        (shared / name).write_text(name)
        (shared / name).chmod(mode)
    assert seen_by_nobody(shared) == [str(shared), str(shared / "open")]


def test_audio_of_speeches_is_private_before_it_is_finished_and_after(shared: Path) -> None:
    store = AudioStore(str(shared / "audio"))
    with store.write("default", "a.mp3") as file:
        file.push(b"one")
        check(shared / "audio")
        file.finish()
        file.publish()
    check(shared / "audio")
    assert (shared / "audio" / "a.mp3").read_bytes() == b"one"


def test_audio_of_an_older_version_is_closed_when_the_store_is_opened(shared: Path) -> None:
    (shared / "audio" / ".unfinished").mkdir(parents=True)
    (shared / "audio" / "old.mp3").write_bytes(b"old")
    AudioStore(str(shared / "audio"))
    assert (shared / "audio").stat().st_mode & 0o777 == 0o700
    if AS_ROOT:
        assert seen_by_nobody(shared / "audio") == []


def test_a_folder_that_is_no_audio_store_stays_as_it_is(shared: Path) -> None:
    (shared / "music").mkdir(mode=0o755)
    AudioStore(str(shared / "music"))
    assert (shared / "music").stat().st_mode & 0o777 == 0o755


def test_private_output_has_private_files_whoever_opens_it(shared: Path) -> None:
    output = open_output(str(shared / "audio" / "batches" / "b1"), private=True)
    output.prepare()
    worker = open_output(str(shared / "audio" / "batches" / "b1"))
    with output.lock():
        worker.put("a.mp3", b"audio")
        output.put("manifest.jsonl", b"{}")
        segment = output.new_segment()
        segment.append([b"{}\n"])
        segment.close()
        check_files(shared / "audio", {"a.mp3", "manifest.jsonl", "00000001.jsonl"})


def check_files(folder: Path, names: set[str]) -> None:
    check_folder = [path for path in folder.rglob("*") if path.is_file() and path.name in names]
    assert {path.name for path in check_folder} == names
    assert {path.stat().st_mode & 0o777 for path in check_folder} == {0o600}
    if AS_ROOT:
        assert seen_by_nobody(folder) == []


def test_private_output_of_an_older_version_is_closed_when_it_is_locked(shared: Path) -> None:
    folder = shared / "b1"
    open_output(str(folder)).prepare()
    assert folder.stat().st_mode & 0o777 == 0o777
    with open_output(str(folder), private=True).lock():
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0, 0o666)])
def test_output_that_a_user_names_is_as_the_umask_has_it(shared: Path, umask: int, mode: int) -> None:
    os.umask(umask)
    output = open_output(str(shared / "out"))
    output.prepare()
    output.put("a.mp3", b"audio")
    assert (shared / "out" / "a.mp3").stat().st_mode & 0o777 == mode


def test_database_with_its_log_is_private(shared: Path) -> None:
    (shared / "older.sqlite").touch(mode=0o644)
    for path in (shared / "state" / "metadata.sqlite", shared / "older.sqlite"):
        database = Database(f"sqlite:///{path}")
        with database.session() as session:
            session.connection().exec_driver_sql("CREATE TABLE t (a)")
            for suffix in ("", "-wal", "-shm"):
                assert Path(f"{path}{suffix}").stat().st_mode & 0o777 == 0o600, suffix
        database.close()
    check(shared / "state")


def test_logs_are_private_also_those_that_an_older_version_made(shared: Path) -> None:
    (shared / "named").mkdir()
    (shared / "named" / "gateway.jsonl").touch(mode=0o644)
    for folder in (shared / "state" / "logs", shared / "named"):
        logs.set_up("gateway", "INFO", folder)
        logs.log("hello")
        logs.set_up("gateway", "INFO", None)
        assert (folder / "gateway.jsonl").stat().st_mode & 0o777 == 0o600
        assert (folder / "gateway.jsonl").read_text()
    check(shared / "state")
    assert (shared / "named").stat().st_mode & 0o777 == 0o777, (
        "a folder that a user names may have others' files"
    )


def test_secret_closes_the_state_folder_that_it_finds_open(shared: Path) -> None:
    (shared / "state").mkdir(mode=0o755)
    logs.secret(shared / "state" / "ray-token")
    check(shared / "state")


def test_private_folder_leaves_those_above_it_that_are_there(shared: Path) -> None:
    private_folder(shared / "a" / "b")
    assert [path.stat().st_mode & 0o777 for path in (shared, shared / "a", shared / "a" / "b")] == [
        0o755,
        0o700,
        0o700,
    ]


def test_private_folder_of_somebody_else_stays_as_it_is(shared: Path) -> None:
    if not AS_ROOT:
        pytest.skip("only root can give a folder away")
    (shared / "theirs").mkdir(mode=0o775)
    os.chown(shared / "theirs", 65534, 65534)
    private_folder(shared / "theirs")
    assert (shared / "theirs").stat().st_mode & 0o777 == 0o775


def test_a_file_system_without_modes_is_told(
    shared: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    (shared / "open").mkdir(mode=0o777)
    monkeypatch.setattr(Path, "chmod", refuse)
    private_folder(shared / "open")
    assert f"{shared}/open stays open to other users: Operation not permitted" in caplog.text


def test_private_file_keeps_what_is_in_it(shared: Path) -> None:
    (shared / "a").write_text("kept")
    private_file(shared / "a")
    assert ((shared / "a").read_text(), (shared / "a").stat().st_mode & 0o777) == ("kept", 0o600)
