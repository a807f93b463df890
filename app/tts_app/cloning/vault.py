"""What is stored of a cloned voice, encrypted: AES-256-GCM with a data key of the voice's own. Pure.

The data key is stored wrapped, that is encrypted with a key-encryption key which is in a file or Secret and
never in the database. Without the wrapped key nothing of the voice can be read: destroying it destroys clip,
consent and record, in backups too that do not have it.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PURPOSE = b"ttsp voice vault 1"
_NONCE = 12
"""Bytes of a nonce, as NIST SP 800-38D has it; random, for a data key encrypts a handful of parts."""
_KEY = "key"


class VaultError(Exception):
    """Something in the vault cannot be read: it was changed, or this is not the key that encrypted it."""


class Vault:
    """Encrypts the parts of voices.

    Each is bound to its tenant, voice and name: none can take another's place.

    Thread-safe.
    """

    def __init__(self, secret: bytes) -> None:
        """`secret` is the content of the key's file, of at least 32 random bytes or their hex digits."""
        self._wrapping = AESGCM(hmac.new(secret, _PURPOSE, hashlib.sha256).digest())

    def seal(self, tenant: str, voice: str, parts: Mapping[str, bytes]) -> tuple[bytes, dict[str, bytes]]:
        """Return a new wrapped key, and the parts encrypted with it."""
        key = AESGCM.generate_key(256)
        sealing = AESGCM(key)
        sealed = {name: _encrypt(sealing, part, _place(tenant, voice, name)) for name, part in parts.items()}
        return _encrypt(self._wrapping, key, _place(tenant, voice, _KEY)), sealed

    def open(self, tenant: str, voice: str, wrapped_key: bytes, name: str, sealed: bytes) -> bytes:
        """Return a part.

        Raises:
            VaultError: the key-encryption key is another one, or something was changed.
        """
        try:
            key = _decrypt(self._wrapping, wrapped_key, _place(tenant, voice, _KEY))
        except InvalidTag as error:
            raise VaultError(
                f"The key of the voice {voice} cannot be read: TTSP_VOICE_KEY_FILE has another key than the "
                "one that it was stored with, or the record was changed."
            ) from error
        try:
            return _decrypt(AESGCM(key), sealed, _place(tenant, voice, name))
        except InvalidTag as error:
            raise VaultError(f"What is stored as {name} of the voice {voice} was changed.") from error


def _encrypt(key: AESGCM, content: bytes, place: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + key.encrypt(nonce, content, place)


def _decrypt(key: AESGCM, sealed: bytes, place: bytes) -> bytes:
    if len(sealed) < _NONCE:
        raise InvalidTag
    return key.decrypt(sealed[:_NONCE], sealed[_NONCE:], place)


def _place(tenant: str, voice: str, name: str) -> bytes:
    return json.dumps([tenant, voice, name]).encode()
