"""Keys of callers, `ttsp_<id>_<secret>`: made, read and hashed. Pure, except for the random numbers.

Only a keyed hash of a key is stored. The secret of that hash (the pepper) is in a file or Secret, not in the
database. So the database alone shows nothing with which keys could be used or tested.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

PREFIX = "ttsp_"
"""How every key begins, and no token of an identity provider."""
_FORM = re.compile(PREFIX + r"([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Key:
    """A caller's key."""

    id: str
    """16 hexadecimal digits: no secret."""
    secret: str = field(repr=False)
    """256 random bits in base64url."""

    @property
    def text(self) -> str:
        """The key as callers send it."""
        return f"{PREFIX}{self.id}_{self.secret}"

    def digest(self, pepper: bytes) -> str:
        """Return the hash that is stored, 64 hexadecimal digits: HMAC-SHA256 (RFC 2104)."""
        return hmac.new(pepper, self.text.encode(), hashlib.sha256).hexdigest()


def new_key() -> Key:
    """Return a new key."""
    return Key(secrets.token_hex(8), secrets.token_urlsafe(32))


def parse_key(text: str) -> Key | None:
    """Return the key that `text` is; None if it has another form."""
    found = _FORM.fullmatch(text)
    return Key(found[1], found[2]) if found else None
