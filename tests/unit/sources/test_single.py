"""Single files: read whole, from where they may be."""

from pathlib import Path

import fsspec
import pytest

from tts_app.sources import SourceError
from tts_app.sources.single import read_file


def test_file_of_this_machine_is_read_up_to_a_size(tmp_path: Path) -> None:
    file = tmp_path / "clip.wav"
    file.write_bytes(b"123456")
    assert read_file(file.as_uri(), 6) == b"123456"
    with pytest.raises(SourceError, match="has more than 5 bytes"):
        read_file(file.as_uri(), 5)


def test_file_of_a_claim_is_read_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "claims" / "voices").mkdir(parents=True)
    (tmp_path / "claims" / "voices" / "a.wav").write_bytes(b"clip")
    (tmp_path / "secret").write_bytes(b"secret")
    monkeypatch.setenv("TTSP_CLAIMS", str(tmp_path / "claims"))
    assert read_file("pvc://voices/a.wav", 10) == b"clip"
    with pytest.raises(SourceError, match="leads out of the claim"):
        read_file("pvc://voices/../../secret", 10)


def test_file_of_an_object_store_is_read(s3_bucket: str) -> None:
    with fsspec.open(f"{s3_bucket}/clips/a.wav", "wb") as file:
        file.write(b"clip")
    assert read_file(f"{s3_bucket}/clips/a.wav", 10) == b"clip"
    with pytest.raises(SourceError, match="cannot be read"):
        read_file(f"{s3_bucket}/clips/b.wav", 10)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for uri, says in (
        ((tmp_path / "none.wav").as_uri(), "No such file"),
        (tmp_path.as_uri(), "Is a directory"),
        ("hf://a/b/c.wav", r"is read from file://, pvc://, s3:// or gs:// only"),
        ("package://a/b", r"is read from file://, pvc://, s3:// or gs:// only"),
    ):
        with pytest.raises(SourceError, match=says):
            read_file(uri, 10)
