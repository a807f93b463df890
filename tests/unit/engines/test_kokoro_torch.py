"""Kokoro in torch, on the CPU, with the real weights: those of the fp32 ONNX export."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spectra import decibels, signal_to_noise, spectral_distance

from tts_app.audio.samples import Audio
from tts_app.engines.base import BatchingEngine, EngineError, Segment
from tts_app.engines.kokoro import torch_model
from tts_app.engines.kokoro.engine import KokoroEngine
from tts_app.engines.kokoro.files import Voices, find_checkpoint
from tts_app.engines.kokoro.model import FRAME, MAX_TOKENS, Phrase
from tts_app.engines.kokoro.network.layers import extent
from tts_app.engines.kokoro.network.network import NetworkSettings, with_weights
from tts_app.engines.kokoro.torch_model import TorchModel, halve
from tts_app.engines.kokoro.weights import Weights, read_weights

TORCH = {"runtime": "torch", "threads": 1, "max_batch": 32}
"""Two threads wait for each other where other tests run beside, and take three times as long."""
SHORT = Segment("Yes.", "jˈɛs.", "en-US", "am_michael", speed=1.9)
HELLO = Segment("Hello, and welcome.", "həlˈoʊ, ænd wˈɛlkəm.", "en-US", "af_heart")
SPANISH = Segment("Buenos días a todos.", "bwˈenos dˈias a tˈoðos.", "es-ES", "ef_dora", speed=1.9)
SEGMENTS = [HELLO, SHORT, SPANISH]


@pytest.fixture(scope="module", autouse=True)
def _threads_of_other_tests() -> Iterator[None]:
    """Torch has one number of threads for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights(fp32_folder: Path) -> Weights:
    return read_weights(fp32_folder / "model.onnx")


@pytest.fixture(scope="module")
def engine(fp32_folder: Path) -> Iterator[KokoroEngine]:
    engine = KokoroEngine.load(fp32_folder, "none", TORCH)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def batch(engine: KokoroEngine) -> list[Audio]:
    return engine.synthesise(SEGMENTS)


@pytest.fixture(scope="module")
def singles(engine: KokoroEngine) -> list[Audio]:
    return [engine.synthesise([segment])[0] for segment in SEGMENTS]


@pytest.fixture(scope="module")
def onnx(fp32_folder: Path) -> list[Audio]:
    engine = KokoroEngine.load(fp32_folder, "none", {})
    spoken = [engine.synthesise([segment])[0] for segment in SEGMENTS]
    engine.close()
    return spoken


def model_of(weights: Weights, dtype: torch.dtype = torch.float32) -> TorchModel:
    """A model that shares no tensor with others."""
    network = with_weights(NetworkSettings(), {name: tensor.clone() for name, tensor in weights.items()})
    return TorchModel(network.to(dtype), torch.device("cpu"))


def phrases(engine: KokoroEngine) -> list[Phrase]:
    return [engine._phrase(segment) for segment in SEGMENTS]


def test_kokoro_torch_is_a_batching_engine_that_runs_one_call_at_a_time(engine: KokoroEngine) -> None:
    assert isinstance(engine, BatchingEngine)
    capabilities = engine.capabilities
    assert (capabilities.max_batch, capabilities.parallel) == (32, False)
    assert capabilities.max_frames == 1_600
    assert (capabilities.sample_rate, capabilities.takes, capabilities.max_input) == (24_000, "phonemes", 510)


def test_kokoro_torch_speaks_one_segment_a_call_on_a_cpu_unless_told_otherwise(fp32_folder: Path) -> None:
    engine = KokoroEngine.load(fp32_folder, "none", {"runtime": "torch", "threads": 1})
    assert engine.capabilities.max_batch == 1
    engine.close()


def test_kokoro_torch_speaks_as_many_samples_as_onnx(batch: list[Audio], onnx: list[Audio]) -> None:
    assert [audio.size for audio in batch] == [audio.size for audio in onnx]
    assert all(audio.dtype == np.float32 and audio.ndim == 1 for audio in batch)


def test_kokoro_torch_speaks_at_the_level_of_onnx(batch: list[Audio], onnx: list[Audio]) -> None:
    for ours, theirs in zip(batch, onnx, strict=True):
        assert decibels(ours) == pytest.approx(decibels(theirs), abs=0.5)
        assert spectral_distance(ours, theirs) < 2


def test_kokoro_torch_batch_equals_single_calls(batch: list[Audio], singles: list[Audio]) -> None:
    for together, alone in zip(batch, singles, strict=True):
        assert together.size == alone.size
        assert signal_to_noise(alone, together) > 25
        assert spectral_distance(alone, together) < 0.3


def test_kokoro_torch_batch_is_single_calls_sample_for_sample_in_float64(
    engine: KokoroEngine, weights: Weights
) -> None:
    """As 16-bit samples, which is what is sent; before that they differ by the rounding of float64."""
    model = model_of(weights, torch.float64)
    spoken = phrases(engine)[1:]
    together = model.speak(spoken)
    assert together[0].size != together[1].size
    for phrase, audio in zip(spoken, together, strict=True):
        (alone,) = model.speak([phrase])
        assert np.round(alone * 32767).tobytes() == np.round(audio * 32767).tobytes()
        assert signal_to_noise(alone, audio) > 150


def test_kokoro_torch_gives_the_same_bytes_again(engine: KokoroEngine) -> None:
    calls = [[SHORT, SPANISH]] * 3
    with ThreadPoolExecutor(2) as threads:
        spoken = list(threads.map(engine.synthesise, calls))
    assert len({tuple(audio.tobytes() for audio in batch) for batch in spoken}) == 1


def test_kokoro_torch_speaks_the_same_when_padded_to_buckets(
    engine: KokoroEngine, singles: list[Audio]
) -> None:
    """As on a GPU, where batches have one of a few sizes; what is recorded there is called here."""
    model: Any = engine._model
    sounded: list[torch.Size] = []

    def sound(sounds: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        sounded.append(sounds.shape)
        return model._loaded.network.sound(sounds, *others)

    padded = torch_model._batch(phrases(engine)[1:], pads=True)
    with torch.inference_mode():
        spoken = torch_model._speak(model._loaded._replace(sound=sound), padded, pads=True)
    assert padded.tokens.shape == (2, 32)
    assert sounded == [(2, 512, 64)]
    for ours, alone in zip(spoken, singles[1:], strict=True):
        assert ours.size == alone.size
        assert spectral_distance(alone, ours) < 0.3


def test_kokoro_torch_fills_a_batch_with_its_first_phrase(engine: KokoroEngine) -> None:
    hello, short, spanish = phrases(engine)
    filled = torch_model._batch([hello, short, spanish, short, hello], pads=True)
    assert filled.tokens.shape == (6, 32)
    assert filled.lengths.tolist() == [
        len(p.tokens) + 2 for p in (hello, short, spanish, short, hello, hello)
    ]
    assert filled.tokens[5].tolist() == filled.tokens[0].tolist() == filled.tokens[4].tolist()


def test_halve_leaves_float32_what_does_not_bear_less(weights: Weights) -> None:
    """One block is computed: a CPU takes minutes for a phrase in float16."""
    network = with_weights(NetworkSettings(), {name: tensor.clone() for name, tensor in weights.items()})
    block = network.decoder.generator.resblocks[3]
    draw = torch.Generator().manual_seed(1)
    x, style = torch.randn(1, 128, 60, generator=draw), torch.randn(1, 128, generator=draw) / 10
    inside = extent(torch.tensor([60]), 60, torch.float32)
    whole = block(x, style, inside)
    halve(network)
    half = block(x, style, inside)
    assert half.dtype == torch.float32
    assert signal_to_noise(whole.numpy(), half.numpy()) > 50
    halved = {name for name, tensor in network.state_dict().items() if tensor.dtype == torch.float16}
    assert {"decoder.generator.conv_post.weight", "decoder.encode.conv1.weight"} <= halved
    assert all(name.startswith("decoder.") and ".fc." not in name for name in halved)
    assert not any("l_linear" in name or "alpha" in name for name in halved)


def test_kokoro_torch_loads_a_checkpoint_of_the_hub(
    weights: Weights, fp32_folder: Path, singles: list[Audio], tmp_path: Path
) -> None:
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in weights.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[f"module.{rest}"] = tensor
    torch.save(parts, tmp_path / "kokoro-v1_0.pth")
    vocabulary = json.loads((fp32_folder / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    (tmp_path / "config.json").write_text(json.dumps({"n_token": 178, "vocab": vocabulary}), encoding="utf-8")
    (tmp_path / "voices").mkdir()
    style = np.fromfile(fp32_folder / "voices" / "am_michael.bin", "<f4").reshape(510, 1, 256)
    torch.save(torch.from_numpy(style), tmp_path / "voices" / "am_michael.pt")
    engine = KokoroEngine.load(tmp_path, "none", TORCH)
    engine.check_speaker("am_michael")
    with pytest.raises(EngineError, match=r"no voice 'af_heart'\. Available: am_michael"):
        engine.check_speaker("af_heart")
    assert engine.synthesise([SHORT])[0].tobytes() == singles[1].tobytes()
    engine.close()


def test_kokoro_torch_follows_the_speed(engine: KokoroEngine, batch: list[Audio]) -> None:
    (spoken,) = engine.synthesise([replace(HELLO, speed=1.6)])
    assert batch[0].size / spoken.size == pytest.approx(1.6, rel=0.12)


@pytest.mark.parametrize(("index", "segment"), list(enumerate(SEGMENTS)))
def test_kokoro_torch_size_is_about_the_frames(
    engine: KokoroEngine, batch: list[Audio], index: int, segment: Segment
) -> None:
    assert engine.size(segment).frames == pytest.approx(batch[index].size / FRAME, rel=0.4)


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (replace(HELLO, phonemes="☃"), "Nothing to speak"),
        (replace(HELLO, phonemes="a" * (MAX_TOKENS + 1)), "511 phonemes are too many"),
        (replace(HELLO, parameters={"pitch": 2}), "Wrong parameters of a kokoro voice: pitch"),
        (replace(HELLO, speed=0.0), r"speed of 0\.0"),
    ],
)
def test_kokoro_torch_refuses_what_it_cannot_speak(
    engine: KokoroEngine, segment: Segment, message: str
) -> None:
    for call in (lambda: engine.synthesise([SHORT, segment]), lambda: engine.size(segment)):
        with pytest.raises(EngineError, match=message):
            call()


def test_kokoro_torch_refuses_an_unknown_speaker(engine: KokoroEngine) -> None:
    with pytest.raises(EngineError, match="no voice 'af_nobody'"):
        engine.synthesise([replace(HELLO, speaker="af_nobody")])


def test_kokoro_torch_speaks_32_segments_a_call_at_most(engine: KokoroEngine) -> None:
    assert engine.synthesise([]) == []
    with pytest.raises(EngineError, match="up to 32 segments at a time, not 33"):
        engine.synthesise([SHORT] * 33)


def test_kokoro_torch_refuses_int8(fp32_folder: Path) -> None:
    with pytest.raises(EngineError, match=r"torch has no quantization 'int8'\. Allowed: fp16, none"):
        KokoroEngine.load(fp32_folder, "int8", TORCH)


def test_kokoro_torch_refuses_another_models_graph(int8_folder: Path) -> None:
    with pytest.raises(EngineError, match=r"model\.onnx is no checkpoint of Kokoro: \d+ weights are missing"):
        KokoroEngine.load(int8_folder, "none", TORCH)


def test_kokoro_torch_refuses_a_damaged_checkpoint(release: Path) -> None:
    with pytest.raises(EngineError, match=r"model\.onnx cannot be read as weights of Kokoro; is it damaged"):
        KokoroEngine.load(release, "none", TORCH)


@pytest.mark.parametrize("config", ["{", '{"n_token": "many"}', "[]"])
def test_kokoro_torch_refuses_a_damaged_configuration(release: Path, config: str) -> None:
    (release / "config.json").write_text(config)
    with pytest.raises(EngineError, match=r"config\.json is not the configuration of a Kokoro checkpoint"):
        torch_model.read_settings(release / "config.json")


def test_with_weights_names_a_weight_of_another_shape(weights: Weights) -> None:
    other = {**weights, "bert_encoder.bias": torch.zeros(3)}
    with pytest.raises(ValueError, match=r"bert_encoder\.bias has shape \(3,\), which must be \(512,\)"):
        with_weights(NetworkSettings(), other)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 326 MiB"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        ),
    ],
    ids=["gpu", "cpu"],
)
def test_kokoro_torch_says_that_the_memory_is_too_small(
    fp32_folder: Path, engine: KokoroEngine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The allocation that fails is simulated."""

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(torch_model.Network, "to", fails)
    with pytest.raises(EngineError, match=r"too little memory for the weights of model\.onnx; free some"):
        KokoroEngine.load(fp32_folder, "none", TORCH)
    monkeypatch.setattr(torch_model.Network, "lay_out", fails)
    with pytest.raises(EngineError, match="too little memory for a batch of 3 phrases"):
        engine.synthesise(SEGMENTS)


def test_kokoro_torch_hides_no_other_error(engine: KokoroEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(torch_model.Network, "lay_out", fails)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        engine.synthesise([SHORT])


def test_kokoro_torch_says_that_torch_is_not_installed(
    fp32_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tts_app.engines.kokoro.torch_model", None)
    with pytest.raises(
        EngineError, match="The runtime torch of kokoro needs a package that is not installed"
    ):
        KokoroEngine.load(fp32_folder, "none", TORCH)


def test_kokoro_torch_close_waits_for_a_call_and_is_final(
    engine: KokoroEngine, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(weights)
    entered, go_on = threading.Event(), threading.Event()
    lay_out = torch_model.Network.lay_out

    def waits(self: Any, *arguments: Any) -> Any:
        entered.set()
        assert go_on.wait(20)
        return lay_out(self, *arguments)

    monkeypatch.setattr(torch_model.Network, "lay_out", waits)
    with ThreadPoolExecutor(2) as threads:
        call = threads.submit(model.speak, [phrases(engine)[1]])
        assert entered.wait(20)
        closing = threads.submit(model.close)
        assert not closing.done()
        go_on.set()
        assert call.result(20)[0].size > 0
        closing.result(20)
    model.close()
    with pytest.raises(EngineError, match="closed"):
        model.speak([phrases(engine)[1]])


def test_find_checkpoint_prefers_a_checkpoint_to_the_graph(release: Path) -> None:
    (release / "kokoro.pth").write_bytes(b"")
    with pytest.raises(EngineError, match=r"No config\.json .* sizes of kokoro\.pth"):
        find_checkpoint(release)
    (release / "config.json").write_text('{"vocab": {"a": 1}}')
    found = find_checkpoint(release)
    assert (found.model.name, found.config) == ("kokoro.pth", release / "config.json")
    (release / "other.pth").write_bytes(b"")
    with pytest.raises(
        EngineError, match=r"several Kokoro checkpoints, and must have one: kokoro\.pth, other"
    ):
        find_checkpoint(release)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("model.onnx", r"No Kokoro checkpoint in .*: looked for \*\.pth, model\.onnx, onnx/model\.onnx"),
        ("vocab.json", "No vocabulary"),
        ("voices", "No voices"),
    ],
)
def test_find_checkpoint_names_what_is_missing(release: Path, missing: str, message: str) -> None:
    (release / missing).rename(release / "elsewhere")
    with pytest.raises(EngineError, match=message):
        find_checkpoint(release)


def test_find_checkpoint_takes_the_vocabulary_of_the_checkpoint(release: Path) -> None:
    (release / "vocab.json").unlink()
    (release / "model.onnx").rename(release / "nabra.pth")
    (release / "config.json").write_text(json.dumps({"vocab": {"ʕ": 7, "ħ": 8}}), encoding="utf-8")
    assert find_checkpoint(release).vocabulary == {"ʕ": 7, "ħ": 8}


def test_find_checkpoint_finds_a_voice_beside_the_checkpoint(release: Path) -> None:
    (release / "voices").rename(release / "elsewhere")
    (release / "kokoro_arabic.pth").write_bytes(b"")
    (release / "config.json").write_text('{"vocab": {"a": 1}}')
    torch.save(torch.ones(510, 1, 256), release / "af_msa.pt")
    found = find_checkpoint(release)
    assert found.voices == release
    assert Voices(found.voices).names == ("af_msa",)
    assert Voices(found.voices).styles("af_msa").shape == (510, 256)
