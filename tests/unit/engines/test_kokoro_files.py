import json
from pathlib import Path

import numpy as np
import pytest

from tts_app.engines.base import EngineError
from tts_app.engines.kokoro.files import Voices, find_files, model_names


def test_find_files_finds_the_flat_layout(release: Path) -> None:
    files = find_files(release, "int8")
    assert files.model == release / "model.onnx"
    assert files.vocabulary == {"a": 1, "ə": 2, ".": 3}


@pytest.mark.parametrize(
    ("quantization", "name"),
    [("none", "model.onnx"), ("fp16", "model_fp16.onnx"), ("int8", "model_quantized.onnx")],
)
def test_find_files_finds_the_layout_of_the_hub(release: Path, quantization: str, name: str) -> None:
    (release / "model.onnx").unlink()
    (release / "vocab.json").unlink()
    (release / "onnx").mkdir()
    (release / "onnx" / name).write_bytes(b"graph")
    (release / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"$": 0, "b": 44}}}))
    files = find_files(release, quantization)
    assert files.model == release / "onnx" / name
    assert files.vocabulary == {"$": 0, "b": 44}


def test_model_names_refuses_an_unknown_quantization() -> None:
    with pytest.raises(EngineError, match=r"'int4'.*none, fp16, int8"):
        model_names("int4")


@pytest.mark.parametrize(
    ("missing", "message"),
    [("model.onnx", "No Kokoro model"), ("vocab.json", "No vocabulary"), ("voices", "No voices")],
)
def test_find_files_names_what_is_missing(release: Path, missing: str, message: str) -> None:
    (release / missing).rename(release / "elsewhere")
    with pytest.raises(EngineError, match=message):
        find_files(release, "int8")


@pytest.mark.parametrize("content", ["{", "[]", '{"vocab": ["a"]}', '{"words": {}}', '{"vocab": {"a": "x"}}'])
def test_find_files_refuses_a_damaged_vocabulary(release: Path, content: str) -> None:
    (release / "vocab.json").write_text(content)
    with pytest.raises(EngineError, match=r"vocab\.json is not a Kokoro vocabulary"):
        find_files(release, "int8")


def test_voices_reads_a_voice_once(release: Path) -> None:
    voices = Voices(release / "voices")
    styles = voices.styles("am_two")
    assert styles.shape == (510, 256)
    assert (styles == 2).all()
    assert voices.styles("am_two") is styles
    assert not styles.flags.writeable


def test_voices_blends_by_weight(release: Path) -> None:
    voices = Voices(release / "voices")
    blend = voices.styles("af_one*0.25 + hm_four*0.75")
    assert blend.shape == (510, 256)
    assert np.allclose(blend, 0.25 * 1 + 0.75 * 4)
    assert voices.styles("af_one*0.25 + hm_four*0.75") is blend
    assert np.allclose(voices.styles("af_one*0.3334+am_two*0.3333+ef_three*0.3333"), 2, atol=1e-3)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("zz_none", r"no voice 'zz_none'\. Available: af_one, am_two"),
        ("", "no voice ''"),
        ("af_one*0.5+zz*0.5", "no voice 'zz'"),
        ("../af_one", "no voice"),
        ("af_one*0.5+am_two*0.4", r"sum to 0\.9"),
        ("af_one+am_two", "sum to 2"),
        ("af_one*0.5", r"sum to 0\.5"),
        ("af_one*x", "weight of 'af_one'"),
        ("af_one*", "weight of 'af_one'"),
        ("af_one*nan+am_two*1", "weight of 'af_one'"),
        ("af_one*-0.5+am_two*1.5", "weight of 'af_one'"),
        ("af_one*0.5+", "no voice ''"),
    ],
)
def test_voices_refuses_a_wrong_expression(release: Path, expression: str, message: str) -> None:
    voices = Voices(release / "voices")
    for ask in (voices.check, voices.styles):
        with pytest.raises(EngineError, match=message):
            ask(expression)


@pytest.mark.parametrize("content", [b"", b"\0" * 1000, b"\xff" * 1024])
def test_voices_refuses_a_damaged_voice(release: Path, content: bytes) -> None:
    (release / "voices" / "af_one.bin").write_bytes(content)
    with pytest.raises(EngineError, match=r"The voice 'af_one' is damaged"):
        Voices(release / "voices").styles("af_one")
