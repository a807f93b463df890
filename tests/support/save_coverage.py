"""A plugin of coverage: each process saves what it has measured every few seconds.

Ray ends its workers and replicas by force, and tests kill drivers: such a process never comes to the end at
which coverage saves by itself.
"""

import threading
import time

import coverage
from coverage.plugin_support import Plugins

_SECONDS = 3.0


def coverage_init(registry: Plugins, _options: dict[str, str]) -> None:
    """Begin to save. Coverage calls this once in each process."""
    registry.add_noop(coverage.CoveragePlugin())
    threading.Thread(target=_save_again_and_again, name="save-coverage", daemon=True).start()


def _save_again_and_again() -> None:
    while True:
        time.sleep(_SECONDS)
        if (measuring := coverage.Coverage.current()) is not None:
            measuring.save()
