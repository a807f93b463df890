"""The certificate of a pod, used by a server and by a client that checks it."""

import socket
import ssl
import threading
from pathlib import Path

import pytest
from certificates import write_certificate
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tts_app.security.ray_certificate import write


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A folder with a certificate authority that lasts a day."""
    folder = tmp_path / "authority"
    folder.mkdir()
    write_certificate(folder)
    return folder


def context(purpose: ssl.Purpose, folder: Path) -> ssl.SSLContext:
    """Return a context of Ray's kind: each side shows a certificate and checks the other's."""
    made = ssl.create_default_context(purpose, cafile=str(folder / "ca.crt"))
    made.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    made.verify_mode = ssl.CERT_REQUIRED
    return made


@pytest.mark.parametrize("address", ["10.1.2.3", "fd00::7"])
def test_pods_trust_each_other_by_their_addresses(authority: Path, tmp_path: Path, address: str) -> None:
    folder = tmp_path / "pod"
    folder.mkdir()
    write(authority, folder, address)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    for name, trusted in ((address, True), ("127.0.0.1", True), ("10.9.9.9", False)):
        ours, theirs = socket.socketpair()
        server = context(ssl.Purpose.CLIENT_AUTH, folder)

        def answer(theirs: socket.socket = theirs, server: ssl.SSLContext = server) -> None:
            try:
                with server.wrap_socket(theirs, server_side=True) as wrapped:
                    wrapped.sendall(b"hello")
            except (ssl.SSLError, OSError):
                pass  # the client has refused

        answering = threading.Thread(target=answer)
        answering.start()
        client = context(ssl.Purpose.SERVER_AUTH, folder)
        try:
            with client.wrap_socket(ours, server_hostname=name) as wrapped:
                assert trusted
                assert wrapped.recv(5) == b"hello"
        except ssl.SSLCertVerificationError:
            assert not trusted
        answering.join()


def test_certificate_ends_with_its_authority(authority: Path, tmp_path: Path) -> None:
    write(authority, tmp_path, "10.1.2.3")
    made = x509.load_pem_x509_certificate((tmp_path / "tls.crt").read_bytes())
    issuer = x509.load_pem_x509_certificate((authority / "tls.crt").read_bytes())
    assert made.not_valid_after_utc == issuer.not_valid_after_utc


def test_write_refuses_what_cannot_sign(authority: Path, tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    (authority / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ValueError, match="no key of RSA or of an elliptic curve"):
        write(authority, tmp_path, "10.1.2.3")
