"""A pytest inside a test: what a plugin of ours does to a run."""

import os
import subprocess
import sys
from pathlib import Path

E2E = Path(__file__).parents[1] / "e2e"


def run_pytest(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run pytest in `folder`, with the plugins of tests/e2e at hand; return its status and its words."""
    path = os.pathsep.join(filter(None, [str(E2E), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        env=os.environ | {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout
