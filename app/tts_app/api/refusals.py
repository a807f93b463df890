"""Why a request was refused, as metrics have it: pure."""

from tts_app.telemetry.metrics.http import Refusal

_BY_CODE = {
    "audit_unavailable": Refusal.AUDIT,
    "overloaded": Refusal.OVERLOAD,
    "rate_limit_exceeded": Refusal.QUOTA,
    "insufficient_quota": Refusal.QUOTA,
    "larger_than_quota": Refusal.QUOTA,
    "too_many_wrong_keys": Refusal.UNAUTHENTICATED,
    "text_too_long": Refusal.TOO_LARGE,
    "context_length_exceeded": Refusal.TOO_LARGE,
    "unsupported_parameter": Refusal.UNSUPPORTED,
    "no_cloning_model": Refusal.UNSUPPORTED,
}
"""Codes that say more than their status."""
_BY_STATUS = {
    401: Refusal.UNAUTHENTICATED,
    403: Refusal.FORBIDDEN,
    404: Refusal.NOT_FOUND,
    405: Refusal.UNSUPPORTED,
    408: Refusal.TIMEOUT,
    409: Refusal.CONFLICT,
    413: Refusal.TOO_LARGE,
    421: Refusal.FORBIDDEN,
    429: Refusal.OVERLOAD,
    431: Refusal.TOO_LARGE,
    501: Refusal.UNSUPPORTED,
}


def refusal_of(status: int, code: str) -> Refusal | None:
    """Return why a request was refused that was answered with an error; None: it was not refused, but failed.

    `code` is the error's code in the answer.
    """
    if status == 500:
        return None
    others = Refusal.UNAVAILABLE if status > 500 else Refusal.INVALID
    return _BY_CODE.get(code) or _BY_STATUS.get(status, others)
