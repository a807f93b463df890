import struct
from pathlib import Path

import pytest

from tts_app.engines.base import EngineError
from tts_app.engines.gguf import find_gguf, read_metadata


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


HEAD = (
    b"GGUF"
    + struct.pack("<IQQ", 3, 0, 3)
    + (text("general.architecture") + struct.pack("<I", 8) + text("llama"))
    + (text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("ب"))
    + (text("llama.context_length") + struct.pack("<II", 4, 2048))
)


def test_read_metadata_reads_the_head(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(HEAD)
    assert read_metadata(tmp_path / "m.gguf") == {
        "general.architecture": "llama",
        "tokens": 2,
        "llama.context_length": 2048,
    }


def test_read_metadata_reads_the_embedded_model(smollm: Path) -> None:
    metadata = read_metadata(find_gguf(smollm))
    assert metadata["llama.context_length"] == 8192
    assert "<|im_start|>" in metadata["tokenizer.chat_template"]


@pytest.mark.parametrize("length", range(4, len(HEAD), 7))
def test_read_metadata_reports_a_head_that_is_cut_off(tmp_path: Path, length: int) -> None:
    (tmp_path / "m.gguf").write_bytes(HEAD[:length])
    with pytest.raises(EngineError, match="damaged"):
        read_metadata(tmp_path / "m.gguf")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "not a GGUF file"),
        (b"", "not a GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 60), "a string of"),
        (HEAD[:24] + text("x") + struct.pack("<I", 77), "damaged"),
    ],
)
def test_read_metadata_refuses_a_file_that_is_not_gguf(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(EngineError, match=message):
        read_metadata(tmp_path / "m.gguf")


def test_find_gguf_finds_the_only_model(tmp_path: Path) -> None:
    for name in ("model-00001-of-00002.gguf", "model-00002-of-00002.gguf", "mmproj-x.gguf", "README.md"):
        (tmp_path / name).touch()
    assert find_gguf(tmp_path).name == "model-00001-of-00002.gguf"
    assert find_gguf(tmp_path / "README.md").name == "README.md"


def test_find_gguf_names_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="does not exist"):
        find_gguf(tmp_path / "none")
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(EngineError, match=r"holds no GGUF file \(\*\.gguf\)\.$"):
        find_gguf(tmp_path)
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    with pytest.raises(EngineError, match="holds 2 GGUF files of several models") as refused:
        find_gguf(tmp_path)
    assert "a.gguf" not in str(refused.value)
