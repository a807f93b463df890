"""The certificate with which the gateway speaks TLS: two files, which are read again when they change."""

import logging
import ssl
from pathlib import Path

from tts_app.settings import Settings
from tts_app.telemetry.logs import log

_Stamp = tuple[tuple[int, int, int], ...]


class CertificateError(Exception):
    """Files that are no certificate with its key. The message says which and why."""


def certificate_of(settings: Settings) -> "Certificate | None":
    """Return the certificate that the settings name; None if they name none.

    Raises:
        CertificateError: the files are not right.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_cert, settings.tls_key)


class Certificate:
    """A certificate chain and its private key, as their files have them."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Read both, in PEM, the key without a password.

        Raises:
            CertificateError: they cannot be read, or do not belong together.
        """
        self._chain = chain
        self._key = key
        self._seen = self._stamp()
        self.context = self._load()
        """What new connections are secured with."""

    def renew(self) -> bool:
        """Read the files again if they have changed; return whether there is a new certificate. Blocking.

        Of files that are not right, as while they are being replaced, the error is logged, and the old
        certificate stays.
        """
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._seen = stamp
            self.context = self._load()
        except CertificateError as error:
            log("certificate not read", level=logging.ERROR, reason=str(error))
            return False
        log("certificate read again")
        return True

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION  # it would cost us more than the caller
        context.set_alpn_protocols(["http/1.1"])
        try:
            # OpenSSL would ask for a password on the terminal.
            context.load_cert_chain(self._chain, self._key, password=lambda: "")
        except (ssl.SSLError, ValueError) as error:
            raise CertificateError(self._fault(error)) from None
        except OSError as error:
            raise CertificateError(f"The TLS certificate cannot be read: {error.strerror}.") from None
        return context

    def _fault(self, error: ssl.SSLError | ValueError) -> str:
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            return f"TTSP_TLS_KEY, {self._key}, is not the key of the certificate in {self._chain}."
        return (
            f"TTSP_TLS_CERT, {self._chain}, and TTSP_TLS_KEY, {self._key}, cannot be used: the first must "
            "have a certificate and those of its issuers, the second its private key without a password, "
            f"both in PEM. OpenSSL says: {getattr(error, 'reason', None) or error}."
        )

    def _stamp(self) -> _Stamp:
        """Return what changes with the files, also if a link to them does."""
        return tuple(
            _identity(name, path)
            for name, path in (("TTSP_TLS_CERT", self._chain), ("TTSP_TLS_KEY", self._key))
        )


def _identity(setting: str, path: Path) -> tuple[int, int, int]:
    try:
        with path.open("rb"):
            found = path.stat()
    except OSError as error:
        raise CertificateError(f"{setting}, {path}, cannot be read: {error.strerror}.") from None
    return found.st_ino, found.st_mtime_ns, found.st_size
