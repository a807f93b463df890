"""Logs: one JSON object a line. Lines of a reconcile name the service, or TTSJob, that it is about."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

_SEVERITIES = {logging.WARNING: "warn", logging.CRITICAL: "fatal"}
"""Names of levels that are not the level's own, in lower case."""
_SUBJECT: ContextVar[Mapping[str, str]] = ContextVar("subject", default={})  # noqa: B039 - never changed in place


def configure(level: str) -> None:
    """Log everything of `level` and above to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter())
    handler.addFilter(annotate)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs every request


def formatter() -> logging.Formatter:
    """Return what makes a line of a record."""
    return JsonFormatter(("severity", "name", "message"), rename_fields={"name": "logger"}, timestamp=True)


@contextmanager
def about(subject: Mapping[str, str]) -> Iterator[None]:
    """Add the fields of `subject` to what is logged in the block, also by tasks that it starts."""
    token = _SUBJECT.set(subject)
    try:
        yield
    finally:
        _SUBJECT.reset(token)


def annotate(record: logging.LogRecord) -> bool:
    """Add to a record how severe it is and what it is about. It is a filter that lets everything pass."""
    record.severity = _SEVERITIES.get(record.levelno, record.levelname.lower())
    for name, value in _SUBJECT.get().items():
        setattr(record, name, value)
    return True
