"""Settings: what Ray's processes are told, and what only the gateway is."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from tts_app.settings import Settings, gateway_settings

URL = "postgresql://user:hush@host/name"
STORE = "redis://:hush@store.example"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Restore the variables at the end, and begin without any of ours."""
    for name in Settings.model_fields:
        monkeypatch.setenv(f"TTSP_{name.upper()}", "")  # so that it is restored
        monkeypatch.delenv(f"TTSP_{name.upper()}")
    return monkeypatch


@pytest.fixture
def exported(environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    environment.setenv("TTSP_API_KEY", "hush-key-of-16-ch")
    environment.setenv("TTSP_DATABASE_URL", URL)
    environment.setenv("TTSP_QUOTA_STORE", STORE)
    return Settings(state_dir=tmp_path / "state", queue=7).export()


def test_export_puts_no_secret_into_the_environment(exported: Path) -> None:
    assert "TTSP_API_KEY" not in os.environ
    assert "TTSP_DATABASE_URL" not in os.environ
    assert "TTSP_QUOTA_STORE" not in os.environ
    assert not any("hush" in value for value in os.environ.values())
    assert Settings().queue == 7


def test_export_writes_secrets_where_only_the_owner_reads(exported: Path, tmp_path: Path) -> None:
    assert exported.parent == tmp_path / "state"
    assert [path.stat().st_mode & 0o777 for path in (exported, exported.parent)] == [0o600, 0o700]
    assert "hush-key-of-16-ch" in exported.read_text()


def test_gateway_settings_have_the_secrets_that_were_exported(exported: Path) -> None:
    settings = gateway_settings(proxied=False)
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "hush-key-of-16-ch"
    assert settings.quota_store is not None
    assert settings.quota_store.get_secret_value() == STORE
    assert (settings.database, settings.queue) == (URL, 7)
    assert Settings().api_key is None, "a model worker's"


def test_gateway_settings_without_secrets(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Settings(state_dir=tmp_path / "state").export()
    settings = gateway_settings(proxied=False)
    assert settings.api_key is None
    assert settings.database == f"sqlite:///{tmp_path}/state/metadata.sqlite"


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("{")])
def test_gateway_settings_refuse_to_go_on_without_their_file(exported: Path, damage) -> None:
    damage(exported)
    with pytest.raises(ValueError, match=r"TTSP_GATEWAY_FILE, .* cannot be read") as refused:
        gateway_settings(proxied=False)
    assert "hush" not in str(refused.value)


def test_gateway_settings_on_a_cluster_are_those_of_the_heads_environment(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("TTSP_API_KEY", "hush-key-of-16-ch")
    key = gateway_settings(proxied=False).api_key
    assert key is not None
    assert key.get_secret_value() == "hush-key-of-16-ch"


def test_two_playgrounds_of_one_state_folder_keep_their_own_keys(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = Settings(state_dir=tmp_path / "state", api_key="one-of-16-letters").export()
    assert first != Settings(state_dir=tmp_path / "state", api_key="two-of-16-letters").export()
    assert "one" in first.read_text()


def test_audit_anchor_may_be_a_folder_or_an_address(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings().audit_anchor == ""
    assert Settings(audit_anchor="anchors").audit_anchor == str(tmp_path / "anchors")
    assert Settings(audit_anchor="s3://bucket/anchors").audit_anchor == "s3://bucket/anchors"


PEOPLE = {
    "oidc_issuer": "https://a.example",
    "oidc_audience": "b",
    "tls_cert": "tls.crt",
    "tls_key": "tls.key",
}


@pytest.mark.parametrize(
    ("profile", "more", "proxied", "missing"),
    [
        ("development", {}, False, []),
        ("standard", {}, False, ["TTSP_API_KEY"]),
        ("standard", {"api_key": "k" * 16}, False, []),
        ("standard", {"key_required": True}, False, []),
        ("standard", {"keys_file": "keys.json"}, False, []),
        ("regulated", {}, False, ["TTSP_API_KEY", "TTSP_TLS_CERT", "TTSP_OIDC_ISSUER", "TTSP_AUDIT"]),
        ("regulated", {"api_key": "k" * 16}, True, ["TTSP_OIDC_ISSUER", "TTSP_AUDIT"]),
        ("regulated", {"api_key": "k" * 16, "audit": True}, True, ["TTSP_OIDC_ISSUER"]),
        ("standard", {"oidc_issuer": "https://a.example", "oidc_audience": "b"}, False, []),
        ("regulated", PEOPLE, False, ["TTSP_AUDIT"]),
        ("regulated", {**PEOPLE, "audit": True}, False, []),
        ("regulated", {**PEOPLE, "audit": True, "cors_origins": "https://a.example"}, False, []),
        ("regulated", {**PEOPLE, "audit": True, "cors_origins": "*"}, True, ["TTSP_CORS_ORIGINS"]),
        ("standard", {"api_key": "k" * 16, "cors_origins": "*"}, False, []),
    ],
)
def test_profile_fault_names_what_to_set(profile, more, proxied, missing) -> None:
    fault = Settings(profile=profile, **more).profile_fault(proxied=proxied)
    assert bool(fault) == bool(missing)
    names = ["TTSP_API_KEY", "TTSP_TLS_CERT", "TTSP_OIDC_ISSUER", "TTSP_AUDIT", "TTSP_CORS_ORIGINS"]
    assert [name for name in names if name in fault] == missing


def test_gateway_settings_refuse_what_the_profile_lacks(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("TTSP_STATE_DIR", str(tmp_path))
    environment.setenv("TTSP_PROFILE", "standard")
    with pytest.raises(ValueError, match="For the profile standard, callers need no key: set TTSP_API_KEY"):
        gateway_settings(proxied=True)


def test_tenant_weights_are_read_and_handed_on(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("TTSP_STATE_DIR", str(tmp_path))
    assert Settings().weights == {}
    environment.setenv("TTSP_TENANT_WEIGHTS", "hotel=3, clinic-2=12")
    assert Settings().weights == {"hotel": 3, "clinic-2": 12}
    Settings().export()
    assert Settings().weights == {"hotel": 3, "clinic-2": 12}


@pytest.mark.parametrize(
    "wrong", ["hotel", "hotel=", "hotel=0", "hotel=-1", "hotel=1.5", "Hotel=2", "=2", "a=b=2"]
)
def test_tenant_weights_refuse_what_is_none(wrong: str) -> None:
    with pytest.raises(ValidationError, match="write it as hotel=3, from 1 to 9999"):
        Settings(tenant_weights=wrong)
