"""The certificate's files: read, refused with the reason, read again when they change."""

import ssl
from pathlib import Path

import pytest
from certificates import write_certificate

from tts_app.certificates import Certificate, CertificateError, certificate_of
from tts_app.serving.embedded import Playground, ServingError
from tts_app.settings import Settings


def test_certificate_of_settings(tmp_path: Path) -> None:
    files = write_certificate(tmp_path)
    assert certificate_of(Settings()) is None
    made = certificate_of(Settings(tls_cert=files.chain, tls_key=files.key))
    assert made is not None
    assert made.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_certificate_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "locked").mkdir()
    files, other = write_certificate(tmp_path), write_certificate(tmp_path / "other")
    locked = write_certificate(tmp_path / "locked", b"secret")
    empty, text = tmp_path / "empty", tmp_path / "text"
    empty.touch()
    text.write_text("no certificate")
    for chain, key, says in (
        (tmp_path / "missing", files.key, "TTSP_TLS_CERT, .*missing, cannot be read: No such file"),
        (files.chain, tmp_path / "missing", "TTSP_TLS_KEY, .*missing, cannot be read: No such file"),
        (tmp_path, files.key, "cannot be read: Is a directory"),
        (files.chain, other.key, "is not the key of the certificate"),
        (empty, files.key, "cannot be used"),
        (text, files.key, "cannot be used"),
        (files.chain, text, "cannot be used"),
        (files.key, files.chain, "cannot be used"),
        (locked.chain, locked.key, "without a password"),
    ):
        with pytest.raises(CertificateError, match=says):
            Certificate(chain, key)
        with pytest.raises(ServingError, match=says):
            Playground(Settings(tls_cert=chain, tls_key=key, state_dir=tmp_path))


def test_certificate_is_read_again_when_its_files_change(tmp_path: Path) -> None:
    files = write_certificate(tmp_path)
    certificate = Certificate(files.chain, files.key)
    first = certificate.context
    assert not certificate.renew()
    write_certificate(tmp_path)
    assert certificate.renew()
    assert certificate.context is not first
    assert not certificate.renew()


def test_certificate_stays_while_its_files_are_wrong(tmp_path: Path) -> None:
    files = write_certificate(tmp_path)
    certificate = Certificate(files.chain, files.key)
    first = certificate.context
    key = files.key.read_bytes()
    for damage in (lambda: files.key.write_text("half"), files.key.unlink):
        damage()
        assert not certificate.renew()
        assert certificate.context is first
    files.key.write_bytes(key)
    assert certificate.renew()


def test_certificate_is_read_again_through_a_link(tmp_path: Path) -> None:
    """As a Secret is mounted: the files are links through a folder that is exchanged."""
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        write_certificate(tmp_path / name)
    (tmp_path / "now").symlink_to("1")
    certificate = Certificate(tmp_path / "now" / "tls.crt", tmp_path / "now" / "tls.key")
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").replace(tmp_path / "now")
    assert certificate.renew()


def test_playground_has_its_address_in_https(tmp_path: Path) -> None:
    files = write_certificate(tmp_path)
    settings = Settings(tls_cert=files.chain, tls_key=files.key, state_dir=tmp_path, port=8443)
    assert Playground(settings).url == "https://127.0.0.1:8443"
    assert Playground(Settings(state_dir=tmp_path, port=8000)).url == "http://127.0.0.1:8000"


def test_settings_want_certificate_and_key_and_know_them_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given in ({"tls_cert": "a"}, {"tls_key": "a"}):
        with pytest.raises(ValueError, match="TTSP_TLS_CERT and TTSP_TLS_KEY are needed both"):
            Settings(**given)
    monkeypatch.chdir(tmp_path)
    settings = Settings(tls_cert="tls.crt", tls_key="~/tls.key")
    assert settings.tls_cert == tmp_path / "tls.crt"
    assert settings.tls_key == Path.home() / "tls.key"
