"""Builds an engine's environment, runs its contract test there, and removes the environment."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from engines.contracts import ROOT, TOOLS, Contract
from tiers.digest import digest
from tts_app.sources.base import cache_folder

_UV = Path(sys.executable).with_name("uv")


def passes(contract: Contract, root: Path = ROOT) -> bool:
    """Run a contract test, and keep what it covered if it passes; return whether it did.

    Raises:
        subprocess.CalledProcessError: its environment cannot be built.
    """
    covered = digest(root, contract.covers)
    _stamp(contract).unlink(missing_ok=True)
    folder = cache_folder() / "engines"
    folder.mkdir(parents=True, exist_ok=True)
    # Beside uv's own cache on most machines: uv then links files instead of copying gigabytes.
    with tempfile.TemporaryDirectory(prefix=f"{contract.engine}-", dir=folder) as environment:
        python = _build(Path(environment), contract, root)
        command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", contract.tests]
        passed = subprocess.run(command, cwd=root, env=_offline(root), check=False).returncode == 0
    if passed:
        _stamp(contract).write_text(f"{covered}\n", encoding="utf-8")
    return passed


def passed(contracts: Sequence[Contract]) -> Mapping[str, str]:
    """Return what each test covered when it last passed on this machine, by engine."""
    stamps = {contract.engine: _stamp(contract) for contract in contracts}
    return {
        engine: stamp.read_text(encoding="utf-8").strip()
        for engine, stamp in stamps.items()
        if stamp.is_file()
    }


def _stamp(contract: Contract) -> Path:
    folder = cache_folder() / "tested" / "engines"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / contract.engine


def _build(environment: Path, contract: Contract, root: Path) -> Path:
    """Make the environment; return its Python."""
    python = environment / "bin" / "python"
    # The files are complete, and leave out what packages require without need.
    install = [_UV, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python", python, "-r"]
    for command in (
        [_UV, "venv", "--quiet", "--python", sys.executable, environment],
        [*install, contract.requirements],
        [*install, TOOLS],
    ):
        subprocess.run([str(part) for part in command], cwd=root, check=True)
    return python


def _offline(root: Path) -> dict[str, str]:
    """Return the variables of a test: its packages fetch nothing, and find this checkout."""
    return dict(os.environ) | {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "PYTHONPATH": str(root / "app"),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
    }
