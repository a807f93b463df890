"""The engine `voxcpm` against its package, with a tiny model of random weights."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_voxcpm
from safetensors.torch import load_file, save_file
from voxcpm import VoxCPM
from voxcpm.model.voxcpm2 import VoxCPM2Model

from tts_app.engines.base import BatchingEngine, Clip, CloningEngine, EngineError, Segment, StreamingEngine
from tts_app.engines.voxcpm.engine import MAX_CHARACTERS, VoxCpmEngine

FEW = {"steps": 2}


def segment(text: str = "Hi.", locale: str = "en-US", **fields: Any) -> Segment:
    fields = {"speaker": "" if fields.get("clip") else "A calm voice", "parameters": FEW, **fields}
    return Segment(text, "", locale, **fields)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_voxcpm.make(tmp_path_factory.mktemp("voxcpm"))


@pytest.fixture(scope="module")
def engine(files: Path) -> VoxCpmEngine:
    return VoxCpmEngine.load(files, "none", {"threads": 2})


def test_upstream_takes_what_the_adapter_passes(takes: Callable[..., None]) -> None:
    takes(
        VoxCPM.__init__,
        "voxcpm_model_path",
        "zipenhancer_model_path",
        "enable_denoiser",
        "optimize",
        "device",
    )
    takes(VoxCPM2Model.build_prompt_cache, "prompt_text", "prompt_wav_path", "reference_wav_path")
    takes(
        VoxCPM2Model._generate_with_prompt_cache,
        "target_text",
        "prompt_cache",
        "max_len",
        "inference_timesteps",
        "cfg_value",
        "retry_badcase",
    )


def test_engine_says_what_it_can_do(engine: VoxCpmEngine) -> None:
    assert isinstance(engine, StreamingEngine)
    assert isinstance(engine, CloningEngine)
    assert not isinstance(engine, BatchingEngine)
    assert engine.capabilities.sample_rate == tiny_voxcpm.RATE
    assert not engine.capabilities.parallel
    engine.check_speaker("A calm voice")
    with pytest.raises(EngineError, match="too long: at most 500"):
        engine.check_speaker("calm " * 200)


def test_engine_speaks_by_description_and_by_clip(
    engine: VoxCpmEngine, clip: Clip, speaks: Callable[..., Any]
) -> None:
    (described,) = speaks(engine, segment())
    (cloned,) = speaks(engine, segment(clip=clip))
    (styled,) = speaks(engine, segment(clip=clip, instructions="slowly"))
    assert not _alike(described, cloned)
    assert not _alike(cloned, styled)


def test_same_segment_gives_the_same_samples_and_another_seed_others(
    engine: VoxCpmEngine, clip: Clip, speaks: Callable[..., Any]
) -> None:
    first, again, other = (
        speaks(engine, segment(clip=clip, parameters={**FEW, "seed": seed}))[0] for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not _alike(first, other)


def test_stream_comes_in_pieces_and_ends_when_it_is_closed(engine: VoxCpmEngine, clip: Clip) -> None:
    whole = list(engine.stream(segment(clip=clip)))
    assert len(whole) > 2
    assert all(piece.dtype == np.float32 and piece.ndim == 1 and piece.size for piece in whole)
    again = engine.stream(segment(clip=clip))
    first = next(again)
    assert np.array_equal(first, whole[0])
    again.close()
    engine.synthesise([segment()])  # which waits until a stream has ended


def test_stream_is_the_same_sound_as_the_whole(engine: VoxCpmEngine, speaks: Callable[..., Any]) -> None:
    streamed = np.concatenate(list(engine.stream(segment())))
    (whole,) = speaks(engine, segment())
    assert abs(streamed.size - whole.size) < tiny_voxcpm.RATE / 5


def test_parentheses_of_a_text_are_no_instructions(
    engine: VoxCpmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    model = engine._open().model
    speak = model.generate_with_prompt_cache

    def keep(**options: Any) -> Any:
        seen.append(options["target_text"])
        return speak(**options)

    monkeypatch.setattr(model, "generate_with_prompt_cache", keep)
    engine.synthesise([segment("(shout) Hi.", speaker="")])
    engine.synthesise([segment("Hi.", speaker="calm", instructions="slow (very)")])
    assert seen == [",shout, Hi.", "(calm, slow ,very,)Hi."]


def test_clip_is_computed_once_and_forgotten(
    engine: VoxCpmEngine, clip: Clip, speaks: Callable[..., Any]
) -> None:
    mine = dataclasses.replace(clip, digest="1" * 64, transcript="")
    speaks(engine, segment(clip=mine))
    assert mine.digest in engine._prompts._values
    engine.forget(mine.digest)
    engine.forget(mine.digest)
    assert mine.digest not in engine._prompts._values


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (segment(locale="ur-PK"), "does not speak ur-PK; it speaks: ar, en, es, hi"),
        (segment("a" * (MAX_CHARACTERS + 1)), "too many for one segment"),
        (segment(instructions="slowly " * 100), "too long: at most 500"),
        (segment(parameters={"steps": 0}), "Wrong parameters of a voxcpm voice: steps"),
    ],
)
def test_engine_refuses_what_it_cannot_speak(engine: VoxCpmEngine, wrong: Segment, says: str) -> None:
    for call in (lambda it: list(engine.stream(it)), lambda it: engine.synthesise([it])):
        with pytest.raises(EngineError, match=says):
            call(wrong)


def test_engine_speaks_one_segment_at_a_time(engine: VoxCpmEngine) -> None:
    with pytest.raises(EngineError, match="one segment at a time, not 2"):
        engine.synthesise([segment()] * 2)


def test_quantised_language_models_speak(files: Path, clip: Clip, speaks: Callable[..., Any]) -> None:
    plain, small = (VoxCpmEngine.load(files, how, {}) for how in ("auto", "int8"))
    kinds = [
        type(engine._open().model.base_lm.layers[0].mlp.up_proj.weight.data) for engine in (plain, small)
    ]
    assert kinds[0] != kinds[1]
    speaks(small, segment(clip=clip))


def test_load_refuses_a_model_that_is_not_whole(files: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"config\.json is missing"):
        VoxCpmEngine.load(tmp_path, "none", {})
    folder = shutil.copytree(files, tmp_path / "copy")
    (folder / "audiovae.safetensors").unlink()
    with pytest.raises(EngineError, match=r"audiovae\.safetensors or audiovae\.pth is missing"):
        VoxCpmEngine.load(folder, "none", {})
    shutil.copyfile(files / "audiovae.safetensors", folder / "audiovae.safetensors")
    weights = load_file(folder / "model.safetensors")
    save_file({n: w for n, w in weights.items() if n != "stop_head.weight"}, folder / "model.safetensors")
    with pytest.raises(EngineError, match="lacks weights: stop_head"):
        VoxCpmEngine.load(folder, "none", {})
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(EngineError, match="cannot load"):
        VoxCpmEngine.load(folder, "none", {})
    (folder / "config.json").write_text(json.dumps({"architecture": "voxcpm"}))
    with pytest.raises(EngineError, match="of architecture voxcpm, not voxcpm2"):
        VoxCpmEngine.load(folder, "none", {})


def test_lack_of_memory_is_said(
    files: Path, engine: VoxCpmEngine, fails_for_lack_of_memory: Callable[..., None]
) -> None:
    fails_for_lack_of_memory(lambda: VoxCpmEngine.load(files, "none", {}), VoxCPM2Model, "__init__")
    fails_for_lack_of_memory(lambda: engine.synthesise([segment()]), VoxCPM2Model, "_inference")
    fails_for_lack_of_memory(lambda: list(engine.stream(segment())), VoxCPM2Model, "_inference")


def test_closed_engine_says_so(files: Path, is_closed: Callable[..., None]) -> None:
    engine = VoxCpmEngine.load(files, "none", {})
    is_closed(engine, segment())
    with pytest.raises(EngineError, match="closed"):
        next(engine.stream(segment()))


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and np.allclose(one, other)
