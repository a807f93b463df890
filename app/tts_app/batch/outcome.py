"""How far a batch is, and how it ended."""

from dataclasses import dataclass, field
from typing import Any, Literal

from tts_app.amounts import Amounts

State = Literal["Succeeded", "PartiallyFailed", "Failed", "Stopped"]


@dataclass(slots=True)
class Spoken:
    """What a voice has spoken."""

    items: int = 0
    amounts: Amounts = field(default_factory=Amounts)


@dataclass(slots=True)
class Progress:
    """How far a batch is."""

    total: int
    known: bool = False
    """Whether the output was read: before that, the counts that follow are not known."""
    done: int = 0
    """Items whose audio is in the output, including earlier ones."""
    failed: int = 0
    skipped: int = 0
    """Items whose audio was there before."""
    failures: list[dict[str, Any]] = field(default_factory=list)
    """The first ones: post, avatar, reason, message."""
    waiting: str = ""
    """What the batch waits for."""
    seconds: float = 0.0
    """Audio that this run has made."""
    spoken: dict[tuple[str, str], Spoken] = field(default_factory=dict)
    """What this run has made, by model and voice."""

    def add(self, model: str, voice: str, characters: int, seconds: float) -> None:
        """Count an item that this run has spoken."""
        self.done += 1
        self.seconds += seconds
        spoken = self.spoken.setdefault((model, voice), Spoken())
        spoken.items += 1
        spoken.amounts.add(Amounts(characters, seconds))

    @property
    def counts(self) -> dict[str, int]:
        """Number of items by their status."""
        return {"total": self.total, "done": self.done, "failed": self.failed, "skipped": self.skipped}

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON for users, without counts until some are known."""
        counts = {"progress": self.counts, "failures": list(self.failures)} if self.known else {}
        return counts | ({"waiting": self.waiting} if self.waiting else {})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a batch ended."""

    state: State
    progress: Progress
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON for users."""
        message = {"message": self.message} if self.message else {}
        return {**self.progress.as_dict(), "outcome": self.state, **message}
