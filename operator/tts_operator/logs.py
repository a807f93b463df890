"""Logs: one JSON object per line, with the app's names of fields. Lines of a reconcile name its subject."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

from tts_app.telemetry import traces

_SUBJECT: ContextVar[Mapping[str, str]] = ContextVar("subject", default={})  # noqa: B039 - never changed in place


def configure(level: str) -> None:
    """Log everything of `level` and above to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter())
    handler.addFilter(annotate)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs every request


def formatter() -> logging.Formatter:
    """Return the formatter that turns a record into a line."""
    return JsonFormatter(
        ("levelname", "message", "name"),
        rename_fields={"levelname": "level", "message": "event", "name": "logger"},
        static_fields={"component": "operator"},
        timestamp="time",
    )


@contextmanager
def about(subject: Mapping[str, str]) -> Iterator[None]:
    """Add the fields of `subject` to what is logged in the block, also by tasks that it starts."""
    token = _SUBJECT.set(subject)
    try:
        yield
    finally:
        _SUBJECT.reset(token)


def annotate(record: logging.LogRecord) -> bool:
    """Add its subject and its trace to a record. It is a filter that passes every record."""
    for name, value in _SUBJECT.get().items():
        setattr(record, name, value)
    if trace_id := traces.trace_id():
        record.trace_id = trace_id
    return True
