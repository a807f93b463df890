"""JSON logs: one object per line, with the request's id and never a user's text.

Only the length and a keyed hash of a text may be logged: the hash shows whether two texts are the same, and
without the key no one can test guesses against it.
"""

import hashlib
import hmac
import json
import logging
import secrets
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from tts_app.engines.text import EngineError, EngineStoppedError
from tts_app.files import private_file, private_folder
from tts_app.telemetry import traces

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request that the current task serves; empty outside a request."""

_LOGGER = logging.getLogger("tts_app")
_SERVE = "ray.serve"
"""The logger of Serve, which logs every exception of a call of a replica."""
_FILE_BYTES = 10 << 20
_FILES = 3


def log(event: str, *, level: int = logging.INFO, error: BaseException | None = None, **fields: Any) -> None:
    """Log `event` with `fields`. Of an `error`, log its type and its frames, not its message."""
    if _LOGGER.isEnabledFor(level):
        extra: dict[str, Any] = {"fields": fields}
        if error is not None:
            extra["fields"] = {**fields, **_describe(error)}
        _LOGGER.log(level, event, extra=extra)


def set_up(component: str, level: str, folder: Path | None) -> None:
    """Send this process's logs to `<component>.jsonl` in `folder`, or to standard error without one.

    Serve's own logs go where Serve sends them, without refusals of engines.
    """
    handler: logging.Handler
    if folder is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        if not folder.exists():
            private_folder(folder)
        handler = _PrivateFile(
            folder / f"{component}.jsonl", maxBytes=_FILE_BYTES, backupCount=_FILES, encoding="utf-8"
        )
    handler.setFormatter(JsonFormatter(component))
    for old in list(_LOGGER.handlers):
        _LOGGER.removeHandler(old)
        old.close()
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(level)
    _LOGGER.propagate = False
    logging.getLogger(_SERVE).addFilter(_is_no_refusal)


class _PrivateFile(RotatingFileHandler):
    """Log files that only their owner can read."""

    def _open(self) -> TextIOWrapper:
        private_file(Path(self.baseFilename))
        return super()._open()


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Return whether Serve may log `record`: the traceback of an engine's refusal holds parts of the text."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, EngineError) or isinstance(error, EngineStoppedError)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON; the fields passed to `log` are beside the standard ones."""
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "component": self._component,
            "event": record.getMessage(),
            **fields,
        }
        if (current := request_id.get()) and "request_id" not in entry:
            entry["request_id"] = current
        if trace := traces.trace_id():
            entry["trace_id"] = trace
        return json.dumps(entry, ensure_ascii=False, default=str)


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
        "error": f"{type(error).__module__}.{type(error).__qualname__}",
        "frames": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
    }
