"""The audio store: whole files or none."""

import hashlib
from pathlib import Path

import pytest

from tts_app.storage.audio import AudioStore


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    store = AudioStore(str(tmp_path))
    with store.write("a.mp3") as file:
        file.push(b"one")
        assert not store.exists("a.mp3")
        file.push(b"two")
        file.commit()
    assert files(tmp_path) == ["a.mp3"]
    assert (file.size, file.sha256) == (6, hashlib.sha256(b"onetwo").hexdigest())
    assert (tmp_path / "a.mp3").read_bytes() == b"onetwo"


def test_a_file_given_up_leaves_nothing(tmp_path: Path) -> None:
    store = AudioStore(str(tmp_path))
    with pytest.raises(RuntimeError), store.write("a.mp3") as file:
        file.push(b"one")
        raise RuntimeError
    assert files(tmp_path) == []


def test_written_again_it_is_the_new_one(tmp_path: Path) -> None:
    store = AudioStore(str(tmp_path))
    for content in (b"a longer first one", b"second"):
        with store.write("a.mp3") as file:
            file.push(content)
            file.commit()
    assert (tmp_path / "a.mp3").read_bytes() == b"second"


@pytest.mark.parametrize(
    ("start", "end"), [(0, 700_000), (1, 2), (300_000, 600_001), (699_999, 700_000), (5, 5)]
)
def test_a_part_is_read(tmp_path: Path, start: int, end: int) -> None:
    content = bytes(i % 251 for i in range(700_000))
    (tmp_path / "a.mp3").write_bytes(content)
    assert b"".join(AudioStore(str(tmp_path)).read("a.mp3", start, end)) == content[start:end]


def test_what_was_left_by_a_crash_is_removed_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"x")
    (tmp_path / ".a.mp3.part").write_bytes(b"x")
    store = AudioStore(str(tmp_path))
    store.delete("a.mp3")
    store.delete("a.mp3")
    assert files(tmp_path) == []


def test_other_file_systems_work_too() -> None:
    store = AudioStore("memory://speeches")
    with store.write("a.mp3") as file:
        file.push(b"abc")
        file.commit()
    assert store.exists("a.mp3")
    assert b"".join(store.read("a.mp3", 1, 3)) == b"bc"
    store.delete("a.mp3")
    assert not store.exists("a.mp3")
