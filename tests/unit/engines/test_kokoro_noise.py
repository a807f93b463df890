"""The rewrites leave the real model's speech alone, within its own noise.

The yardstick is what a change far below hearing does to the un-rewritten graph: its style vector times 1 plus
or minus a few millionths. The int8 graph answers with other samples (a rounding flips, then phases drift), as
many, and 2 to 3 dB away in mean log-spectral distance. A rewrite may do what that does, and no more.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from spectra import spectral_distance

from tts_app.engines.kokoro.graph import REWRITES, rewrite

SENTENCES = {
    "af_heart": "həlˈoʊ, ænd wˈɛlkəm.",
    "ef_dora": "bwˈenos dˈias a tˈoðos.",
    "hm_omega": "nəmˈʌsteː, aːp kˈɛːseː hɛ̃ː?",
}
NUDGES = (1 - 2e-6, 1 + 1e-6)
MARGIN = 1.25


class Speaker:
    """A graph in a session of its own."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self._folder = folder
        self._vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        model = onnx.load(str(folder / "model.onnx"))
        self.counts = rewrite(model, names)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def speak(self, voice: str, nudge: float = 1.0) -> np.ndarray:
        tokens = [self._vocabulary[p] for p in SENTENCES[voice] if p in self._vocabulary]
        styles = np.fromfile(self._folder / "voices" / f"{voice}.bin", "<f4").reshape(-1, 256)
        inputs = {
            "tokens": np.array([[0, *tokens, 0]]),
            "style": styles[[len(tokens) - 1]] * np.float32(nudge),
            "speed": np.ones(1, np.float32),
        }
        return self._session.run(None, inputs)[0].ravel()


@pytest.fixture(scope="module")
def plain(int8_folder: Path) -> Iterator[Speaker]:
    yield Speaker(int8_folder, ())


@pytest.fixture(scope="module")
def references(plain: Speaker) -> dict[str, np.ndarray]:
    return {voice: plain.speak(voice) for voice in SENTENCES}


@pytest.fixture(scope="module")
def noise(plain: Speaker, references: dict[str, np.ndarray]) -> float:
    """The model's own noise: the largest distance that a nudge of the style makes, in dB."""
    pairs = [(references[v], plain.speak(v, nudge)) for v in SENTENCES for nudge in NUDGES]
    return max(spectral_distance(a, b) for a, b in pairs if a.size == b.size)


def test_kokoro_model_draws_no_random_numbers(plain: Speaker, references: dict[str, np.ndarray]) -> None:
    assert plain.speak("af_heart").tobytes() == references["af_heart"].tobytes()


@pytest.mark.parametrize(
    ("names", "least"),
    [
        (("fuse_adaptive_norms",), 68),
        (("convolve_spectrum",), 1),
        (("fuse_adaptive_norms", "fold_snake_scales"), 48),
        (tuple(REWRITES), 1),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
def test_rewrite_stays_within_the_noise_of_the_model(
    int8_folder: Path, references: dict[str, np.ndarray], noise: float, names: tuple[str, ...], least: int
) -> None:
    rewritten = Speaker(int8_folder, names)
    assert rewritten.counts[names[-1]] >= least or names == tuple(REWRITES)
    for voice, reference in references.items():
        audio = rewritten.speak(voice)
        assert audio.size == reference.size
        assert spectral_distance(audio, reference) <= MARGIN * noise
        assert np.sqrt(np.mean(audio**2)) == pytest.approx(np.sqrt(np.mean(reference**2)), rel=0.05)
