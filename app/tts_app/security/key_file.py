"""A file of hashed keys: those of a cluster's Secret, with which the first caller comes in."""

import json
import threading
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from tts_app.security.authenticator import Records
from tts_app.security.principal import Scope
from tts_app.storage.api_keys import ApiKey
from tts_app.tenants import TENANT_NAME


class KeyRecord(BaseModel):
    """A key, as the file has it. To revoke it, remove it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    """The part of the key between the underscores."""
    tenant: Annotated[str, StringConstraints(pattern=TENANT_NAME)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    """What it is for."""
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """Keyed hash of the key (`tts_app.security.keys`)."""
    scopes: Annotated[list[Scope], Field(min_length=1)]
    created: float
    """Seconds since the epoch, as `expires`."""
    created_by: str
    expires: float | None = None
    """None: never."""


_RECORDS = TypeAdapter(list[KeyRecord])


def parse_records(text: str) -> list[KeyRecord]:
    """Return the keys of a file's text.

    Raises:
        ValueError: it is no list of keys, or two have one id; it quotes nothing of the text.
    """
    try:
        records = _RECORDS.validate_json(text)
    except ValidationError as error:
        raise ValueError(first_fault(error)) from None
    if len({record.id for record in records}) < len(records):
        raise ValueError("two keys have the same id")
    return records


def first_fault(error: ValidationError) -> str:
    """Return what is wrong first, and where, without what was given."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


def written_records(records: list[KeyRecord]) -> str:
    """Return the text of a file with these keys."""
    return json.dumps([record.model_dump(mode="json") for record in records], indent=1)


class KeyFileError(ValueError):
    """A file of keys cannot be read, or is none."""


class KeyFile:
    """The keys of a file, and then other keys.

    The file is read again when it changes: Kubernetes replaces the files of a Secret that is mounted.
    """

    def __init__(self, path: Path, others: Records) -> None:
        """Raises KeyFileError."""
        self._path = path
        self._others = others
        self._lock = threading.Lock()
        self._version: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}
        with self._lock:
            self._read()

    def get(self, key_id: str) -> ApiKey | None:
        """Return a key's record, or None. Blocking.

        Raises:
            KeyFileError: the file has changed and cannot be read. Its keys of before do not count: somebody
                may have removed one of them.
        """
        with self._lock:
            self._read()
            found = self._keys.get(key_id)
        return found or self._others.get(key_id)

    def _read(self) -> None:
        try:
            stat = self._path.stat()
            version = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if version == self._version:
                return
            records = parse_records(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            self._version = None
            reason = error.strerror if isinstance(error, OSError) else error
            raise KeyFileError(
                f"TTSP_KEYS_FILE, {self._path}, is no list of keys: {reason}. `ttsp keys secret` makes one."
            ) from error
        self._keys = {record.id: ApiKey(**record.model_dump(), revoked=None) for record in records}
        self._version = version
