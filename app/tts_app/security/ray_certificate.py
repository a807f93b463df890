"""A pod's certificate for RAY_USE_TLS: `python -m tts_app.security.ray_certificate CA_FOLDER FOLDER`.

Ray's processes check the address of the process that they call against its certificate, so each pod needs one
of its own: an init container makes it with the key of the service's certificate authority, which no other
container of the pod has. It is the way that KubeRay documents.
"""

import ipaddress
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LASTS = timedelta(days=3650)
"""A pod's certificate is not renewed: it ends with its authority, or sooner with the pod."""
_KINDS = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


def certificate(
    authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, address: str
) -> tuple[bytes, bytes]:
    """Return a certificate for `address` and loopback, and its key, both as PEM.

    Raises:
        ValueError: `address` is no IP address.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")]
    names += [x509.IPAddress(ipaddress.ip_address(loopback)) for loopback in ("127.0.0.1", "::1")]
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(min(now + LASTS, authority.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage(_KINDS), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), secret


def write(authority: Path, folder: Path, address: str) -> None:
    """Make a certificate with the authority of a folder (tls.crt, tls.key); write tls.crt, tls.key, ca.crt.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: the files are no certificate authority, or `address` is no IP address.
    """
    issuer = (authority / "tls.crt").read_bytes()
    issuer_key = serialization.load_pem_private_key((authority / "tls.key").read_bytes(), None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("tls.key is no key of RSA or of an elliptic curve")
    made, key = certificate(x509.load_pem_x509_certificate(issuer), issuer_key, address)
    os.umask(0o077)
    for name, content in (("tls.crt", made), ("tls.key", key), ("ca.crt", issuer)):
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), os.environ["POD_IP"])
