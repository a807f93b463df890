"""Which build runs."""

import platform

import ray

from tts_app import __version__
from tts_app.telemetry.metrics.instruments import Gauge


class BuildMetrics:
    """The versions of a process. Make one per replica."""

    def __init__(self) -> None:
        self._info = Gauge("ttsp_build_info", "1, with the versions as labels.", "version", "python", "ray")

    def show(self) -> None:
        """Show the versions."""
        self._info.set(1, __version__, platform.python_version(), ray.__version__)
