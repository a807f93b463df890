"""Prepares a Kokoro graph for loading: rewrites and optimises it for the CPU, and keeps it near the original.

This is done once per model, version of the rewrites, version of onnxruntime and kind of CPU. Later loads use
the result with the optimiser off, which saves more than half of the loading time. The weights are in a file
of their own, which onnxruntime maps into memory: sessions and processes share it.
"""

import hashlib
import json
import logging
import os
import platform
import tempfile
from pathlib import Path

import onnxruntime as ort
from filelock import FileLock

from tts_app.settings import Settings
from tts_app.sources.base import cache_folder, sha256_of

REWRITES_VERSION = 2
"""Increase it with every change to the rewrites' result: it is part of a prepared graph's key."""

_GRAPH, _WEIGHTS, _DIGESTS = "graph.onnx", "weights.bin", "digests.json"

_log = logging.getLogger(__name__)


def prepare(model: Path) -> Path | None:
    """Return the prepared graph of `model`, which is made at first use; None where it cannot be stored.

    One whose files have changed since it was made is made anew. Processes may prepare one model at the same
    time: each renames a whole folder into place.
    """
    folder = prepared_folder(model)
    if not _is_whole(folder):
        if folder.is_dir():
            _log.warning("%s changed since it was made, or has no digests; it is made anew", folder)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".preparing-") as work:
                made = _optimise(model, Path(work))
                (made / _DIGESTS).write_text(json.dumps(_digests(made)), encoding="ascii")
                _put_in_place(made, folder)
        except OSError as error:
            _log.warning("%s cannot be prepared and will load and run more slowly: %s", model, error)
            return None
    return folder / _GRAPH


def prepared_folder(model: Path) -> Path:
    """Return where the prepared graph of `model` is kept; the name contains what it depends on.

    That is beside the model or, where that folder cannot be written (an image, a claim), in the cache; in the
    state folder where the cache cannot be written either, as in a cluster's pods, which share a cache.
    """
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kind = hashlib.sha256(_cpu_features().encode()).hexdigest()
    name = f"{model.stem}.{digest[:16]}-r{REWRITES_VERSION}-ort{ort.__version__}-{kind[:8]}"
    return _shelf(model) / name


def _shelf(model: Path) -> Path:
    if os.access(model.parent, os.W_OK):
        return model.parent
    cache = cache_folder()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    return (cache if os.access(existing, os.W_OK) else Settings().state) / "prepared"


def _digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of a prepared graph's files, by name."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != _DIGESTS}


def _is_whole(folder: Path) -> bool:
    """Return whether a folder has a prepared graph, unchanged since it was made."""
    try:
        written = json.loads((folder / _DIGESTS).read_text(encoding="ascii"))
    except (OSError, ValueError):  # a version without digests made it, or this file has changed
        return False
    return bool(written == _digests(folder))


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
        if _is_whole(folder):
            return
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not _is_whole(folder):
                folder.rename(made.with_name("changed"))  # it goes with the folder of the work
                made.rename(folder)
