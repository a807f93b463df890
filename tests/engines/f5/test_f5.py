"""The engine `f5` against its package, with a tiny model of random weights."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_f5
import torch
from f5_tts.model import CFM, DiT
from safetensors.torch import load_file, save_file
from vocos import Vocos
from vocos.heads import ISTFTHead
from vocos.models import VocosBackbone

from tts_app.engines.base import BatchingEngine, Clip, CloningEngine, EngineError, Segment
from tts_app.engines.f5.engine import MAX_CHARACTERS, F5Engine
from tts_app.engines.f5.model import EachTextAlone, load_model
from tts_app.engines.f5.prompt import Sampling, prompt

FEW = {"steps": 4}
TEXTS = (
    "Welcome to the house.",
    "Hi.",
    "The rooms are ready now, and breakfast begins at seven.",
    "Good night.",
)
SAMPLING = Sampling(steps=4, cfg_strength=2.0, sway=-1.0, seed=7)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_f5.make(tmp_path_factory.mktemp("f5"))


@pytest.fixture(scope="module")
def engine(files: Path) -> F5Engine:
    return F5Engine.load(files, "none", {"threads": 1, "max_batch": 8})


@pytest.fixture
def segment(clip: Clip) -> Callable[..., Segment]:
    def make(text: str = TEXTS[0], locale: str = "en-US", **fields: Any) -> Segment:
        return Segment(text, "", locale, "", **{"parameters": FEW, "clip": clip, **fields})

    return make


@pytest.fixture
def short(clip: Clip) -> Clip:
    """Another clip, of another length."""
    return dataclasses.replace(clip, digest="3" * 64, audio=clip.audio[: len(clip.audio) * 2 // 3] * 0.5)


def test_upstream_takes_what_the_adapter_passes(takes: Callable[..., None]) -> None:
    takes(
        CFM.sample,
        "cond",
        "text",
        "duration",
        "lens",
        "steps",
        "cfg_strength",
        "sway_sampling_coef",
        "seed",
    )
    takes(
        DiT.__init__,
        "dim",
        "depth",
        "heads",
        "dim_head",
        "ff_mult",
        "mel_dim",
        "text_num_embeds",
        "text_dim",
        "conv_layers",
        "attn_mask_enabled",
    )
    takes(Vocos.__init__, "feature_extractor", "backbone", "head")
    takes(VocosBackbone.__init__, "input_channels", "dim", "intermediate_dim", "num_layers")
    takes(ISTFTHead.__init__, "dim", "n_fft", "hop_length", "padding")


def test_engine_says_what_it_can_do(engine: F5Engine) -> None:
    assert isinstance(engine, BatchingEngine)
    assert isinstance(engine, CloningEngine)
    assert engine.capabilities.sample_rate == tiny_f5.RATE
    assert not engine.capabilities.parallel
    with pytest.raises(EngineError, match="it imitates a clip"):
        engine.check_speaker("af_heart")


def test_batch_is_as_each_segment_alone(
    engine: F5Engine,
    clip: Clip,
    short: Clip,
    segment: Callable[..., Segment],
    batch_is_exact: Callable[..., None],
) -> None:
    batch_is_exact(
        engine, [segment(text, clip=own) for text, own in zip(TEXTS, [clip, short] * 2, strict=True)]
    )


def test_batch_is_exact_in_float64(files: Path, clip: Clip, short: Clip) -> None:
    """What is left in float32 is rounding: of the shorter items and of the longest one."""
    loaded = load_model(files, "none", dialects=False)
    loaded.flow.double()
    voices = [loaded.voice(own) for own in (clip, short, clip, short)]
    prompts = [
        prompt(voice.words, text, None, loaded.vocabulary, voice.frames, 1.0)
        for voice, text in zip(voices, TEXTS, strict=True)
    ]
    assert len({asked.frames for asked in prompts}) == len(prompts)
    mels = _mels(loaded, voices, prompts)
    for voice, asked, mel in zip(voices, prompts, mels, strict=True):
        (alone,) = _mels(loaded, [voice], [asked])
        assert (mel[: asked.frames] - alone).abs().max() < 1e-9


def test_package_alone_would_let_items_change_each_other(files: Path, clip: Clip, short: Clip) -> None:
    """If this fails, the package does itself what the adapter does: take that out."""
    loaded = load_model(files, "none", dialects=False)
    voices = [loaded.voice(own) for own in (short, clip)]
    prompts = [
        prompt(voice.words, text, None, loaded.vocabulary, voice.frames, 1.0)
        for voice, text in zip(voices, TEXTS[1:3], strict=True)
    ]
    transformer = loaded.flow.transformer
    ours = transformer.text_embed
    assert isinstance(ours, EachTextAlone)
    (alone,) = _mels(loaded, voices[:1], prompts[:1])
    transformer.text_embed = ours._embedding
    assert (_mels(loaded, voices, prompts)[0][: prompts[0].frames] - alone).abs().max() > 1e-3
    transformer.text_embed = ours
    for block in transformer.transformer_blocks:
        block.attn.processor.attn_mask_enabled = False
    assert (_mels(loaded, voices, prompts)[0][: prompts[0].frames] - alone).abs().max() > 1e-3


def _mels(loaded: Any, voices: Any, prompts: Any) -> Any:
    """Return the mel spectrograms of a call, padded, as the vocoder would get them."""
    seen: list[torch.Tensor] = []
    sample = loaded.flow.sample

    def keep(**arguments: Any) -> Any:
        made = sample(**arguments)
        seen.append(made[0])
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaded.flow, "sample", keep)
        loaded.speak(voices, prompts, SAMPLING)
    return seen[0]


def test_same_segment_gives_the_same_samples_and_another_seed_others(
    engine: F5Engine, segment: Callable[..., Segment], speaks: Callable[..., Any]
) -> None:
    first, again, other = (speaks(engine, segment(parameters={**FEW, "seed": seed}))[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_call_leaves_the_random_numbers_of_others_alone(
    engine: F5Engine, segment: Callable[..., Segment]
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    engine.synthesise([segment("Hi.")])
    assert torch.equal(torch.rand(3), expected)


def test_length_follows_text_and_speed(
    engine: F5Engine, segment: Callable[..., Segment], speaks: Callable[..., Any]
) -> None:
    slow, fast = (speaks(engine, segment(TEXTS[2], speed=speed))[0].size for speed in (0.5, 1.0))
    assert slow == pytest.approx(2 * fast, rel=0.02)
    new = engine.size(segment(TEXTS[2])).frames - engine.size(segment(TEXTS[0])).frames
    difference = fast - speaks(engine, segment(TEXTS[0]))[0].size
    assert new * 256 == pytest.approx(difference, abs=1024)


def test_quiet_clip_gives_quiet_speech(
    engine: F5Engine, clip: Clip, segment: Callable[..., Segment], speaks: Callable[..., Any]
) -> None:
    rms = float(np.sqrt(np.mean(clip.audio**2)))
    loud, quiet = (
        dataclasses.replace(clip, digest=digit * 64, audio=clip.audio * np.float32(level / rms))
        for digit, level in (("4", 0.1), ("5", 0.01))
    )
    (first,), (second,) = speaks(engine, segment(clip=loud)), speaks(engine, segment(clip=quiet))
    assert np.allclose(first / 10, second, atol=1e-4 * np.abs(first).max())


def test_dialect_is_that_of_the_locale_or_of_the_voice(
    files: Path, segment: Callable[..., Segment], speaks: Callable[..., Any]
) -> None:
    engine = F5Engine.load(files, "none", {"dialects": True})
    text = "مساء الخير"
    saudi, egyptian, chosen = (
        speaks(engine, segment(text, locale, parameters={**FEW, **own}))[0]
        for locale, own in (("ar-SA", {}), ("ar-EG", {}), ("ar-SA", {"dialect": "EGY"}))
    )
    assert not np.allclose(saudi, egyptian)
    assert np.array_equal(egyptian, chosen)


def test_clip_is_computed_once_and_forgotten(
    engine: F5Engine, clip: Clip, segment: Callable[..., Segment], speaks: Callable[..., Any]
) -> None:
    mine = dataclasses.replace(clip, digest="1" * 64)
    speaks(engine, segment(clip=mine), segment("Hi.", clip=mine))
    assert mine.digest in engine._voices._values
    engine.forget(mine.digest)
    engine.forget(mine.digest)
    assert mine.digest not in engine._voices._values


def test_segments_of_different_sampling_do_not_share_a_call(
    engine: F5Engine, segment: Callable[..., Segment]
) -> None:
    one, other = segment(), segment(parameters={**FEW, "seed": 1})
    assert engine.size(one).group != engine.size(other).group
    with pytest.raises(EngineError, match="these segments have several"):
        engine.synthesise([one, other])


def test_failed_call_leaves_nothing_for_the_next_one(
    engine: F5Engine,
    segment: Callable[..., Segment],
    speaks: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("no memory")

    (expected,) = speaks(engine, segment())
    with monkeypatch.context() as patch:
        patch.setattr(engine._open().flow.transformer.norm_out, "forward", fail)
        with pytest.raises(torch.OutOfMemoryError):
            engine.synthesise([segment("Good night.")])
    (spoken,) = speaks(engine, segment())
    assert np.array_equal(spoken, expected)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"text": "a" * (MAX_CHARACTERS + 1)}, "201 characters are too many for one segment: at most 200"),
        ({"text": "你好"}, "none of 2 characters is in the checkpoint's vocabulary"),
        ({"clip": None}, "needs a `reference`"),
        ({"clip": Clip("2" * 64, np.zeros(96_000, np.float32), 24_000, " ")}, "give its transcript"),
        ({"clip": Clip("2" * 64, np.zeros(24_000 * 16, np.float32), 24_000, "Hi.")}, "at most 15 s"),
        (
            {"clip": Clip("2" * 64, np.ones(24_000 * 9, np.float32), 24_000, "a.")},
            "Clip and speech would take",
        ),
        ({"parameters": {"steps": 1000}}, "Wrong parameters of an f5 voice: steps"),
        ({"parameters": {"dialect": "SAU"}}, "needs a checkpoint that reads marks of dialects"),
    ],
)
def test_engine_refuses_what_it_cannot_speak(
    engine: F5Engine, segment: Callable[..., Segment], fields: dict[str, Any], says: str
) -> None:
    for call in (engine.size, lambda it: engine.synthesise([it])):
        with pytest.raises(EngineError, match=says):
            call(segment(**fields))


def test_engine_refuses_more_segments_than_it_takes(files: Path, segment: Callable[..., Segment]) -> None:
    engine = F5Engine.load(files, "none", {})  # its default on a CPU: 1
    with pytest.raises(EngineError, match="2 segments are too many for one call: at most 1"):
        engine.synthesise([segment()] * 2)


def test_load_refuses_a_model_that_is_not_whole(files: Path, tmp_path: Path) -> None:
    def load(**parameters: Any) -> None:
        F5Engine.load(tmp_path, "none", parameters)

    with pytest.raises(EngineError, match=r"vocab\.txt is missing"):
        load()
    tiny_f5.make(tmp_path, tiny_f5.LETTERS)
    load()
    with pytest.raises(EngineError, match="no marks of dialects"):
        load(dialects=True)
    with pytest.raises(EngineError, match="fp16 runs on a GPU only"):
        F5Engine.load(tmp_path, "fp16", {})

    shutil.copy(files / "vocab.txt", tmp_path)
    with pytest.raises(EngineError, match="they do not belong together"):
        load()
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    weights = load_file(files / "model_1.safetensors")
    save_file(weights, tmp_path / "model_2.safetensors")
    with pytest.raises(EngineError, match=r"must hold one file \*\.safetensors.*model_1.*model_2"):
        load()
    (tmp_path / "model_2.safetensors").unlink()
    (tmp_path / "vocos" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(EngineError, match=r"vocos/model\.safetensors is damaged"):
        load()
    weights.popitem()
    save_file(weights, tmp_path / "model_1.safetensors")
    with pytest.raises(EngineError, match="is no F5 v1 checkpoint"):
        load()


def test_closed_engine_says_so(
    files: Path, segment: Callable[..., Segment], is_closed: Callable[..., None]
) -> None:
    is_closed(F5Engine.load(files, "none", {}), segment())
