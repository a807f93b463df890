"""What one segment asks of a VITS model."""

from collections.abc import Sequence
from typing import NamedTuple


class Item(NamedTuple):
    """An item of a batch."""

    tokens: Sequence[int]
    speed: float
    """Tempo; 1 is the checkpoint's own."""
    seed: int
    noise_scale: float | None
    """Factor of the noise of the sound; None: the checkpoint's own."""
    noise_scale_duration: float | None
    """Factor of the noise of the rhythm; None: the checkpoint's own."""
