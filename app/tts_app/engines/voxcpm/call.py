"""What one segment asks of VoxCPM2."""

from typing import Any, NamedTuple


class Call(NamedTuple):
    """A call of the model."""

    text: str
    """With what is said of the voice at its beginning, in parentheses."""
    prompt: Any
    """What was computed of the clip; None where there is none."""
    steps: int
    guidance_scale: float
    seed: int
