"""`python hack/tiers`."""

import sys
from pathlib import Path

# Run as a folder, Python looks for modules in the folder itself: the package is found from its parent.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from tiers.cli import main  # noqa: E402

sys.exit(main())
