"""The engine `omnivoice` against its package, with a tiny model of random weights."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_omnivoice
import torch
from omnivoice import OmniVoice
from omnivoice.models.omnivoice import OmniVoiceGenerationConfig
from omnivoice.utils.lang_map import LANG_IDS
from omnivoice.utils.voice_design import _INSTRUCT_VALID_EN

from tts_app.engines.base import BatchingEngine, Clip, CloningEngine, EngineError, Segment
from tts_app.engines.omnivoice.description import WORDS
from tts_app.engines.omnivoice.engine import MAX_CHARACTERS, OmniVoiceEngine
from tts_app.resources.engines.omnivoice import LANGUAGES

FEW = {"steps": 6}
TEXTS = (
    "Welcome to the house.",
    "Hi.",
    "The rooms are ready now, and breakfast begins at seven.",
    "Good night.",
)


def segment(text: str = TEXTS[0], locale: str = "en-US", **fields: Any) -> Segment:
    fields = {"speaker": "" if fields.get("clip") else "female, low pitch", "parameters": FEW, **fields}
    return Segment(text, "", locale, **fields)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_omnivoice.make(tmp_path_factory.mktemp("omnivoice"))


@pytest.fixture(scope="module")
def engine(files: Path) -> OmniVoiceEngine:
    return OmniVoiceEngine.load(files, "none", {"threads": 2, "max_batch": 8})


def test_upstream_takes_what_the_adapter_passes(takes: Callable[..., None]) -> None:
    takes(
        OmniVoice.generate,
        "text",
        "language",
        "voice_clone_prompt",
        "instruct",
        "speed",
        "generation_config",
    )
    takes(OmniVoice.create_voice_clone_prompt, "ref_audio", "ref_text")
    takes(OmniVoice._generate_iterative, "task", "gen_config")
    takes(OmniVoice._estimate_target_tokens, "text", "ref_text", "num_ref_audio_tokens", "speed")
    takes(OmniVoice.forward, "input_ids", "audio_mask", "attention_mask")
    takes(
        OmniVoice._prepare_inference_inputs,
        "text",
        "num_target_tokens",
        "ref_text",
        "ref_audio_tokens",
        "lang",
        "instruct",
        "denoise",
    )


def test_upstream_knows_our_languages_and_words() -> None:
    assert set(LANGUAGES.values()) <= set(LANG_IDS)
    assert set(WORDS) == set(_INSTRUCT_VALID_EN)


def test_upstream_settings_are_those_that_the_adapter_was_written_for() -> None:
    """A new one might change how codes are filled in, which the adapter does itself."""
    assert {field.name for field in dataclasses.fields(OmniVoiceGenerationConfig)} == {
        "num_step",
        "guidance_scale",
        "t_shift",
        "layer_penalty_factor",
        "position_temperature",
        "class_temperature",
        "denoise",
        "preprocess_prompt",
        "postprocess_output",
        "audio_chunk_duration",
        "audio_chunk_threshold",
        "pad_duration",
        "fade_duration",
    }


def test_engine_says_what_it_can_do(engine: OmniVoiceEngine) -> None:
    assert isinstance(engine, BatchingEngine)
    assert isinstance(engine, CloningEngine)
    assert engine.capabilities.sample_rate == tiny_omnivoice.RATE
    engine.check_speaker("Female,  british accent")
    with pytest.raises(EngineError, match="does not know a word of the description"):
        engine.check_speaker("a calm voice")


def test_engine_fills_in_codes_as_the_package_does(
    files: Path, engine: OmniVoiceEngine, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without chance, the package's own codes are known."""
    theirs = OmniVoice.from_pretrained(str(files), device_map="cpu", dtype=torch.float32)
    ours = engine._open().model
    seen: dict[str, list[torch.Tensor]] = {}
    for name, model in (("theirs", theirs), ("ours", ours)):
        decode = model._decode_and_post_process

        def keep(codes: torch.Tensor, *rest: Any, name: str = name, decode: Any = decode) -> np.ndarray:
            seen.setdefault(name, []).append(codes)
            return decode(codes, *rest)

        monkeypatch.setattr(model, "_decode_and_post_process", keep)
    calm = {**FEW, "position_temperature": 0.0}
    for own in (None, clip):
        engine.synthesise([segment(text, parameters=calm, clip=own) for text in TEXTS])
        theirs.generate(
            text=list(TEXTS),
            language="en",
            instruct=None if own else "female, low pitch, american accent",
            voice_clone_prompt=engine._prompts.of(own) if own else None,
            num_step=FEW["steps"],
            position_temperature=0.0,
        )
    assert len(seen["ours"]) == 2 * len(TEXTS)
    for ours_codes, their_codes in zip(seen["ours"], seen["theirs"], strict=True):
        assert torch.equal(ours_codes, their_codes)


@pytest.mark.parametrize("cloned", [False, True])
def test_batch_is_as_each_segment_alone(
    engine: OmniVoiceEngine, clip: Clip, cloned: bool, batch_is_exact: Callable[..., None]
) -> None:
    own = clip if cloned else None
    batch_is_exact(
        engine,
        [segment(text, parameters={**FEW, "seed": seed}, clip=own) for seed, text in enumerate(TEXTS)],
    )


def test_same_segment_gives_the_same_samples_and_another_seed_others(
    engine: OmniVoiceEngine, speaks: Callable[..., Any]
) -> None:
    first, again, other = (speaks(engine, segment(parameters={**FEW, "seed": seed}))[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


def test_length_follows_text_and_speed(engine: OmniVoiceEngine, speaks: Callable[..., Any]) -> None:
    slow, fast = (speaks(engine, segment(TEXTS[2], speed=speed))[0].size for speed in (0.75, 1.5))
    assert 1.5 * fast < slow < 3 * fast
    frames = engine.size(segment(TEXTS[2])).frames
    assert frames == pytest.approx(speaks(engine, segment(TEXTS[2]))[0].size / tiny_omnivoice.FRAME, rel=0.2)


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en-GB", "Good evening."),
        ("en-AU", "Good evening."),
        ("es-ES", "Buenas noches."),
        ("hi-IN", "शुभ संध्या।"),
        ("ur-PK", "شام بخیر۔"),
        ("ar-SA", "مساء الخير."),
        ("ar-EG", "مساء الخير."),
        ("ar-AE", "مساء الخير."),
    ],
)
def test_engine_speaks_all_locales(
    engine: OmniVoiceEngine, speaks: Callable[..., Any], locale: str, text: str
) -> None:
    speaks(engine, segment(text, locale))


def test_clip_is_computed_once_and_forgotten(
    engine: OmniVoiceEngine, clip: Clip, speaks: Callable[..., Any]
) -> None:
    mine = dataclasses.replace(clip, digest="1" * 64)
    speaks(engine, segment(clip=mine), segment("Hi.", clip=mine))
    assert mine.digest in engine._prompts._values
    engine.forget(mine.digest)
    engine.forget(mine.digest)
    assert mine.digest not in engine._prompts._values


def test_segments_with_and_without_clip_do_not_share_a_call(engine: OmniVoiceEngine, clip: Clip) -> None:
    assert engine.size(segment()).group != engine.size(segment(clip=clip)).group
    assert engine.size(segment(clip=clip)).frames > engine.size(segment()).frames + 70
    with pytest.raises(EngineError, match="of one group"):
        engine.synthesise([segment(), segment(clip=clip)])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (segment(locale="fr-FR"), "does not speak fr-FR; it speaks: ar-001, ar-AE"),
        (segment(locale="ar-MA"), "does not speak ar-MA"),
        (segment("a" * (MAX_CHARACTERS + 1)), "too many for one segment"),
        (segment(instructions="as if it rained"), "a word of the instructions"),
        (segment(parameters={"steps": 1000}), "Wrong parameters of an omnivoice voice: steps"),
        (segment(locale="es-ES", speaker="female, british accent"), "accents in English alone"),
        (segment(clip=Clip("2" * 64, np.zeros(24_000, np.float32), 24_000, " ")), "needs the transcript"),
    ],
)
def test_engine_refuses_what_it_cannot_speak(engine: OmniVoiceEngine, wrong: Segment, says: str) -> None:
    for call in (engine.size, lambda it: engine.synthesise([it])):
        with pytest.raises(EngineError, match=says):
            call(wrong)


def test_engine_refuses_more_segments_than_it_takes(files: Path) -> None:
    engine = OmniVoiceEngine.load(files, "none", {})  # its default on a CPU: 1
    with pytest.raises(EngineError, match="2 segments are too many for one call: at most 1"):
        engine.synthesise([segment()] * 2)


def test_quantised_language_model_speaks(files: Path, speaks: Callable[..., Any]) -> None:
    plain, small, auto = (OmniVoiceEngine.load(files, how, {}) for how in ("none", "int8", "auto"))
    kinds = [
        type(engine._open().model.llm.layers[0].mlp.up_proj.weight.data) for engine in (plain, small, auto)
    ]
    assert kinds[0] != kinds[1]
    assert kinds[2] == kinds[0]  # `auto` on a CPU
    speaks(small, segment())
    with pytest.raises(EngineError, match="int4 runs on a GPU only"):
        OmniVoiceEngine.load(files, "int4", {})


def test_load_refuses_a_model_that_is_not_whole(files: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"config\.json is missing"):
        OmniVoiceEngine.load(tmp_path, "none", {})
    folder = tmp_path / "copy"
    shutil.copytree(files, folder, ignore=shutil.ignore_patterns("audio_tokenizer"))
    with pytest.raises(EngineError, match=r"audio_tokenizer/config\.json is missing"):
        OmniVoiceEngine.load(folder, "none", {})
    shutil.copytree(files / "audio_tokenizer", folder / "audio_tokenizer")
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(EngineError, match="cannot load"):
        OmniVoiceEngine.load(folder, "none", {})


def test_lack_of_memory_is_said(
    files: Path, engine: OmniVoiceEngine, fails_for_lack_of_memory: Callable[..., None]
) -> None:
    fails_for_lack_of_memory(lambda: OmniVoiceEngine.load(files, "none", {}), OmniVoice, "__init__")
    fails_for_lack_of_memory(lambda: engine.synthesise([segment()]), OmniVoice, "forward")


def test_closed_engine_says_so(files: Path, is_closed: Callable[..., None]) -> None:
    is_closed(OmniVoiceEngine.load(files, "none", {}), segment())
