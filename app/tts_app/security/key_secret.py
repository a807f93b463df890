"""A Kubernetes Secret of hashed keys and their pepper, which a Playground names as `security.keysSecret`."""

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

import yaml
from pydantic import ValidationError

from tts_app.security.key_file import KeyRecord, first_fault, parse_records, written_records
from tts_app.security.keys import Key, new_key
from tts_app.security.principal import Scope

KEYS = "keys.json"
PEPPER = "pepper"


@dataclass(frozen=True, slots=True)
class KeySecret:
    """The Secret."""

    name: str
    pepper: str = field(repr=False)
    """The secret of the keyed hash."""
    records: tuple[KeyRecord, ...] = ()

    @classmethod
    def new(cls, name: str) -> Self:
        """Return one without keys."""
        return cls(name, secrets.token_hex(32))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the Secret that a file of `text` has, as this module writes it.

        Raises:
            ValueError: it is none.
        """
        try:
            found = yaml.safe_load(text)
            data = found["stringData"]
            return cls(
                str(found["metadata"]["name"]), str(data[PEPPER]), tuple(parse_records(str(data[KEYS])))
            )
        except (yaml.YAMLError, KeyError, TypeError):
            reason = (
                f"it is no Secret with {PEPPER} and {KEYS} in stringData, as `ttsp keys secret` prints it"
            )
            raise ValueError(reason) from None

    def with_key(
        self, tenant: str, name: str, scopes: Iterable[Scope], lasts: float | None, by: str
    ) -> tuple[Key, Self]:
        """Return a new key, and the Secret with its hash. It is valid for `lasts` seconds, or for ever.

        Raises:
            ValueError: the name or the tenant is not one that a key can have.
        """
        key, now = new_key(), time.time()
        try:
            record = KeyRecord(
                id=key.id,
                tenant=tenant,
                name=name,
                digest=key.digest(self.pepper.encode()),
                scopes=sorted(scopes),
                created=now,
                created_by=by,
                expires=None if lasts is None else now + lasts,
            )
        except ValidationError as error:
            raise ValueError(first_fault(error)) from None
        return key, replace(self, records=(*self.records, record))

    def text(self) -> str:
        """Return its manifest as YAML."""
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self.name},
            "stringData": {PEPPER: self.pepper, KEYS: written_records(list(self.records))},
        }
        return yaml.safe_dump(manifest, sort_keys=False)
