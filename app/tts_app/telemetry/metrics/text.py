"""Metrics of text as callers read it. Those of the engines are `vllm_...`: `telemetry.text`."""

from tts_app.telemetry.metrics.instruments import SECONDS, Counter, Histogram
from tts_app.telemetry.metrics.labels import Failure, Outcome, Priority


class TextMetrics:
    """The gateway's figures about text. Make one per replica."""

    def __init__(self) -> None:
        self._requests = Counter("ttsp_text_requests", "Requests for text that ended.", "model", "outcome")
        self._failures = Counter("ttsp_text_failures", "Requests that failed.", "model", "reason")
        self._first = Histogram(
            "ttsp_text_first_token_seconds",
            "Seconds from request to first token, with the wait for a slot.",
            SECONDS,
            "model",
        )
        self._request = Histogram(
            "ttsp_text_request_seconds", "Seconds from request to last token.", SECONDS, "model"
        )

    def first_token(self, model: str, seconds: float) -> None:
        """Record that a request's first token came after `seconds`."""
        self._first.observe(seconds, model)

    def finished(self, model: str, seconds: float) -> None:
        """Record an answer finished, `seconds` after its request."""
        self._requests.inc(model, Outcome.FINISHED)
        self._request.observe(seconds, model)

    def failed(self, model: str, _priority: Priority, reason: Failure) -> None:
        """Record a request that failed."""
        self._requests.inc(model, Outcome.FAILED)
        self._failures.inc(model, reason)

    def ended(self, model: str, _priority: Priority, outcome: Outcome) -> None:
        """Record a request that was abandoned or refused."""
        self._requests.inc(model, outcome)
