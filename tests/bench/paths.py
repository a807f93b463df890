"""Where the benchmark of the operators finds modules of other folders, once this is imported."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "hack"), str(ROOT / "tests" / "operator")]
