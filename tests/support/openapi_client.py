"""A Python client of the OpenAPI document, made by openapi-python-client."""

import importlib
import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tts_app.sources.base import cache_folder

HERE = Path(__file__).parents[2] / "hack" / "openapi-generators"
CLIENT = "generated_client"


def generators() -> Path:
    """Return the folder of the generators, which `hack/setup dev` installs; skip the test without them."""
    folder = cache_folder() / "openapi-generators"
    if not (folder / "stamp").is_file():
        reason = f"{HERE / 'install'} has not installed the generators of clients"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


def run(*command: str | Path) -> str:
    """Run a generator and return what it said; it must not fail."""
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, check=False)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    return said


def generate(document: str, folder: Path) -> None:
    """Make the client of a document in the folder, without a warning."""
    path = folder / "openapi.json"
    path.write_text(document, encoding="utf-8")
    said = run(
        generators() / "python" / "bin" / "openapi-python-client",
        *("generate", "--path", path, "--config", HERE / "python.yaml"),
        *("--output-path", folder / CLIENT, "--meta", "none", "--fail-on-warning"),
    )
    assert "warning" not in said.lower(), said


def route(tag: str, name: str) -> Any:
    """Return the module of the client that calls a route."""
    return importlib.import_module(f"{CLIENT}.api.{tag}.{name}")


def models() -> ModuleType:
    """Return the client's models."""
    return importlib.import_module(f"{CLIENT}.models")
