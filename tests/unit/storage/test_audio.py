"""The audio store: whole files or none."""

import hashlib
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from tts_app.files import is_private
from tts_app.storage.audio import FRAME, AudioStore, DamagedError, Stored

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


SIZE = 10 * FRAME + 44_640
CONTENT = bytes(i % 251 for i in range(SIZE))


def stored_file(store: AudioStore, piece: int, tenant: str = TENANT, content: bytes = CONTENT) -> Stored:
    """Write the file `a.mp3` in pieces of so many bytes; return what is known of it."""
    with store.write(tenant, "a.mp3") as file:
        for start in range(0, len(content), piece):
            file.push(content[start : start + piece])
        file.finish()
        file.publish()
        return Stored(file.size, file.sha256, file.frames)


@pytest.mark.parametrize("piece", [1000, FRAME, 3 * FRAME + 1, SIZE])
@pytest.mark.parametrize("of_before", [False, True], ids=["frames", "of before"])
def test_audio_store_reads_a_part(tmp_path: Path, piece: int, of_before: bool) -> None:
    store = AudioStore(str(tmp_path))
    stored = stored_file(store, piece)
    assert stored.frames is not None
    assert len(stored.frames) == 11 * 32
    if of_before:
        stored = replace(stored, frames=None)
    for start, end in ((0, SIZE), (1, 2), (300_000, 600_001), (SIZE - 1, SIZE), (5, 5), (FRAME, 2 * FRAME)):
        assert b"".join(store.read(TENANT, "a.mp3", stored, start, end)) == CONTENT[start:end]


def test_audio_store_has_a_digest_of_a_whole_last_frame(tmp_path: Path) -> None:
    stored = stored_file(AudioStore(str(tmp_path)), 1000, content=CONTENT[: 2 * FRAME])
    assert stored.frames is not None
    assert len(stored.frames) == 2 * 32


@pytest.mark.parametrize("place", [0, FRAME - 1, 3 * FRAME, SIZE - 1])
@pytest.mark.parametrize("of_before", [False, True], ids=["frames", "of before"])
def test_audio_store_never_yields_a_flipped_byte(tmp_path: Path, place: int, of_before: bool) -> None:
    store = AudioStore(str(tmp_path))
    stored = stored_file(store, 1000)
    if of_before:
        stored = replace(stored, frames=None)
    damaged = bytearray(CONTENT)
    damaged[place] ^= 1
    (tmp_path / "a.mp3").write_bytes(damaged)
    for start, end in ((0, SIZE), (place, place + 1)):
        read = b""
        with pytest.raises(DamagedError):
            for block in store.read(TENANT, "a.mp3", stored, start, end):
                read += block
        assert CONTENT[start:end].startswith(read)
    if not of_before and place >= FRAME:
        assert b"".join(store.read(TENANT, "a.mp3", stored, 0, FRAME)) == CONTENT[:FRAME]


@pytest.mark.parametrize("size", [0, FRAME, SIZE - 1])
def test_audio_store_never_yields_a_file_that_is_cut_short_as_whole(tmp_path: Path, size: int) -> None:
    store = AudioStore(str(tmp_path))
    stored = stored_file(store, 1000)
    (tmp_path / "a.mp3").write_bytes(CONTENT[:size])
    with pytest.raises(DamagedError):
        list(store.read(TENANT, "a.mp3", stored, 0, SIZE))


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


@pytest.mark.parametrize("size", [4, 5, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME])
def test_the_start_of_a_file_can_be_corrected_at_its_end(tmp_path: Path, size: int) -> None:
    for url in (str(tmp_path), "memory://corrected"):
        store = AudioStore(url)
        content = bytes(n % 251 for n in range(size))
        told: list[bytes] = []

        def start_of(file: IO[bytes], told: list[bytes] = told) -> bytes:
            told.append(file.read())
            return b"HEAD"

        with store.write(TENANT, "a.wav") as file:
            file.push(content[:3])
            file.push(content[3:])
            file.correct_start(start_of)
            file.finish()
            file.publish()
        right = b"HEAD" + content[4:]
        assert told == [content]
        assert (file.size, file.sha256) == (size, hashlib.sha256(right).hexdigest())
        stored = Stored(file.size, file.sha256, file.frames)
        assert b"".join(store.read(TENANT, "a.wav", stored, 0, size)) == right
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.wav"]


def test_nothing_stays_of_a_file_whose_start_cannot_be_corrected(tmp_path: Path) -> None:
    def start_of(_file: IO[bytes]) -> bytes:
        raise ValueError("it is no such file")

    with (
        pytest.raises(ValueError, match="no such file"),
        AudioStore(str(tmp_path)).write(TENANT, "a") as file,
    ):
        file.push(b"abc")
        file.correct_start(start_of)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_is_read_while_it_is_written_and_to_its_end_when_it_is_published(tmp_path: Path) -> None:
    with AudioStore(str(tmp_path)).write(TENANT, "a.mp3") as file:
        file.push(b"one")
        reader = file.reader()
        assert reader is not None
        with reader:
            assert reader.read() == b"one"
            assert reader.read() == b""
            file.push(b"two")
            assert reader.read() == b"two"
            file.push(b"three")
            file.finish()
            file.publish()
            assert reader.read() == b"three"
        late = file.reader()
        assert late is not None
        with late:
            assert late.read() == b"onetwothree"
    given_up = AudioStore(str(tmp_path)).write(TENANT, "b.mp3")
    with pytest.raises(OSError, match="full"), given_up as file:
        file.push(b"one")
        raise OSError("full")
    assert given_up.reader() is None
    with AudioStore("memory://grown").write(TENANT, "a.mp3") as elsewhere:
        assert elsewhere.reader() is None


def test_audio_store_works_on_other_file_systems() -> None:
    store = AudioStore("memory://speeches")
    stored = stored_file(store, 1, content=b"abc")
    assert store.exists(TENANT, "a.mp3")
    assert b"".join(store.read(TENANT, "a.mp3", stored, 1, 3)) == b"bc"
    store.delete(TENANT, "a.mp3")
    assert not store.exists(TENANT, "a.mp3")


@pytest.mark.parametrize("url", ["file", "memory://tenants-of-speeches"])
def test_audio_store_keeps_the_files_of_tenants_apart(tmp_path: Path, url: str) -> None:
    store = AudioStore(str(tmp_path / "out") if url == "file" else url)
    for tenant in ("default", "hotel", "batches"):
        stored = stored_file(store, 100, tenant, tenant.encode())
        assert b"".join(store.read(tenant, "a.mp3", stored, 0, len(tenant))) == tenant.encode()
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
