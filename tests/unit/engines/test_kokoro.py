"""The engine with the real int8 model; only what is refused before it speaks needs none."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tts_app.engines.base import EngineError, Segment
from tts_app.engines.kokoro.engine import MAX_TOKENS, SAMPLE_RATE, KokoroEngine
from tts_app.engines.registry import speech_engine

HELLO = Segment("Hello, and welcome.", "həlˈoʊ, ænd wˈɛlkəm.", "en-US", "af_heart")


def speak(engine: KokoroEngine, segment: Segment) -> np.ndarray:
    return engine.synthesise([segment])[0]


def spectral_centroid(audio: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(audio)) ** 2
    return float((power * np.fft.rfftfreq(audio.size, 1 / SAMPLE_RATE)).sum() / power.sum())


def test_kokoro_is_registered() -> None:
    assert speech_engine("kokoro") is KokoroEngine


def test_kokoro_hub_patterns_name_the_files_it_needs() -> None:
    patterns = KokoroEngine.hub_patterns("int8")
    assert {"onnx/model_quantized.onnx", "tokenizer.json", "voices/*.bin"} <= set(patterns)
    assert "onnx/model.onnx" not in patterns


def test_kokoro_load_refuses_a_damaged_model(release: Path) -> None:
    with pytest.raises(EngineError, match=r"model\.onnx cannot be loaded; is it damaged"):
        KokoroEngine.load(release, "int8", {})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"temperature": 1},
            "kokoro: temperature: Extra inputs are not permitted. It has: runtime, alphabet, threads",
        ),
        ({"threads": 0}, "threads: Input should be greater than or equal to 1"),
        ({"threads": True}, "threads: Input should be a valid integer"),
        ({"threads": 1.5}, "threads: Input should be a valid integer"),
    ],
)
def test_kokoro_load_refuses_wrong_parameters_by_name(
    release: Path, parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        KokoroEngine.load(release, "int8", parameters)


def test_kokoro_capabilities_give_rate_and_phonemes(engine: KokoroEngine) -> None:
    capabilities = engine.capabilities
    assert (capabilities.sample_rate, capabilities.takes) == (24_000, "phonemes")


def test_kokoro_synthesise_gives_speech(engine: KokoroEngine) -> None:
    audio = speak(engine, HELLO)
    assert audio.dtype == np.float32
    assert audio.ndim == 1
    assert 1.0 < audio.size / SAMPLE_RATE < 4.0
    assert 0.1 < np.abs(audio).max() <= 1.0
    assert 0.01 < math.sqrt(np.mean(audio**2)) < 0.3


def test_kokoro_gives_the_same_bytes_alone_or_beside_others(engine: KokoroEngine) -> None:
    alone = speak(engine, HELLO).tobytes()
    others = [HELLO, replace(HELLO, speaker="am_michael"), HELLO]
    with ThreadPoolExecutor(3) as threads:
        together = [audio.tobytes() for audio in threads.map(lambda s: speak(engine, s), others)]
    assert together[0] == together[2] == alone
    assert together[1] != alone


@pytest.mark.parametrize("threads", [2, 3])
def test_kokoro_gives_a_lone_caller_the_same_bytes_on_more_cores(int8_folder: Path, threads: int) -> None:
    engine = KokoroEngine.load(int8_folder, "int8", {"threads": threads})
    for speaker, phonemes in (("af_heart", HELLO.phonemes), ("hm_omega", "nəmˈʌsteː, aːp kˈɛːseː hɛ̃ː?")):
        segment = replace(HELLO, speaker=speaker, phonemes=phonemes)
        alone, beside = (engine.synthesise([segment], alone)[0] for alone in (True, False))
        assert alone.tobytes() == beside.tobytes()
    engine.close()


def test_kokoro_gives_the_same_bytes_after_a_second_load(engine: KokoroEngine, int8_folder: Path) -> None:
    again = KokoroEngine.load(int8_folder, "int8", {})
    assert speak(again, HELLO).tobytes() == speak(engine, HELLO).tobytes()
    again.close()


def test_kokoro_drops_unknown_phonemes(engine: KokoroEngine) -> None:
    odd = replace(HELLO, phonemes=HELLO.phonemes.replace("ə", "ə☃\u200d", 1))
    assert speak(engine, odd).tobytes() == speak(engine, HELLO).tobytes()


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_kokoro_follows_the_speed(engine: KokoroEngine, speed: float) -> None:
    normal = speak(engine, HELLO).size
    assert normal / speak(engine, replace(HELLO, speed=speed)).size == pytest.approx(speed, rel=0.12)


def test_kokoro_multiplies_the_speeds_of_voice_and_segment(engine: KokoroEngine) -> None:
    slow = replace(HELLO, speed=1.6, parameters={"speed": 0.5})
    assert speak(engine, slow).tobytes() == speak(engine, replace(HELLO, speed=0.8)).tobytes()


def test_kokoro_blend_sounds_between_its_voices(engine: KokoroEngine) -> None:
    pure = [spectral_centroid(speak(engine, replace(HELLO, speaker=s))) for s in ("hf_beta", "em_alex")]
    blend = spectral_centroid(speak(engine, replace(HELLO, speaker="hf_beta*0.5+em_alex*0.5")))
    assert min(pure) * 0.8 < blend < max(pure) * 1.2
    assert (
        speak(engine, replace(HELLO, speaker="hf_beta*1")).tobytes()
        == speak(engine, replace(HELLO, speaker="hf_beta")).tobytes()
    )


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (replace(HELLO, phonemes=""), "Nothing to speak"),
        (replace(HELLO, phonemes="☃"), "Nothing to speak"),
        (replace(HELLO, phonemes="a" * (MAX_TOKENS + 1)), "511 phonemes are too many"),
        (replace(HELLO, speaker="af_nobody"), "no voice 'af_nobody'"),
        (replace(HELLO, parameters={"pitch": 2}), "Wrong parameters of a kokoro voice: pitch: Extra inputs"),
        (replace(HELLO, parameters={"speed": "fast"}), "speed: Input should be a valid number"),
        (replace(HELLO, speed=0.0), r"speed of 0\.0"),
        (replace(HELLO, speed=-1.0), "cannot be spoken"),
        (replace(HELLO, speed=math.nan), "speed of nan"),
        (replace(HELLO, speed=math.inf), "speed of inf"),
    ],
)
def test_kokoro_refuses_what_it_cannot_speak(engine: KokoroEngine, segment: Segment, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        engine.synthesise([segment])


def test_kokoro_speaks_one_segment_per_call(engine: KokoroEngine) -> None:
    assert engine.synthesise([]) == []
    with pytest.raises(EngineError, match="one segment at a time, not 2"):
        engine.synthesise([HELLO, HELLO])


def test_kokoro_close_is_final_and_idempotent(int8_folder: Path) -> None:
    engine = KokoroEngine.load(int8_folder, "int8", {})
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.synthesise([HELLO])
