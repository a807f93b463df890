"""What requests and batches take: pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Amounts:
    """What was spoken and written."""

    characters: int = 0
    """Of texts that were spoken."""
    audio_seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, more: "Amounts") -> None:
        """Add what something else took."""
        self.characters += more.characters
        self.audio_seconds += more.audio_seconds
        self.prompt_tokens += more.prompt_tokens
        self.completion_tokens += more.completion_tokens
