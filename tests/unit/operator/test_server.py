"""The operator's listener: health in clear, and metrics by TLS to those who have the token."""

import ssl

import aiohttp
import pytest
from certificates import write_certificate

from tts_operator.protection import Protection, ProtectionError
from tts_operator.server import Guarded, serve
from tts_operator.settings import Settings

TOKEN = "a-token-of-prometheus"
OTHER = "another-token-of-prometheus"


@pytest.fixture
def secrets(tmp_path):
    """Return the folder of a certificate and of a token."""
    write_certificate(tmp_path)
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def protection(secrets):
    return Protection(secrets / "tls.crt", secrets / "tls.key", secrets / "token")


@pytest.fixture
async def ports(protection, caplog):
    """Return the ports of a listener that protects its metrics: of health, of metrics."""
    caplog.set_level("INFO")
    async with serve("127.0.0.1", 0, lambda: True, Guarded(protection, 0)) as port:
        yield port, next(r.metrics_port for r in caplog.records if hasattr(r, "metrics_port"))


async def fetch(url, token=None, trusted=None):
    """Return status and text of an answer; `trusted` is the file of the certificate that is trusted."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    context = ssl.create_default_context(cafile=trusted) if trusted else False
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers, ssl=context) as answer:
        return answer.status, await answer.text()


async def test_metrics_are_with_health_where_nothing_protects_them():
    async with serve("127.0.0.1", 0, lambda: True) as port:
        assert await fetch(f"http://127.0.0.1:{port}/healthz") == (200, "ok\n")
        status, text = await fetch(f"http://127.0.0.1:{port}/metrics")
    assert status == 200
    assert "# TYPE process_" in text


async def test_protected_metrics_need_the_token_and_come_by_tls_alone(ports, secrets):
    health, metrics = ports
    assert await fetch(f"http://127.0.0.1:{health}/readyz") == (200, "ok\n")
    assert (await fetch(f"http://127.0.0.1:{health}/metrics"))[0] == 404
    url, trusted = f"https://localhost:{metrics}/metrics", secrets / "tls.crt"
    status, text = await fetch(url, TOKEN, trusted)
    assert status == 200
    assert "# TYPE process_" in text
    for token in (None, OTHER, "", TOKEN[:-1]):
        status, text = await fetch(url, token, trusted)
        assert status == 401
        assert "monitoring.tokenSecret" in text
        assert "# TYPE" not in text
    with pytest.raises(aiohttp.ClientError):
        await fetch(f"http://127.0.0.1:{metrics}/metrics", TOKEN)


async def test_protected_metrics_follow_new_files(ports, secrets):
    _, metrics = ports
    url, trusted = f"https://localhost:{metrics}/metrics", secrets / "tls.crt"
    assert (await fetch(url, TOKEN, trusted))[0] == 200
    before = trusted.read_bytes()
    write_certificate(secrets)
    (secrets / "token").write_text(OTHER, encoding="utf-8")
    assert (await fetch(url, OTHER, trusted))[0] == 200, "the new certificate, and the new token"
    assert (await fetch(url, TOKEN, trusted))[0] == 401
    (secrets / "old.crt").write_bytes(before)
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await fetch(url, OTHER, secrets / "old.crt")


async def test_protected_metrics_keep_the_last_good_certificate_but_no_old_token(ports, secrets, caplog):
    _, metrics = ports
    url = f"https://localhost:{metrics}/metrics"
    (secrets / "good.crt").write_bytes((secrets / "tls.crt").read_bytes())
    (secrets / "tls.crt").write_text("half a certificate", encoding="utf-8")
    assert (await fetch(url, TOKEN, secrets / "good.crt"))[0] == 200
    assert "cannot be used" in caplog.text
    (secrets / "token").write_text("", encoding="utf-8")
    for token in (TOKEN, ""):
        assert (await fetch(url, token, secrets / "good.crt"))[0] == 401
    assert "has 0 characters" in caplog.text


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("token", "short", "has 5 characters: it needs 16"),
        ("token", None, "token of /metrics cannot be read"),
        ("tls.key", "no key", "tls.key, cannot be used"),
        ("tls.crt", None, "cannot be used: .*No such file"),
    ],
)
async def test_listener_does_not_start_with_files_that_are_not_right(
    protection, secrets, file, content, says
):
    (secrets / file).unlink()
    if content is not None:
        (secrets / file).write_text(content, encoding="utf-8")
    with pytest.raises(ProtectionError, match=says):
        async with serve("127.0.0.1", 0, lambda: True, Guarded(protection, 0)):
            pass


def test_settings_protect_metrics_wholly_or_not_at_all(secrets):
    assert Settings().protection is None
    paths = {
        "metrics_certificate": secrets / "tls.crt",
        "metrics_key": secrets / "tls.key",
        "metrics_token": secrets / "token",
    }
    assert Settings(**paths).protection == Protection(*paths.values())
    for left_out in paths:
        given = {name: path for name, path in paths.items() if name != left_out}
        with pytest.raises(ValueError, match=f"{left_out} must be set too"):
            Settings(**given)
