"""Where benchmarks find modules of other folders, once this is imported."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "hack"), str(ROOT / "tests" / "operator"), str(ROOT / "tests" / "app" / "batch")]
sys.path += [str(ROOT / "tests" / "unit" / "engines"), str(ROOT / "tests" / "unit" / "storage")]
sys.path += [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "app" / "simulated")]
