"""What each graph rewrite is worth: CPU time of one model call, the graphs taken in turns."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from tts_app.engines.kokoro.graph import REWRITES, rewrite

GRAPHS: dict[str, tuple[str, ...]] = {
    "as exported": (),
    "fuse_adaptive_norms": ("fuse_adaptive_norms",),
    "convolve_spectrum": ("convolve_spectrum",),
    "fuse_adaptive_norms, fold_snake_scales": ("fuse_adaptive_norms", "fold_snake_scales"),
    "all": tuple(REWRITES),
}
PHONEMES = "ðə kwˈɪk bɹˈaʊn fˈɑːks dʒˈʌmps ˌoʊvɚ ðə lˈeɪzi dˈɔːɡ."


def measure(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds of a call by graph, a figure a round."""
    sessions = {name: _open(folder / "model.onnx", names) for name, names in GRAPHS.items()}
    inputs = _inputs(folder)
    for session in sessions.values():
        session.run(None, inputs)
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for number in range(rounds):
        order = list(sessions) if number % 2 else list(sessions)[::-1]
        for name in order:
            began = time.thread_time()
            sessions[name].run(None, inputs)
            times[name].append(time.thread_time() - began)
    return times


def _open(model: Path, names: tuple[str, ...]) -> ort.InferenceSession:
    proto = onnx.load(str(model))
    rewrite(proto, names)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _inputs(folder: Path) -> dict[str, Any]:
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    tokens = [vocabulary[phoneme] for phoneme in PHONEMES if phoneme in vocabulary]
    styles = np.fromfile(folder / "voices" / "af_heart.bin", "<f4").reshape(-1, 256)
    return {
        "tokens": np.array([[0, *tokens, 0]]),
        "style": styles[[len(tokens) - 1]],
        "speed": np.ones(1, np.float32),
    }
