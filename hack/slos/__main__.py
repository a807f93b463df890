"""`python hack/slos`."""

import sys
from pathlib import Path

# Run as a folder, Python searches the folder itself for modules: the package needs its parent on the path.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from slos.cli import main  # noqa: E402

sys.exit(main())
