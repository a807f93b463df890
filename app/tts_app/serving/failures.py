"""Why a request failed, as metrics have it."""

from tts_app.cloning.vault import VaultError
from tts_app.engines.text import ContextLengthError, EngineError, EngineStoppedError
from tts_app.serving.client import ModelUnavailableError
from tts_app.serving.clones import NoVaultError
from tts_app.speech import TextError
from tts_app.storage.database import AWAY
from tts_app.telemetry.metrics.labels import Failure

_REASONS: tuple[tuple[tuple[type[Exception], ...], Failure], ...] = (
    ((TextError, ContextLengthError), Failure.TEXT),
    ((ModelUnavailableError, EngineStoppedError), Failure.UNAVAILABLE),
    ((NoVaultError, VaultError), Failure.VOICE),
    ((EngineError,), Failure.ENGINE),
    (AWAY, Failure.STORAGE),
    ((TimeoutError,), Failure.TIMEOUT),
    ((OSError,), Failure.STORAGE),
)
"""The first that fits counts: a TimeoutError is an OSError too."""


def failure_of(error: Exception) -> Failure:
    """Return why a request failed that ended with `error`."""
    return next((reason for kinds, reason in _REASONS if isinstance(error, kinds)), Failure.INTERNAL)
