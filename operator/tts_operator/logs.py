"""Logs: one JSON object a line. Lines of a reconcile name the service, or TTSJob, that it is about."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

_SUBJECT: ContextVar[Mapping[str, str]] = ContextVar("subject", default={})  # noqa: B039 - never changed in place


def configure(level: str) -> None:
    """Log everything of `level` and above to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter())
    handler.addFilter(add_subject)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs every request


def formatter() -> logging.Formatter:
    """Return what makes a line of a record."""
    return JsonFormatter(
        ("levelname", "name", "message"),
        rename_fields={"levelname": "severity", "name": "logger"},
        timestamp=True,
    )


@contextmanager
def about(subject: Mapping[str, str]) -> Iterator[None]:
    """Add the fields of `subject` to what is logged in the block, also by tasks that it starts."""
    token = _SUBJECT.set(subject)
    try:
        yield
    finally:
        _SUBJECT.reset(token)


def add_subject(record: logging.LogRecord) -> bool:
    """Add to a record what it is about. It is a filter that lets everything pass."""
    for name, value in _SUBJECT.get().items():
        setattr(record, name, value)
    return True
