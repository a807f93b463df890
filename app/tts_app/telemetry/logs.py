"""JSON logs: one object per line, with the request's id and never a user's text.

Only the length and a keyed hash of a text may be logged: the hash shows whether two texts are the same, and
without the key no one can test guesses against it.
"""

import hashlib
import hmac
import json
import logging
import secrets
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tts_app.engines.text import EngineError, EngineStoppedError
from tts_app.files import private_folder
from tts_app.telemetry import traces
from tts_app.telemetry.about import carried
from tts_app.telemetry.log_file import SharedFile, StandardError

_LOGGER = logging.getLogger("tts_app")
_SERVE = "ray.serve"
"""The logger of Serve, which logs every exception of a call of a replica."""
_PRINTS = "logging_utils.py"
"""The module of Serve that turns what is printed into records."""


def log(event: str, *, level: int = logging.INFO, error: BaseException | None = None, **fields: Any) -> None:
    """Log `event` with `fields`. Of an `error`, log its type, its cause's and its frames, not messages."""
    if _LOGGER.isEnabledFor(level):
        extra: dict[str, Any] = {"fields": fields}
        if error is not None:
            extra["fields"] = {**fields, **_describe(error)}
        _LOGGER.log(level, event, extra=extra)


def set_up(component: str, level: str, folder: Path | None, **always: Any) -> None:
    """Send this process's logs to `<component>.jsonl` in `folder`, or to standard error without one.

    `always` is in every line. What Serve itself logs in this process goes there too, beside where Serve sends
    it; in both, errors are without their messages, and refusals of engines are left out.
    """
    handler: logging.Handler
    if folder is None:
        handler = StandardError()
    else:
        if not folder.exists():
            private_folder(folder)
        handler = SharedFile(folder / f"{component}.jsonl")
    handler.setFormatter(JsonFormatter(component, always))
    handler.addFilter(_is_no_print)
    serve = logging.getLogger(_SERVE)
    for old in list(_LOGGER.handlers):
        _LOGGER.removeHandler(old)
        serve.removeHandler(old)
        old.close()
    for logger in (_LOGGER, serve):
        logger.addHandler(handler)
    _LOGGER.setLevel(level)
    _LOGGER.propagate = False
    serve.addFilter(_without_text)


def _is_no_print(record: logging.LogRecord) -> bool:
    """Return whether `record` is ours, or one that Serve makes itself.

    Serve's logger also gets what libraries print, as if their code had logged it: maybe words of a caller.
    """
    made_by = Path(record.pathname)
    return record.name != _SERVE or ("/ray/serve/" in record.pathname and made_by.name != _PRINTS)


def _without_text(record: logging.LogRecord) -> bool:
    """Return whether Serve may log `record`; replace a traceback, whose error may quote the text.

    The refusal of an engine is no fault: it is left out. So are lines of each call, which we write ourselves.
    """
    if getattr(record, "serve_access_log", False):
        return False
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return True
    if isinstance(error, EngineError) and not isinstance(error, EngineStoppedError):
        return False
    described = _describe(error)
    record.__dict__["fields"] = described
    record.msg = f"{record.getMessage()} {described['error']} at {', '.join(described['frames'])}"
    record.args = None
    record.exc_info = record.exc_text = None
    return True


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON: ours, and those of Serve in our processes."""

    def __init__(self, component: str, always: Mapping[str, Any]) -> None:
        """`always` is in every line."""
        super().__init__()
        self._component = component
        self._always = dict(always)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON; the fields passed to `log` are beside the standard ones."""
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "component": self._component,
            "pid": record.process,
            "event": record.getMessage(),
            **_of_serve(record),
            **carried(),
            **self._always,
            **fields,
        }
        if trace := traces.trace_id():
            entry["trace_id"] = trace
        return json.dumps(entry, ensure_ascii=False, default=str)


def _of_serve(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record of Serve has beyond one of ours: Serve adds the id of the request."""
    if record.name != _SERVE:
        return {}
    given = getattr(record, "request_id", "")
    return {"logger": record.name, **({"request_id": given} if given else {})}


class Fingerprint:
    """A keyed hash of texts (HMAC-SHA256, shortened to 128 bits)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def from_file(cls, path: Path) -> "Fingerprint":
        """Read the key from `path`; make one, readable only by its owner, where there is none."""
        return cls(bytes.fromhex(secret(path)))

    def __call__(self, text: str) -> str:
        """Return the hash of `text`, 32 hexadecimal digits."""
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:32]


def secret(path: Path) -> str:
    """Return the secret kept in `path`, 64 hexadecimal digits; make one (mode 0600) where there is none."""
    private_folder(path.parent)
    try:
        with path.open("x", encoding="ascii") as file:
            path.chmod(0o600)
            file.write(secrets.token_hex(32))
    except FileExistsError:
        path.chmod(0o600)
    return path.read_text(encoding="ascii").strip()


def _describe(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return {
        "error": _type_of(error),
        **_cause(error),
        "frames": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
    }


def _cause(error: BaseException) -> dict[str, str]:
    """Return the type of the first of the errors that led to this one, and SQLite's own name of it."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    name = getattr(first, "sqlite_errorname", "")  # such as SQLITE_BUSY, SQLITE_FULL
    return {} if first is error and not name else {"cause": f"{_type_of(first)} {name}".strip()}


def _type_of(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"
