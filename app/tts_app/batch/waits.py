"""How long a batch waits, and for what."""

from dataclasses import dataclass

from tts_app.backoff import Backoff
from tts_app.serving.governor import AVERAGE_SECONDS, SAMPLE_SECONDS


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds. The defaults are the product's; tests give shorter ones."""

    output: float = 180.0
    """How long an output may be away or full before the batch fails."""
    output_probe: Backoff = Backoff(0.5, 10.0)
    """Before each probe of such an output."""
    retry: Backoff = Backoff(0.5, 30.0)
    """Before each retry of an item."""
    progress: float = 1.0
    """Between two reports of the progress."""
    sample: float = SAMPLE_SECONDS
    """Between two measurements of how busy the nodes are."""
    average: float = AVERAGE_SECONDS
    """Over which these measurements are averaged."""


DEFAULT_WAITS = Waits()
