"""A small make-believe release for what needs no speech, and the real models of the cache for what does."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tts_app.engines.kokoro.engine import KokoroEngine
from tts_app.sources.base import cache_folder


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release folder with four voices of constant figures; its model is not a graph."""
    (tmp_path / "voices").mkdir()
    for number, name in enumerate(("af_one", "am_two", "ef_three", "hm_four"), start=1):
        np.full((510, 256), number, "<f4").tofile(tmp_path / "voices" / f"{name}.bin")
    (tmp_path / "vocab.json").write_text(json.dumps({"vocab": {"a": 1, "ə": 2, ".": 3}}), encoding="utf-8")
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    return tmp_path


@pytest.fixture(scope="session")
def int8_folder() -> Path:
    """The embedded int8 model, as `make setup` fetches it."""
    return _cached("kokoro-82m/int8", "model.onnx")


@pytest.fixture(scope="session")
def fp32_folder() -> Path:
    """Kokoro's fp32 graph, as `ttsp models fetch --all` fetches it."""
    return _cached("kokoro-82m/fp32", "model.onnx")


@pytest.fixture(scope="session")
def smollm() -> Path:
    """The embedded language model, as `make setup` fetches it: a folder with one GGUF file."""
    return _cached("smollm2-135m-instruct/q4_1", "model.gguf")


def _cached(name: str, file: str) -> Path:
    folder = cache_folder() / "models" / name
    if not (folder / file).is_file():
        reason = f"the embedded model {name} is not in the cache: run `make setup` first"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def engine(int8_folder: Path) -> KokoroEngine:
    """The real engine, shared: it is thread-safe."""
    return KokoroEngine.load(int8_folder, "int8", {})
