"""Where a Kokoro release keeps its files, and its voices: style vectors by name, and blends of them.

Three layouts are read: the flat one of the embedded model (`model.onnx`, `vocab.json`, `voices/*.bin`), the
one of ONNX releases on the Hub (`onnx/model*.onnx`, `tokenizer.json`, `voices/*.bin`), and the one of
checkpoints of torch (one `*.pth`, `config.json`, `voices/*.pt` or `*.pt`), which torch alone runs.
"""

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tts_app.engines.base import EngineError

STYLE_SIZE = 256
MODEL_NAMES = {
    "none": ("model.onnx", "onnx/model.onnx"),
    "fp16": ("model.onnx", "onnx/model_fp16.onnx"),
    "int8": ("model.onnx", "onnx/model_quantized.onnx"),
}
"""By quantization, the paths where its graph may be, best first."""
CHECKPOINT_GRAPHS = MODEL_NAMES["none"]
"""The graphs that torch can take the weights of, where there is no checkpoint."""
VOCABULARY_NAMES = ("vocab.json", "tokenizer.json", "config.json")
VOICE_SUFFIXES = (".bin", ".pt")
"""Of a voice's file: plain float32 figures, or a tensor of torch."""

Styles = NDArray[np.float32]
"""A voice: shape (rows, STYLE_SIZE), a style vector for each length of input."""


@dataclass(frozen=True, slots=True)
class KokoroFiles:
    """The files of one release."""

    model: Path
    vocabulary: dict[str, int]
    """Phoneme (one character) to token."""
    voices: Path
    config: Path | None = None
    """The sizes of a checkpoint's network; None: those of Kokoro-82M."""


def model_names(quantization: str) -> tuple[str, ...]:
    """Return the paths, in a release folder, where the graph of that quantization may be, best first.

    Raises:
        EngineError: Kokoro has no such quantization.
    """
    if quantization not in MODEL_NAMES:
        raise EngineError(f"Kokoro has no quantization {quantization!r}. Allowed: {', '.join(MODEL_NAMES)}.")
    return MODEL_NAMES[quantization]


def find_files(folder: Path, quantization: str) -> KokoroFiles:
    """Find the model's files in `folder`.

    Raises:
        EngineError: the quantization is unknown, or a file is missing or damaged; the message names it.
    """
    names = model_names(quantization)
    model = next((path for name in names if (path := folder / name).is_file()), None)
    if model is None:
        raise EngineError(f"No Kokoro model in {folder}: looked for {', '.join(names)}.")
    voices = folder / "voices"
    if not any(voices.glob("*.bin")):
        raise EngineError(f"No voices in {voices}: expected files such as af_heart.bin.")
    return KokoroFiles(model, _read_vocabulary(folder), voices)


def find_checkpoint(folder: Path) -> KokoroFiles:
    """Find what torch loads in `folder`: a checkpoint or, without one, the fp32 graph.

    Raises:
        EngineError: a file is missing or damaged, or there are several checkpoints; the message names them.
    """
    checkpoints = sorted(folder.glob("*.pth"))
    if len(checkpoints) > 1:
        names = ", ".join(path.name for path in checkpoints)
        raise EngineError(f"{folder} has several Kokoro checkpoints, and must have one: {names}.")
    graphs = [path for name in CHECKPOINT_GRAPHS if (path := folder / name).is_file()]
    if not checkpoints and not graphs:
        looked = ", ".join(("*.pth", *CHECKPOINT_GRAPHS))
        raise EngineError(f"No Kokoro checkpoint in {folder}: looked for {looked}.")
    # Some checkpoints with one voice have it beside them.
    voices = next((place for place in (folder / "voices", folder) if _voice_paths(place)), None)
    if voices is None:
        raise EngineError(f"No voices in {folder / 'voices'}: expected files such as af_heart.pt or .bin.")
    if not checkpoints:
        return KokoroFiles(graphs[0], _read_vocabulary(folder), voices)
    config = folder / "config.json"
    if not config.is_file():
        raise EngineError(f"No config.json in {folder}: it says the sizes of {checkpoints[0].name}.")
    return KokoroFiles(checkpoints[0], _read_vocabulary(folder), voices, config)


def hub_names(quantization: str) -> list[str]:
    """Return the patterns of the files that a release on the Hub has for `quantization`, in either layout.

    Raises:
        EngineError: Kokoro has no such quantization.
    """
    voices = [f"voices/*{suffix}" for suffix in VOICE_SUFFIXES]
    return [*model_names(quantization), "*.pth", "*.pt", *VOCABULARY_NAMES, *voices]


def _read_vocabulary(folder: Path) -> dict[str, int]:
    """Read vocab.json or config.json ({"vocab": ...}), or tokenizer.json ({"model": {"vocab": ...}})."""
    path = next((p for name in VOCABULARY_NAMES if (p := folder / name).is_file()), None)
    if path is None:
        raise EngineError(f"No vocabulary in {folder}: looked for {', '.join(VOCABULARY_NAMES)}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        vocabulary = (content["model"] if path.name == "tokenizer.json" else content)["vocab"]
        return {str(phoneme): int(token) for phoneme, token in vocabulary.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"{path} is not a Kokoro vocabulary: {error!r}.") from error


class Voices:
    """The voices of a folder, each read at its first use. Thread-safe.

    An expression is a voice's name (`af_heart`) or a blend, a weighted mean of style vectors:
    `hf_beta*0.5+ef_dora*0.5`, whose weights sum to 1.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = _voice_paths(folder)
        self.names = tuple(sorted(self._paths))
        self._read = lru_cache(maxsize=None)(self._read_voice)
        self.styles = lru_cache(maxsize=256)(self._evaluate)
        """Return the read-only styles of an expression; EngineError names what is wrong with it."""

    def check(self, expression: str) -> None:
        """Raise EngineError when the expression is malformed or names a voice that does not exist."""
        self._parse(expression)

    def _parse(self, expression: str) -> list[tuple[str, float]]:
        """Return names and weights."""
        terms = []
        for term in expression.split("+"):
            name, star, written = (part.strip() for part in term.partition("*"))
            if name not in self.names:
                raise EngineError(f"Kokoro has no voice {name!r}. Available: {', '.join(self.names)}.")
            try:
                weight = float(written) if star else 1.0
            except ValueError:
                weight = math.nan
            if not 0 < weight <= 1:
                raise EngineError(
                    f"The weight of {name!r} in {expression!r} is not a number above 0 and at most 1."
                )
            terms.append((name, weight))
        total = sum(weight for _, weight in terms)
        if abs(total - 1) > 1e-3:
            raise EngineError(f"The weights of {expression!r} sum to {total:g}; they must sum to 1.")
        return terms

    def _evaluate(self, expression: str) -> Styles:
        terms = self._parse(expression)
        if len(terms) == 1:
            return self._read(terms[0][0])
        voices = [(self._read(name), np.float32(weight)) for name, weight in terms]
        rows = min(len(styles) for styles, _ in voices)
        blend: Styles = np.zeros((rows, STYLE_SIZE), np.float32)
        for styles, weight in voices:
            blend += weight * styles[:rows]
        blend.flags.writeable = False
        return blend

    def _read_voice(self, name: str) -> Styles:
        path = self._paths[name]
        flat = _read_tensor(path) if path.suffix == ".pt" else _read_figures(path)
        if not flat.size or flat.size % STYLE_SIZE or not np.isfinite(flat).all():
            raise EngineError(
                f"The voice {name!r} is damaged: {flat.size} figures, not rows of {STYLE_SIZE}."
            )
        styles = flat.reshape(-1, STYLE_SIZE)
        styles.flags.writeable = False
        return styles


def _voice_paths(folder: Path) -> dict[str, Path]:
    """Return the file of each voice by its name; of several, that of the first of VOICE_SUFFIXES."""
    return {path.stem: path for suffix in reversed(VOICE_SUFFIXES) for path in folder.glob(f"*{suffix}")}


def _read_figures(path: Path) -> Styles:
    try:
        return np.fromfile(path, dtype="<f4")
    except OSError as error:
        raise EngineError(f"The voice {path.stem!r} cannot be read: {error.strerror}.") from error


def _read_tensor(path: Path) -> Styles:
    # Only torch reads its own files, and only a torch runtime has such.
    from tts_app.engines.kokoro.weights import read_tensor  # noqa: PLC0415

    figures: Styles = read_tensor(path).numpy().reshape(-1)
    return figures
