"""Engines of torch where neither torch nor their own package is installed, such as in a gateway."""

import subprocess
import sys

import pytest

_CODE = """
import sys
from pathlib import Path
for package in ("torch", "transformers", "torchao", "chatterbox", "f5_tts", "omnivoice", "voxcpm"):
    sys.modules[package] = None  # as if it were not installed
from tts_app.engines.base import EngineError
from tts_app.engines.registry import speech_engine
engine = speech_engine("{name}")
print(engine.hub_patterns("none"))
try:
    engine.load(Path(), "none", {{}})
except EngineError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["chatterbox", "f5", "omnivoice", "vits", "voxcpm"])
def test_adapter_is_known_without_its_packages_and_says_what_is_missing_when_it_loads(name: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _CODE.format(name=name)], capture_output=True, text=True, check=True
    )
    patterns, error = run.stdout.splitlines()
    assert ".safetensors" in patterns
    assert error.startswith(f"Engine '{name}' needs a package that is not installed: ")
