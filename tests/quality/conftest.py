"""Lets the tests import the modules beside them, as `measure.py` does, and gives them the recogniser."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tts_app.evaluate.judge import Judge

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def judge() -> "Judge":
    from tts_app.evaluate.judge import RECOGNISER, Judge, default_folder
    from tts_app.sources import fetch

    if os.environ.get("CI") == "true":
        return Judge(fetch(RECOGNISER))
    if not (default_folder() / "encoder_model_quantized.onnx").is_file():
        pytest.skip("the recogniser is not in the cache: `make quality` fetches it")
    return Judge(default_folder())
