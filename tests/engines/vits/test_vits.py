"""The engine `vits` against transformers' own VitsModel, with a tiny checkpoint of random weights."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_vits
import torch
from safetensors.torch import load_file, save_file
from transformers import VitsModel

from tts_app.engines.base import BatchingEngine, EngineError, Segment
from tts_app.engines.vits.engine import MAX_CHARACTERS, VitsEngine

TEXTS = ("welcome to the house", "hi", "the rooms are ready now, and breakfast begins at seven", "good night")


def segment(text: str = TEXTS[0], speaker: str = "0", speed: float = 1.0, **parameters: Any) -> Segment:
    """`speed` is the request's; a voice's own is among its `parameters`."""
    return Segment(text, "", "en-US", speaker, speed, parameters)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vits.make(tmp_path_factory.mktemp("vits") / "one")


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> VitsEngine:
    return VitsEngine.load(checkpoint, "none", {"threads": 2, "max_batch": 16})


def test_upstream_takes_what_the_adapter_passes(takes: Callable[..., None]) -> None:
    takes(VitsModel.forward, "input_ids", "attention_mask", "speaker_id", "speaking_rate")


def test_engine_says_what_it_can_do(engine: VitsEngine) -> None:
    assert isinstance(engine, BatchingEngine)
    assert engine.capabilities.sample_rate == tiny_vits.RATE
    assert (engine.capabilities.takes, engine.capabilities.max_batch) == ("text", 16)
    engine.check_speaker("0")
    with pytest.raises(EngineError, match=r"no speaker 'Ann'\. Its speakers are numbers: 0\."):
        engine.check_speaker("Ann")


def test_engine_speaks_as_transformers_does(engine: VitsEngine, speaks: Callable[..., Any]) -> None:
    """With no noise, transformers' own sound of a text is known: the batch must not change it."""
    quiet = {"noise_scale": 0.0, "noise_scale_duration": 0.0}
    loaded = engine._open()
    expected = []
    for text in TEXTS:
        with torch.inference_mode():
            loaded.model.noise_scale = loaded.model.noise_scale_duration = 0.0
            expected.append(loaded.model(**loaded.tokenizer(text, return_tensors="pt")).waveform[0].numpy())
            loaded.model.noise_scale = loaded.model.noise_scale_duration = 1.0
    for sound, want in zip(
        speaks(engine, *(segment(text, **quiet) for text in TEXTS)), expected, strict=True
    ):
        assert sound.shape == want.shape
        assert np.abs(sound - want).max() <= 1e-4 * np.abs(want).max()


def test_batch_is_as_each_segment_alone(engine: VitsEngine, batch_is_exact: Callable[..., None]) -> None:
    lengths = {engine.size(segment(text)).frames for text in TEXTS}
    assert len(lengths) == len(TEXTS)
    batch_is_exact(engine, [segment(text, seed=seed, speed=1 + seed / 4) for seed, text in enumerate(TEXTS)])


def test_same_segment_gives_the_same_samples_and_another_seed_others(
    engine: VitsEngine, speaks: Callable[..., Any]
) -> None:
    first, again, other = (speaks(engine, segment(seed=seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


def test_speed_changes_the_length(engine: VitsEngine, speaks: Callable[..., Any]) -> None:
    quiet = {"noise_scale_duration": 0.0}
    slow, fast = (speaks(engine, segment(speed=speed, **quiet))[0].size for speed in (0.5, 2.0))
    assert slow > 1.5 * fast


def test_speakers_differ_and_do_not_share_a_call(tmp_path: Path, speaks: Callable[..., Any]) -> None:
    engine = VitsEngine.load(tiny_vits.make(tmp_path, speakers=3), "none", {"max_batch": 2})
    first, last = (speaks(engine, segment(speaker=speaker))[0] for speaker in ("0", "2"))
    assert first.shape != last.shape or not np.allclose(first, last)
    assert engine.size(segment(speaker="0")).group != engine.size(segment(speaker="2")).group
    with pytest.raises(EngineError, match="by one speaker"):
        engine.synthesise([segment(speaker="0"), segment(speaker="2")])
    with pytest.raises(EngineError, match="0 to 2"):
        engine.check_speaker("3")


def test_batch_of_several_speakers_checkpoint_is_exact(
    tmp_path: Path, batch_is_exact: Callable[..., None]
) -> None:
    engine = VitsEngine.load(tiny_vits.make(tmp_path, speakers=2), "none", {"max_batch": 16})
    batch_is_exact(engine, [segment(text, speaker="1") for text in TEXTS])


def test_decoder_whose_layers_make_parts_of_samples_does_not_batch(tmp_path: Path) -> None:
    engine = VitsEngine.load(
        tiny_vits.make(tmp_path, upsample_kernel_sizes=[7, 4]), "none", {"max_batch": 16}
    )
    assert engine.capabilities.max_batch == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (segment("لاشيء"), "Nothing to speak"),
        (segment("a" * (MAX_CHARACTERS + 1)), "too many for one segment"),
        (segment(seed=-1), "Wrong parameters of a vits voice: seed"),
        (segment(volume=2), "Wrong parameters of a vits voice: volume"),
    ],
)
def test_engine_refuses_what_it_cannot_speak(engine: VitsEngine, wrong: Segment, says: str) -> None:
    with pytest.raises(EngineError, match=says):
        engine.synthesise([wrong])


def test_engine_speaks_one_segment_a_call_on_a_cpu_unless_told_otherwise(checkpoint: Path) -> None:
    assert VitsEngine.load(checkpoint, "none", {}).capabilities.max_batch == 1


def test_engine_refuses_more_segments_than_it_takes(checkpoint: Path) -> None:
    engine = VitsEngine.load(checkpoint, "none", {"max_batch": 2})
    with pytest.raises(EngineError, match="3 segments are too many for one call: at most 2"):
        engine.synthesise([segment()] * 3)


def test_load_refuses_a_checkpoint_that_is_not_whole(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"No config\.json"):
        VitsEngine.load(tmp_path, "none", {})
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(EngineError, match="of type bert, not vits"):
        VitsEngine.load(tmp_path, "none", {})
    folder = tiny_vits.make(tmp_path / "made")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.startswith("decoder."))
    save_file({n: w for n, w in weights.items() if n != name}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EngineError, match="lacks weights: decoder"):
        VitsEngine.load(folder, "none", {})
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(EngineError, match="cannot load"):
        VitsEngine.load(folder, "none", {})


def test_load_takes_safetensors_alone(tmp_path: Path) -> None:
    folder = tiny_vits.make(tmp_path)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(EngineError, match="safetensors"):
        VitsEngine.load(folder, "none", {})


def test_load_refuses_a_checkpoint_of_phonemes(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="reads phonemes of the package phonemizer"):
        VitsEngine.load(tiny_vits.make(tmp_path, phonemize=True), "none", {})


def test_checkpoint_of_latin_letters_romanises(
    tmp_path: Path, speaks: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_vits.make(tmp_path, is_uroman=True)
    engine = VitsEngine.load(folder, "none", {})
    assert engine.size(segment("नमस्ते")).frames > 5
    speaks(engine, segment("नमस्ते"))
    monkeypatch.setitem(sys.modules, "uroman", None)
    with pytest.raises(EngineError, match="needs the package uroman"):
        VitsEngine.load(folder, "none", {})


def test_lack_of_memory_is_said(
    checkpoint: Path, engine: VitsEngine, fails_for_lack_of_memory: Callable[..., None]
) -> None:
    fails_for_lack_of_memory(lambda: VitsEngine.load(checkpoint, "none", {}), VitsModel, "to")
    fails_for_lack_of_memory(lambda: engine.synthesise([segment()]), VitsModel, "forward")


def test_closed_engine_says_so(checkpoint: Path, is_closed: Callable[..., None]) -> None:
    is_closed(VitsEngine.load(checkpoint, "none", {}), segment())
