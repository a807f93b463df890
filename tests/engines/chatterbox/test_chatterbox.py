"""The engine `chatterbox` against its package, with a model of random weights."""

import dataclasses
import gc
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import perth
import psutil
import pytest
import tiny_chatterbox
import torch
from chatterbox.models.s3gen import S3Gen
from chatterbox.models.t3 import T3
from chatterbox.models.t3.inference.alignment_stream_analyzer import AlignmentStreamAnalyzer
from chatterbox.models.tokenizers import MTLTokenizer
from chatterbox.mtl_tts import SUPPORTED_LANGUAGES, ChatterboxMultilingualTTS
from safetensors.torch import load_file, save_file

from tts_app.engines.base import BatchingEngine, Clip, CloningEngine, EngineError, Segment
from tts_app.engines.chatterbox.engine import MAX_CHARACTERS, ChatterboxEngine
from tts_app.engines.chatterbox.model import Manner, load_model
from tts_app.resources.engines.chatterbox import LANGUAGES

MANNER = Manner(exaggeration=0.5, cfg_weight=0.5, temperature=0.8, repetition_penalty=None, seed=0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("chatterbox")
    yield tiny_chatterbox.make(folder)
    shutil.rmtree(folder)  # a gigabyte


@pytest.fixture(scope="module")
def engine(files: Path) -> ChatterboxEngine:
    return ChatterboxEngine.load(files, "none", {"threads": 1})


@pytest.fixture
def segment(clip: Clip) -> Callable[..., Segment]:
    def make(text: str = "Good evening.", locale: str = "en-US", **fields: Any) -> Segment:
        return Segment(text, "", locale, "", **{"clip": clip, **fields})

    return make


def simulated_decoder(speech_tokens: torch.Tensor, ref_dict: Any) -> tuple[torch.Tensor, None]:
    """Stand for S3Gen, which takes seconds: a simulated sound of the right length, by its tokens."""
    samples = torch.sin(speech_tokens.float().repeat_interleave(tiny_chatterbox.RATE // 25) / 100)
    return samples[None] * 0.1, None


@pytest.fixture
def quick(engine: ChatterboxEngine, monkeypatch: pytest.MonkeyPatch) -> ChatterboxEngine:
    """Return the engine with a simulated decoder."""
    monkeypatch.setattr(engine._open().model.s3gen, "inference", simulated_decoder)
    return engine


def test_upstream_takes_what_the_adapter_passes(takes: Callable[..., None]) -> None:
    takes(ChatterboxMultilingualTTS.__init__, "t3", "s3gen", "ve", "tokenizer", "device")
    takes(ChatterboxMultilingualTTS.prepare_conditionals, "wav_fpath")
    takes(
        ChatterboxMultilingualTTS.generate,
        "text",
        "language_id",
        "exaggeration",
        "cfg_weight",
        "temperature",
        "repetition_penalty",
    )
    takes(MTLTokenizer.check_vocabset_sot_eot)
    takes(T3.__init__, "hp")
    takes(S3Gen.inference, "speech_tokens", "ref_dict", "n_cfm_timesteps")


def test_upstream_speaks_our_languages() -> None:
    assert set(SUPPORTED_LANGUAGES) - LANGUAGES == {"zh", "ja", "he", "ru"}
    assert set(SUPPORTED_LANGUAGES) >= LANGUAGES


def test_engine_says_what_it_can_do(engine: ChatterboxEngine) -> None:
    assert isinstance(engine, CloningEngine)
    assert not isinstance(engine, BatchingEngine)
    assert engine.capabilities.sample_rate == tiny_chatterbox.RATE
    assert not engine.capabilities.parallel
    with pytest.raises(EngineError, match="it imitates a clip"):
        engine.check_speaker("af_heart")


def test_engine_speaks_and_its_sound_is_watermarked(
    engine: ChatterboxEngine,
    segment: Callable[..., Segment],
    speaks: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = engine._open().model.s3gen
    # In one step instead of ten: it is the one part that is as large as the release's.
    monkeypatch.setattr(decoder, "inference", partial(decoder.inference, n_cfm_timesteps=1))
    (sound,) = speaks(engine, segment())
    # The last token of version 3 is noise, and taken off.
    assert sound.size == (tiny_chatterbox.TOKENS - 1) * tiny_chatterbox.RATE // 25
    found = perth.PerthImplicitWatermarker().get_watermark(sound, tiny_chatterbox.RATE, round=False)
    assert np.mean(found) > 0.9


def test_same_segment_gives_the_same_samples_and_another_seed_others(
    quick: ChatterboxEngine, segment: Callable[..., Segment], speaks: Callable[..., Any]
) -> None:
    first, again, *others = (
        speaks(quick, segment(parameters=own))[0] for own in ({}, {}, {"seed": 1}, {"temperature": 0.05})
    )
    assert np.array_equal(first, again)
    for other in others:
        assert first.shape != other.shape or not np.allclose(first, other)


def test_parameters_reach_the_model(
    quick: ChatterboxEngine, segment: Callable[..., Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, seen = quick._open().model, []
    speak = model.t3.inference
    monkeypatch.setattr(model.t3, "inference", lambda **given: seen.append(given) or speak(**given))
    own = {"exaggeration": 1.5, "cfg_weight": 0.25, "temperature": 0.5, "repetition_penalty": 1.75}
    quick.synthesise([segment(parameters=own)])
    quick.synthesise([segment()])
    first, plain = seen
    assert float(first["t3_cond"].emotion_adv) == 1.5
    assert [first[name] for name in ("cfg_weight", "temperature", "repetition_penalty")] == [0.25, 0.5, 1.75]
    assert float(plain["t3_cond"].emotion_adv) == 0.5
    assert plain["repetition_penalty"] == 1.2


def test_call_leaves_the_random_numbers_of_others_alone(
    quick: ChatterboxEngine, segment: Callable[..., Segment]
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    quick.synthesise([segment()])
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en-AU", "Good evening."),
        ("es-ES", "Buenas noches."),
        ("ar-SA", "مساء الخير."),
        ("hi-IN", "शुभ संध्या।"),
    ],
)
def test_engine_speaks_our_locales(
    quick: ChatterboxEngine,
    segment: Callable[..., Segment],
    speaks: Callable[..., Any],
    locale: str,
    text: str,
) -> None:
    speaks(quick, segment(text, locale))


def test_two_hundred_calls_leave_nothing_behind(
    files: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the check of alignment, which hooks into the model, and all else but decoder and watermark."""
    loaded = load_model(files, check_alignment=True)
    monkeypatch.setattr(loaded.model.s3gen, "inference", simulated_decoder)
    monkeypatch.setattr(loaded.model, "watermarker", perth.DummyWatermarker())
    voice = loaded.voice(clip)
    hooks, memory = [], []
    for call in range(200):
        loaded.speak(voice, "A b.", "en", MANNER._replace(seed=call % 5))
        assert _watchers(loaded) == 0
        if call in (20, 199):
            gc.collect()
            assert not any(type(it) is AlignmentStreamAnalyzer for it in gc.get_objects())
            hooks.append(sum(len(module._forward_hooks) for module in loaded.model.t3.modules()))
            memory.append(psutil.Process().memory_info().rss)
    assert hooks[0] == hooks[1]  # transformers has its own
    assert memory[1] - memory[0] < 32 * 2**20


def test_package_alone_would_leave_hooks(files: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the package removes them itself: take that out of the adapter."""
    loaded = load_model(files, check_alignment=True)
    monkeypatch.setattr(loaded.model.s3gen, "inference", simulated_decoder)
    loaded.model.conds = loaded.voice(clip)
    for _ in range(2):
        loaded.model.generate("Hi.", "en")
    assert _watchers(loaded) == 2 * 3


def test_text_that_is_too_short_for_the_check_is_spoken(
    files: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_model(files, check_alignment=True)
    monkeypatch.setattr(loaded.model.s3gen, "inference", simulated_decoder)
    voice = loaded.voice(clip)
    for text in ("A", "Ab", "Abc", "Abcd"):
        assert loaded.speak(voice, text, "en", MANNER).size


def test_alignment_is_checked_with_version_2_alone(files: Path, tmp_path: Path) -> None:
    (tmp_path / "t3_mtl23ls_v2.safetensors").symlink_to(files / "t3_mtl23ls_v3.safetensors")
    for name in ("s3gen.safetensors", "ve.safetensors", "grapheme_mtl_merged_expanded_v1.json"):
        (tmp_path / name).symlink_to(files / name)
    second, third = load_model(tmp_path, None), load_model(files, None)
    assert (second.check_alignment, second.repetition_penalty, second.ends_in_noise) == (True, 2.0, False)
    assert (third.check_alignment, third.repetition_penalty, third.ends_in_noise) == (False, 1.2, True)


def _watchers(loaded: Any) -> int:
    """Return how many hooks of the package watch attention."""
    hooks = [
        hook for layer in loaded.model.t3.tfmr.layers for hook in layer.self_attn._forward_hooks.values()
    ]
    return sum("AlignmentStreamAnalyzer" in hook.__qualname__ for hook in hooks)


def test_clip_is_computed_once_and_forgotten(
    quick: ChatterboxEngine, clip: Clip, segment: Callable[..., Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = quick._open().model
    computed: list[Any] = []
    prepare = model.prepare_conditionals
    monkeypatch.setattr(model, "prepare_conditionals", lambda wave: computed.append(wave) or prepare(wave))
    mine = dataclasses.replace(clip, digest="1" * 64)
    first, again = (quick.synthesise([segment(clip=mine)])[0] for _ in range(2))
    assert len(computed) == 1
    assert np.array_equal(first, again)
    assert model.conds is None
    quick.forget(mine.digest)
    quick.forget(mine.digest)
    assert mine.digest not in quick._voices._values


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"locale": "ur-PK"}, "does not speak ur-PK; it speaks: ar, da"),
        ({"locale": "zh-CN"}, "does not speak zh-CN"),
        ({"text": "a" * (MAX_CHARACTERS + 1)}, "301 characters are too many for one segment: at most 300"),
        ({"text": " "}, "the text is empty"),
        ({"clip": None}, "needs a `reference`"),
        ({"parameters": {"exaggeration": 9.0}}, "Wrong parameters of a chatterbox voice: exaggeration"),
    ],
)
def test_engine_refuses_what_it_cannot_speak(
    engine: ChatterboxEngine, segment: Callable[..., Segment], fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(EngineError, match=says):
        engine.synthesise([segment(**fields)])


def test_engine_speaks_one_segment_a_call(engine: ChatterboxEngine, segment: Callable[..., Segment]) -> None:
    with pytest.raises(EngineError, match="one segment at a time, not 2"):
        engine.synthesise([segment()] * 2)
    assert engine.synthesise([]) == []


def test_load_refuses_a_model_that_is_not_whole(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> None:
        ChatterboxEngine.load(tmp_path, "none", {"threads": 1})

    with pytest.raises(
        EngineError, match=r"must hold t3_mtl23ls_v3\.safetensors or one other.*it holds none"
    ):
        load()
    (tmp_path / "t3_hi.safetensors").write_bytes(b"damaged")
    with pytest.raises(EngineError, match=r"t3_hi\.safetensors is damaged"):
        load()
    weights = load_file(files / "ve.safetensors")
    save_file(weights, tmp_path / "t3_hi.safetensors")
    with pytest.raises(EngineError, match=r"t3_hi\.safetensors is of another model: it differs in"):
        load()
    (tmp_path / "t3_es.safetensors").write_bytes(b"")
    with pytest.raises(EngineError, match=r"it holds t3_es\.safetensors, t3_hi\.safetensors"):
        load()
    monkeypatch.setattr(perth, "PerthImplicitWatermarker", None)
    with pytest.raises(EngineError, match="setuptools below 81"):
        load()


def test_closed_engine_says_so(
    files: Path, segment: Callable[..., Segment], is_closed: Callable[..., None]
) -> None:
    is_closed(ChatterboxEngine.load(files, "none", {"threads": 1}), segment())
