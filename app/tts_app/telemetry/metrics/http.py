"""Metrics of HTTP: what was asked for, how it was answered, and why it was refused."""

from enum import StrEnum

from tts_app.telemetry.metrics.instruments import SECONDS, Counter, Gauge, Histogram

UNMATCHED = "unmatched"
"""The route of a request that has none."""
LEFT = 499
"""The status of a request whose caller left before the answer's end. It is never sent."""
OTHER_METHOD = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that are labels; callers may send any word."""


class Refusal(StrEnum):
    """Why a request was refused."""

    INVALID = "invalid"
    """Something in it is wrong."""
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    """The caller may not do that, or came by a wrong name or from another site's page."""
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    """It does not fit how things are now: not ready yet, ended, or a name that is taken."""
    TOO_LARGE = "too_large"
    QUOTA = "quota"
    TIMEOUT = "timeout"
    """It arrived too slowly."""
    OVERLOAD = "overload"
    """A queue, or the listener, had no room."""
    UNAVAILABLE = "unavailable"
    """A model, the database, a key's store or a file does not answer."""
    AUDIT = "audit"
    """It could not be recorded in the audit."""
    UNSUPPORTED = "unsupported"
    """This service, or the model's engine, does not do that."""


class HttpMetrics:
    """The gateway's figures about requests. Make one per replica; for one event loop."""

    def __init__(self) -> None:
        self._requests = Counter("ttsp_http_requests", "Requests answered.", "route", "method", "status")
        self._seconds = Histogram(
            "ttsp_http_request_seconds", "Seconds from request to last byte.", SECONDS, "route", "method"
        )
        self._open = Gauge("ttsp_http_requests_open", "Requests being answered.")
        self._refusals = Counter("ttsp_refusals", "Requests refused.", "reason")
        self._now = 0

    def began(self) -> None:
        """Record that a request began."""
        self._now += 1

    def ended(self, route: str, method: str, status: int, seconds: float) -> None:
        """Record that a request ended after `seconds`. `route` is a pattern of ours, or UNMATCHED."""
        self._now -= 1
        method = method if method in METHODS else OTHER_METHOD
        self._requests.inc(route, method, str(status))
        self._seconds.observe(seconds, route, method)

    def refused(self, reason: Refusal) -> None:
        """Record that a request was refused."""
        self._refusals.inc(reason)

    def show(self) -> None:
        """Show how many requests are being answered."""
        self._open.set(self._now)
