"""How long a batch waits, and for what."""

from dataclasses import dataclass

from tts_app.serving.governor import AVERAGE_SECONDS, SAMPLE_SECONDS


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds. The defaults are the product's; tests give shorter ones."""

    output: float = 180.0
    """How long an output may be away, or full, before the batch is given up."""
    output_looks: tuple[float, float] = (0.5, 10.0)
    """Before the output is looked at, twice as long before the next look, and the longest."""
    retry: tuple[float, float] = (0.5, 30.0)
    """Before the first retry of an item, twice as long before the next one, and the longest."""
    progress: float = 1.0
    """Between two tellings of the progress."""
    sample: float = SAMPLE_SECONDS
    """Between two looks at how busy the nodes are."""
    average: float = AVERAGE_SECONDS
    """Over which that is averaged."""


DEFAULT_WAITS = Waits()
