"""Kokoro-82M on onnxruntime: phonemes and a style vector in, 24 kHz speech out.

All callers share two sessions on one copy of the weights. Calls of the first take one core each, which gives
the most speech a second. Calls of the second take all cores; it serves a caller that is alone.
"""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, EngineError, Segment
from tts_app.engines.kokoro.alphabet import kokoro_symbols
from tts_app.engines.kokoro.files import KokoroFiles, Voices, find_files, model_names
from tts_app.engines.kokoro.prepare import prepare
from tts_app.engines.parameters import checked_parameters
from tts_app.resources.engines.kokoro import KokoroParameters, KokoroVoiceParameters

SAMPLE_RATE = 24_000
MAX_TOKENS = 510
"""The text encoder has 512 positions; two are the padding around the tokens."""
SPEEDS = (0.5, 2.0)
"""Tempo that the model follows within a tenth; measured from 0.4 to 3: above 2 it is too slow."""
MAX_THREADS = 4
"""Cores beyond which one call gains little."""
RELEASE_ABOVE = 150
"""Segments of more tokens release their memory: 400 characters take 0.8 GB that 40 never need."""

_DTYPES = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


class KokoroEngine:
    """The `kokoro` SpeechEngine."""

    def __init__(self, files: KokoroFiles, narrow: ort.InferenceSession, wide: ort.InferenceSession) -> None:
        self._vocabulary = files.vocabulary
        self._voices = Voices(files.voices)
        self._dtypes = _input_dtypes(narrow, files.model)
        self._sessions: tuple[ort.InferenceSession, ort.InferenceSession] | None = (narrow, wide)
        self._releasing = ort.RunOptions()
        self._releasing.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    @classmethod
    def load(cls, files: Path, quantization: str, parameters: Mapping[str, Any]) -> Self:
        """Load the model of a release folder.

        Its only parameter is `threads`, the cores that a call uses when it is alone. By default only int8
        uses more than one: its samples are the same on any number of threads, while those of floating-point
        graphs differ by rounding.

        Raises:
            EngineError: a file is missing or damaged, or a parameter is unknown or out of range.
        """
        most = min(_cores(), MAX_THREADS) if quantization == "int8" else 1
        threads = checked_parameters("kokoro", KokoroParameters, parameters).threads or most
        found = find_files(files, quantization)
        try:
            prepared = prepare(found.model)
            narrow = _open_session(found.model, prepared, 1)
            wide = _open_session(found.model, prepared, threads) if threads > 1 else narrow
        except Exception as error:  # onnx's and onnxruntime's own exceptions have no other common base
            raise EngineError(f"{found.model} cannot be loaded; is it damaged? {error}") from error
        return cls(found, narrow, wide)

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """Return the patterns of the files that an ONNX release on the Hub has for `quantization`.

        Raises:
            EngineError: Kokoro has no such quantization.
        """
        return [*model_names(quantization), "vocab.json", "tokenizer.json", "voices/*.bin"]

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do."""
        return Capabilities(
            sample_rate=SAMPLE_RATE,
            takes="phonemes",
            max_input=MAX_TOKENS,
            speeds=SPEEDS,
        )

    def check_speaker(self, speaker: str) -> None:
        """Raise EngineError unless `speaker` is a voice or a blend of voices (see `Voices`)."""
        self._voices.check(speaker)

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        """Speak at most one segment: the exported graph has no batch dimension.

        A call that is `alone`, with no other call at the time, uses all cores and so returns soonest.
        A voice's parameter `speed` multiplies the segment's. Phonemes outside the vocabulary are dropped.
        The graph uses no random numbers and a fixed order of sums: the same segment gives the same samples.

        Raises:
            EngineError: several segments, too many phonemes or none, or an unknown voice or parameter.
        """
        if len(segments) > 1:
            raise EngineError(f"Kokoro speaks one segment at a time, not {len(segments)}.")
        return [self._speak(segment, alone) for segment in segments]

    def close(self) -> None:
        """Release the model; a call under way ends first. Idempotent."""
        self._sessions = None

    def _speak(self, segment: Segment, alone: bool) -> Audio:
        sessions = self._sessions
        if sessions is None:
            raise EngineError("This Kokoro engine is closed.")
        tokens = self._tokenise(kokoro_symbols(segment.phonemes, segment.locale))
        inputs = self._inputs(tokens, segment.speaker, _read_speed(segment))
        release = self._releasing if len(tokens) > RELEASE_ABOVE else None
        audio = sessions[alone].run(None, inputs, release)[0]
        return np.ascontiguousarray(audio, np.float32).reshape(-1)

    def _tokenise(self, phonemes: str) -> list[int]:
        tokens = [token for p in phonemes if (token := self._vocabulary.get(p)) is not None]
        if not tokens:
            # Without the phonemes themselves: they are a user's text, and errors are logged.
            raise EngineError(
                f"Nothing to speak: none of {len(phonemes)} phonemes is in Kokoro's vocabulary."
            )
        if len(tokens) > MAX_TOKENS:
            raise EngineError(f"{len(tokens)} phonemes are too many for one segment: at most {MAX_TOKENS}.")
        return tokens

    def _inputs(self, tokens: list[int], speaker: str, speed: float) -> dict[str, NDArray[Any]]:
        """Return the graph's inputs. A voice's row n - 1 is its style for n tokens."""
        styles = self._voices.styles(speaker)
        values: dict[str, Any] = {"style": styles[min(len(tokens), len(styles)) - 1][None], "speed": [speed]}
        padded = [[0, *tokens, 0]]
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


def _read_speed(segment: Segment) -> float:
    """Return the tempo of a segment: its own times its voice's."""
    own = checked_parameters("a kokoro voice", KokoroVoiceParameters, segment.parameters).speed
    speed = float(segment.speed * own)
    if not (math.isfinite(speed) and speed > 0):
        raise EngineError(f"A speed of {speed} cannot be spoken: it must be above 0.")
    return speed
