"""Models to write with: of this process, and of a playground elsewhere."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated_playground import SimulatedPlayground

from tts_app.engines.registry import ADAPTERS

MODEL = """
kind: TextModel
metadata: {name: writer}
spec:
  engine: llamacpp
  source: {uri: "FOLDER"}
  license: {spdx: MIT, commercialUse: true}
  contextLength: 4096
"""


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A shell has what it runs in the background ignore Ctrl-C, and so does all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a TextModel whose engine is simulated."""
    monkeypatch.setitem(ADAPTERS, "llamacpp", "simulated_writer:SimulatedTextEngine")
    path = tmp_path / "models.yaml"
    path.write_text(MODEL.replace("FOLDER", tmp_path.as_uri()))
    return path


@pytest.fixture
def playground() -> Iterator[SimulatedPlayground]:
    simulated = SimulatedPlayground()
    yield simulated
    simulated.close()
