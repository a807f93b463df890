"""Kokoro-82M on onnxruntime: one phrase a call, on CPUs.

All callers share two sessions on one copy of the weights. Calls of the first take one core each, which gives
the most speech a second. Calls of the second take all cores; it serves a caller that is alone.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from tts_app.audio.samples import Audio
from tts_app.engines.base import EngineError
from tts_app.engines.kokoro.files import KokoroFiles
from tts_app.engines.kokoro.model import Phrase
from tts_app.engines.kokoro.prepare import prepare
from tts_app.resources.engines.kokoro import KokoroParameters

MAX_THREADS = 4
"""Cores beyond which one call gains little."""
RELEASE_ABOVE = 150
"""Phrases of more tokens release their memory: 400 characters take 0.8 GB that 40 never need."""

_DTYPES = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


def load(files: KokoroFiles, quantization: str, parameters: KokoroParameters) -> "OnnxModel":
    """Load the graph of `files`.

    By default only int8 uses more than one thread for a call that is alone: its samples are the same on any
    number of threads, while those of floating-point graphs differ by rounding.

    Raises:
        EngineError: the graph is damaged, or is none of Kokoro.
    """
    most = min(_cores(), MAX_THREADS) if quantization == "int8" else 1
    threads = parameters.threads or most
    try:
        prepared = prepare(files.model)
        narrow = _open_session(files.model, prepared, 1)
        wide = _open_session(files.model, prepared, threads) if threads > 1 else narrow
    except Exception as error:  # onnx's and onnxruntime's own exceptions have no other common base
        raise EngineError(f"{files.model} cannot be loaded; is it damaged? {error}") from error
    return OnnxModel(_input_dtypes(narrow, files.model), narrow, wide)


class OnnxModel:
    """Two sessions of a graph. Thread-safe."""

    parallel = True
    max_batch = 1
    max_frames = float("inf")

    def __init__(
        self, dtypes: dict[str, type], narrow: ort.InferenceSession, wide: ort.InferenceSession
    ) -> None:
        self._dtypes = dtypes
        self._sessions: tuple[ort.InferenceSession, ort.InferenceSession] | None = (narrow, wide)
        self._releasing = ort.RunOptions()
        self._releasing.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def speak(self, phrases: Sequence[Phrase], alone: bool) -> list[Audio]:
        """Speak at most one phrase: the exported graph has no batch dimension.

        The graph uses no random numbers and a fixed order of sums: the same phrase gives the same samples.

        Raises:
            EngineError: the model is closed.
        """
        return [self._speak(phrase, alone) for phrase in phrases]

    def close(self) -> None:
        """Release the model; a call under way ends first. Idempotent."""
        self._sessions = None

    def _speak(self, phrase: Phrase, alone: bool) -> Audio:
        sessions = self._sessions
        if sessions is None:
            raise EngineError("This Kokoro engine is closed.")
        release = self._releasing if len(phrase.tokens) > RELEASE_ABOVE else None
        audio = sessions[alone].run(None, self._inputs(phrase), release)[0]
        return np.ascontiguousarray(audio, np.float32).reshape(-1)

    def _inputs(self, phrase: Phrase) -> dict[str, NDArray[Any]]:
        values: dict[str, Any] = {"style": phrase.style[None], "speed": [phrase.speed]}
        padded = [[0, *phrase.tokens, 0]]
        return {name: np.asarray(values.get(name, padded), dtype) for name, dtype in self._dtypes.items()}


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _open_session(model: Path, prepared: Path | None, threads: int) -> ort.InferenceSession:
    """Open the prepared graph, or `model` itself, with the settings that measured best."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # onnxruntime keeps planned memory for every shape of input: it would grow with every new length.
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    # Threads that spin while they wait take cores from threads that have work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if prepared is not None:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(prepared or model), options, providers=["CPUExecutionProvider"])


def _input_dtypes(session: ort.InferenceSession, model: Path) -> dict[str, type]:
    """Return the graph's inputs: `style`, `speed` and the tokens, whose name differs between exports."""
    dtypes: dict[str, type] = {
        node.name: _DTYPES[node.type] for node in session.get_inputs() if node.type in _DTYPES
    }
    if set(dtypes) not in ({"style", "speed", "tokens"}, {"style", "speed", "input_ids"}):
        names = ", ".join(node.name for node in session.get_inputs())
        raise EngineError(f"{model} is not a Kokoro graph: its inputs are {names}.")
    return dtypes
