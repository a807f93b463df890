"""The audio store: whole files or none."""

import hashlib
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tts_app.files import is_private
from tts_app.storage.audio import AudioStore

TENANT = "default"


def files(folder: Path) -> list[str]:
    """All of the folder's files, those that are not finished included."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow beyond ten bytes: what is buffered cannot be written, now or later."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_audio_store_publishes_only_whole_files(tmp_path: Path) -> None:
    store = AudioStore(str(tmp_path))
    with store.write(TENANT, "a.mp3") as file:
        file.push(b"one")
        assert not store.exists(TENANT, "a.mp3")
        file.push(b"two")
        file.finish()
        file.publish()
    assert files(tmp_path) == ["a.mp3"]
    assert (file.size, file.sha256) == (6, hashlib.sha256(b"onetwo").hexdigest())
    assert (tmp_path / "a.mp3").read_bytes() == b"onetwo"


def test_audio_store_leaves_nothing_of_an_abandoned_file(tmp_path: Path) -> None:
    store = AudioStore(str(tmp_path))
    with pytest.raises(RuntimeError), store.write(TENANT, "a.mp3") as file:
        file.push(b"one")
        raise RuntimeError
    assert files(tmp_path) == []


def test_audio_store_leaves_nothing_when_the_disk_is_full(tmp_path: Path) -> None:
    store = AudioStore(str(tmp_path))
    with pytest.raises(OSError, match="too large"), full_disk(), store.write(TENANT, "a.mp3") as file:
        file.push(b"x" * 100)
        file.finish()
    assert files(tmp_path) == []


def test_audio_store_replaces_a_file_written_again(tmp_path: Path) -> None:
    store = AudioStore(str(tmp_path))
    for content in (b"a longer first one", b"second"):
        with store.write(TENANT, "a.mp3") as file:
            file.push(content)
            file.finish()
            file.publish()
    assert (tmp_path / "a.mp3").read_bytes() == b"second"


@pytest.mark.parametrize(
    ("start", "end"), [(0, 700_000), (1, 2), (300_000, 600_001), (699_999, 700_000), (5, 5)]
)
def test_audio_store_reads_a_part(tmp_path: Path, start: int, end: int) -> None:
    content = bytes(i % 251 for i in range(700_000))
    (tmp_path / "a.mp3").write_bytes(content)
    assert b"".join(AudioStore(str(tmp_path)).read(TENANT, "a.mp3", start, end)) == content[start:end]


def test_audio_store_does_not_mix_two_writers_of_one_file(tmp_path: Path) -> None:
    store = AudioStore(str(tmp_path))
    with store.write(TENANT, "a.mp3") as first, store.write(TENANT, "a.mp3") as second:
        for part in (b"one", b"two"):
            first.push(part)
            second.push(part.upper())
        second.finish()
        second.publish()
        first.finish()
        assert (tmp_path / "a.mp3").read_bytes() == b"ONETWO"
        first.publish()
        assert (tmp_path / "a.mp3").read_bytes() == b"onetwo"
        second.publish()
    assert files(tmp_path) == ["a.mp3"]
    assert (tmp_path / "a.mp3").read_bytes() == b"onetwo"


def test_audio_store_deletes_leftovers_of_a_crash_with_the_file(tmp_path: Path) -> None:
    store = AudioStore(str(tmp_path))
    for name in ("a.mp3", "b.mp3"):
        (tmp_path / name).write_bytes(b"x")
        store.write(TENANT, name)  # and nobody goes on with it
        store.write(TENANT, name)
    store.delete(TENANT, "a.mp3")
    store.delete(TENANT, "a.mp3")
    assert [name.partition(".mp3")[0] for name in files(tmp_path)] == ["b"] * 3
    store.delete_unfinished(TENANT, "b.mp3")
    assert files(tmp_path) == ["b.mp3"]


def test_audio_store_works_on_other_file_systems() -> None:
    store = AudioStore("memory://speeches")
    with store.write(TENANT, "a.mp3") as file:
        file.push(b"abc")
        file.finish()
        file.publish()
    assert store.exists(TENANT, "a.mp3")
    assert b"".join(store.read(TENANT, "a.mp3", 1, 3)) == b"bc"
    store.delete(TENANT, "a.mp3")
    assert not store.exists(TENANT, "a.mp3")


@pytest.mark.parametrize("url", ["file", "memory://tenants-of-speeches"])
def test_audio_store_keeps_the_files_of_tenants_apart(tmp_path: Path, url: str) -> None:
    store = AudioStore(str(tmp_path / "out") if url == "file" else url)
    for tenant in ("default", "hotel", "batches"):
        with store.write(tenant, "a.mp3") as file:
            file.push(tenant.encode())
            file.finish()
            file.publish()
        assert b"".join(store.read(tenant, "a.mp3", 0, 99)) == tenant.encode()
    assert not store.exists("clinic", "a.mp3")
    store.write("hotel", "a.mp3")  # and nobody goes on with it
    store.delete("default", "a.mp3")
    assert [store.exists(tenant, "a.mp3") for tenant in ("default", "hotel", "batches")] == [
        False,
        True,
        True,
    ]
    if url == "file":
        assert len(files(tmp_path / "out" / "tenants" / "hotel")) == 2
        folders = [path for path in (tmp_path / "out").rglob("*") if path.is_dir()]
        assert len(folders) == 6
        assert all(is_private(folder) for folder in folders)
    with pytest.raises(ValueError, match="no name of a tenant"):
        store.exists("../hotel", "a.mp3")
