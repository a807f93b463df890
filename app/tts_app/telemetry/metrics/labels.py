"""Closed lists of values that several subjects have as labels."""

from enum import StrEnum


class Kind(StrEnum):
    """What a model does."""

    SPEECH = "speech"
    TEXT = "text"


class Priority(StrEnum):
    """Whether somebody waits for it."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"
    """Stored speeches, and items of batches: they go behind all callers who wait."""


class Outcome(StrEnum):
    """How a request for speech or text ended."""

    FINISHED = "finished"
    FAILED = "failed"
    ABANDONED = "abandoned"
    """Its caller left."""
    REFUSED = "refused"
    """The queue had no room."""


class Failure(StrEnum):
    """Why a request failed."""

    ENGINE = "engine"
    """The engine refused it, or could not do it."""
    UNAVAILABLE = "unavailable"
    """The model did not answer, or was lost."""
    TEXT = "text"
    """Its text could not be spoken or read: the caller's fault."""
    VOICE = "voice"
    """The cloned voice was revoked or could not be read."""
    STORAGE = "storage"
    """The database, a disk or an object store."""
    TIMEOUT = "timeout"
    INTERNAL = "internal"
    """Anything else: a fault of ours."""
