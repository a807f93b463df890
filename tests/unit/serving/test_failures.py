"""Why requests fail, as metrics have it."""

import pytest
from sqlalchemy.exc import OperationalError

from tts_app.cloning.vault import VaultError
from tts_app.engines.base import EngineError
from tts_app.engines.text import ContextLengthError, EngineStoppedError, UnreadableAnswerError
from tts_app.serving.client import ModelUnavailableError
from tts_app.serving.failures import failure_of
from tts_app.speech import TextError
from tts_app.telemetry.metrics.labels import Failure


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TextError("nothing"), Failure.TEXT),
        (ContextLengthError("long"), Failure.TEXT),
        (ModelUnavailableError("down"), Failure.UNAVAILABLE),
        (EngineStoppedError("closed"), Failure.UNAVAILABLE),
        (EngineError("no"), Failure.ENGINE),
        (UnreadableAnswerError("what"), Failure.ENGINE),
        (VaultError("locked"), Failure.VOICE),
        (OperationalError("SELECT", {}, ConnectionError("away")), Failure.STORAGE),
        (OSError("disk full"), Failure.STORAGE),
        (TimeoutError(), Failure.TIMEOUT),
        (ValueError("a bug"), Failure.INTERNAL),
    ],
)
def test_failure_of(error: Exception, reason: Failure) -> None:
    assert failure_of(error) is reason
