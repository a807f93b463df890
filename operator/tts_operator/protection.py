"""TLS and a bearer token for /metrics, from files of mounted Secrets that may change at any time."""

import hmac
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

SHORTEST_TOKEN = 16
"""Characters that a token has at least, as a key of the API."""

logger = logging.getLogger(__name__)


class ProtectionError(Exception):
    """The files of TLS or of the token are not right; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Protection:
    """Where the certificate, its key and the token are."""

    certificate: Path
    """A certificate and those of its issuers, in PEM."""
    key: Path
    """Its private key, in PEM, without a password."""
    token: Path
    """What callers must send as bearer."""

    def context(self) -> ssl.SSLContext:
        """Return a TLS context that gives each new connection the certificate that the files have then.

        While they cannot be used, as when they are being replaced, the last good certificate stays.

        Raises:
            ProtectionError: they cannot be used now.
        """
        outer = self._load()
        # In a list, because the callback replaces it.
        current = [outer]

        def choose(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
            try:
                current[0] = self._load()
            except ProtectionError as error:
                logger.error("%s", error)
            connection.context = current[0]

        outer.sni_callback = choose
        return outer

    def admits(self, authorization: str) -> bool:
        """Return whether a request with that Authorization header has the token that the file has now."""
        scheme, _, given = authorization.partition(" ")
        try:
            wanted = self.read_token()
        except ProtectionError as error:
            logger.error("%s", error)
            return False
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), wanted.encode())

    def read_token(self) -> str:
        """Return the token.

        Raises:
            ProtectionError: it cannot be read, or is too short.
        """
        try:
            token = self.token.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ProtectionError(f"The token of /metrics cannot be read: {error}") from error
        if len(token) < SHORTEST_TOKEN:
            raise ProtectionError(
                f"The token of /metrics in {self.token} has {len(token)} characters: "
                f"it needs {SHORTEST_TOKEN} at least."
            )
        return token

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # OpenSSL would ask for a password on the terminal.
            context.load_cert_chain(self.certificate, self.key, password=lambda: "")
        except (OSError, ValueError) as error:
            files = f"{self.certificate} with the key {self.key}"
            raise ProtectionError(f"The certificate of /metrics, {files}, cannot be used: {error}") from error
        return context
