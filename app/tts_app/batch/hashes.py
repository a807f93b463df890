"""Keyed hashes of what an output's records are about. Pure.

Whoever has the plain hash of a short text finds the text: they try all that it may be. So records have a MAC
instead, whose secret lies with the output's owner (`Output.secret`). Records of an earlier version have plain
hashes; their MACs are made from those, without the texts.
"""

import hashlib
import hmac
from typing import Any

MARK = "hmac:"
"""How a keyed hash begins."""


def keyed(secret: bytes, digest: str) -> str:
    """Return the keyed hash (HMAC-SHA256) of a plain SHA-256, given in hexadecimal digits."""
    return MARK + hmac.new(secret, digest.encode(), hashlib.sha256).hexdigest()


def text_mac(secret: bytes, text: str) -> str:
    """Return the keyed hash of a text, as the manifest has it."""
    return keyed(secret, hashlib.sha256(text.encode()).hexdigest())


def start_of(key: str) -> int:
    """Return the first 64 bits of a keyed hash: enough to tell the items of a batch apart, in less memory."""
    return int(key.removeprefix(MARK)[:16], 16) or 1


def with_keyed_hashes(secret: bytes, record: dict[str, Any]) -> dict[str, Any]:
    """Return a record whose hashes are keyed: itself, unless an earlier version wrote it."""
    if record["key"].startswith(MARK):
        return record
    changed = {**record, "key": keyed(secret, record["key"])}
    if "text_sha256" in changed:
        changed["text_hmac"] = keyed(secret, changed.pop("text_sha256"))
    return changed
