"""Prepares a Kokoro graph for loading: rewrites and optimises it for the CPU, and keeps it near the original.

This is done once per model, version of the rewrites, version of onnxruntime and kind of CPU. Later loads use
the result with the optimiser off, which saves more than half of the loading time. The weights are in a file
of their own, which onnxruntime maps into memory: sessions and processes share it.
"""

import hashlib
import logging
import os
import platform
import tempfile
from pathlib import Path

import onnxruntime as ort

from tts_app.sources.base import cache_folder

REWRITES_VERSION = 2
"""Increase it with every change to the rewrites' result: it is part of a prepared graph's key."""

_GRAPH, _WEIGHTS = "graph.onnx", "weights.bin"

_log = logging.getLogger(__name__)


def prepare(model: Path) -> Path | None:
    """Return the prepared graph of `model`, which is made at first use; None where it cannot be stored.

    Processes may prepare one model at the same time: each renames a whole folder into place.
    """
    folder = prepared_folder(model)
    if not folder.is_dir():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".preparing-") as work:
                _put_in_place(_optimise(model, Path(work)), folder)
        except OSError as error:
            _log.warning("%s cannot be prepared and will load and run more slowly: %s", model, error)
            return None
    return folder / _GRAPH


def prepared_folder(model: Path) -> Path:
    """Return where the prepared graph of `model` is kept; the name contains what it depends on.

    That is beside the model or, where that folder cannot be written (an image, a claim), in the cache.
    """
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kind = hashlib.sha256(_cpu_features().encode()).hexdigest()
    name = f"{model.stem}.{digest[:16]}-r{REWRITES_VERSION}-ort{ort.__version__}-{kind[:8]}"
    shelf = model.parent if os.access(model.parent, os.W_OK) else cache_folder() / "prepared"
    return shelf / name


def _cpu_features() -> str:
    """Describe the CPU as far as onnxruntime's choice of kernels depends on it."""
    try:
        cpu = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        cpu = platform.processor()
    features = next((line for line in cpu.splitlines() if line.startswith(("flags", "Features"))), cpu)
    return f"{platform.machine()} {features}"


def _optimise(model: Path, work: Path) -> Path:
    """Rewrite and optimise `model` into a folder in `work`, whose files are synced to the disk."""
    # Only preparing needs onnx: a start with a prepared graph does not import it.
    import onnx  # noqa: PLC0415

    from tts_app.engines.kokoro.graph import rewrite  # noqa: PLC0415

    proto = onnx.load(str(model))
    counts = rewrite(proto)
    rewritten, folder = work / "rewritten.onnx", work / "prepared"
    onnx.save(proto, str(rewritten))
    del proto
    folder.mkdir()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / _GRAPH)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", _WEIGHTS)
    ort.InferenceSession(str(rewritten), options, providers=["CPUExecutionProvider"])
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _log.info("Prepared %s: %s", model, ", ".join(f"{name} {count}" for name, count in counts.items()))
    return folder


def _put_in_place(made: Path, folder: Path) -> None:
    """Rename `made` to `folder`, unless another process was first: its result is as good."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
