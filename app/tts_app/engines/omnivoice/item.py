"""What one segment asks of OmniVoice."""

from typing import Any, NamedTuple


class Item(NamedTuple):
    """An item of a batch."""

    text: str
    language: str
    """By the model's own identifiers."""
    description: str | None
    prompt: Any
    """What was computed of the clip; None where there is none. All items of a call have one, or none has."""
    speed: float
    """Tempo; 1 is the model's own."""
    seed: int
