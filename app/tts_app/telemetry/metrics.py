"""The playground's metrics, as Ray Serve metrics: Ray's agent on each node exports them to Prometheus.

Labels are the avatar and its locale, never a user's text.
"""

from collections.abc import Mapping
from typing import Any

from ray.serve.metrics import Counter, Gauge, Histogram

_LABELS: Any = ("voice", "locale")  # Ray annotates a tuple of one
_SECONDS = [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0]


class RequestMetrics:
    """Counts requests of one `kind` that end badly, and those that each model has. Make one per replica."""

    def __init__(self, kind: str, labels: tuple[str, ...]) -> None:
        keys: Any = labels
        self._failed = Counter(f"ttsp_{kind}_failures", "Requests that failed.", tag_keys=keys)
        self._abandoned = Counter(f"ttsp_{kind}_abandoned", "Requests whose caller left.", tag_keys=keys)
        self._rejected = Counter(
            f"ttsp_{kind}_rejected", "Requests refused as overload.", tag_keys=("model",)
        )
        self._waiting = Gauge(f"ttsp_{kind}_waiting", "Requests in the queue.", tag_keys=("model",))
        self._running = Gauge(f"ttsp_{kind}_running", "Requests being served.", tag_keys=("model",))

    def failed(self, labels: Mapping[str, str]) -> None:
        """Record a request that failed."""
        self._failed.inc(1, tags=dict(labels))

    def abandoned(self, labels: Mapping[str, str]) -> None:
        """Record a request that its caller cancelled."""
        self._abandoned.inc(1, tags=dict(labels))

    def rejected(self, model: str) -> None:
        """Record a request refused because the queue was full."""
        self._rejected.inc(1, tags={"model": model})

    def load(self, model: str, running: int, waiting: int) -> None:
        """Record how many requests a model has."""
        self._running.set(running, tags={"model": model})
        self._waiting.set(waiting, tags={"model": model})


class SpeechMetrics:
    """The gateway's figures about speech. Make one per replica."""

    def __init__(self) -> None:
        self._files = Counter("ttsp_speech_files", "Audio files finished.", tag_keys=_LABELS)
        self._audio = Counter("ttsp_speech_audio_seconds", "Seconds of audio made.", tag_keys=_LABELS)
        self._request = Histogram(
            "ttsp_speech_request_seconds",
            "Seconds from request to last byte.",
            boundaries=_SECONDS,
            tag_keys=_LABELS,
        )
        self._first = Histogram(
            "ttsp_speech_first_audio_seconds",
            "Seconds from request to first audio.",
            boundaries=_SECONDS,
            tag_keys=_LABELS,
        )
        self.requests = RequestMetrics("speech", _LABELS)

    def first_audio(self, voice: str, locale: str, seconds: float) -> None:
        """Record that a request's first audio was ready after `seconds`."""
        self._first.observe(seconds, tags={"voice": voice, "locale": locale})

    def audio(self, voice: str, locale: str, seconds: float) -> None:
        """Record `seconds` of audio made."""
        if seconds > 0:
            self._audio.inc(seconds, tags={"voice": voice, "locale": locale})

    def finished(self, voice: str, locale: str, seconds: float) -> None:
        """Record a file finished, `seconds` after its request."""
        tags = {"voice": voice, "locale": locale}
        self._files.inc(1, tags=tags)
        self._request.observe(seconds, tags=tags)


class TextMetrics:
    """The gateway's figures about text. Make one per replica."""

    def __init__(self) -> None:
        self.requests = RequestMetrics("text", ("model",))
        self._first = Histogram(
            "ttsp_text_first_token_seconds",
            "Seconds from request to first token, with the wait for a slot.",
            boundaries=_SECONDS,
            tag_keys=("model",),
        )
        self._request = Histogram(
            "ttsp_text_request_seconds",
            "Seconds from request to last token.",
            boundaries=_SECONDS,
            tag_keys=("model",),
        )

    def first_token(self, model: str, seconds: float) -> None:
        """Record that a request's first token came after `seconds`."""
        self._first.observe(seconds, tags={"model": model})

    def finished(self, model: str, seconds: float) -> None:
        """Record an answer finished, `seconds` after its request."""
        self._request.observe(seconds, tags={"model": model})


class AuditMetrics:
    """The gateway's figures about the audit. Make one per replica."""

    def __init__(self) -> None:
        self._unwritten = Counter("ttsp_audit_write_failures", "Requests refused: no row could be written.")
        self._unanchored = Counter("ttsp_audit_anchor_failures", "Heads of chains that could not be kept.")

    def unwritten(self) -> None:
        """Record a request that was refused because it could not be recorded."""
        self._unwritten.inc(1)

    def unanchored(self) -> None:
        """Record a head that could not be anchored."""
        self._unanchored.inc(1)


class EngineMetrics:
    """A voice replica's figures. Make one per replica."""

    def __init__(self) -> None:
        self._segments = Counter("ttsp_engine_segments", "Segments that the engine spoke.")
        self._busy = Counter("ttsp_engine_seconds", "Seconds that segments waited for and were spoken.")

    def spoke(self, segments: int, seconds: float) -> None:
        """Record a call of the engine."""
        self._segments.inc(segments)
        if seconds > 0:
            self._busy.inc(seconds)
