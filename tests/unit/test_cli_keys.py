"""`ttsp keys`: keys made where the database is."""

import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tts_app.cli import app
from tts_app.security.authenticator import Authenticator
from tts_app.security.principal import ALL_BUT_ADMIN, Scope
from tts_app.settings import Settings
from tts_app.storage.api_keys import ApiKeys
from tts_app.storage.database import Database


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("TTSP_DATABASE_URL", raising=False)


def ttsp(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["keys", *arguments])
    return result.exit_code, result.stdout.strip(), result.stderr


async def test_keys_create_prints_a_key_that_the_service_knows() -> None:
    code, key, said = ttsp(
        "create", "the site", "--tenant", "hotel", "--scopes", "speak, admin", "--days", "1"
    )
    assert code == 0
    assert "only its hash is stored" in said
    settings = Settings()
    database = Database(settings.database)
    found = await Authenticator(ApiKeys(database), settings.key_pepper(), key_required=True).principal(key)
    database.close()
    assert found is not None
    assert (found.tenant, found.scopes) == ("hotel", {Scope.SPEAK, Scope.ADMIN})


def test_keys_list_rotate_and_revoke() -> None:
    _, key, _ = ttsp("create", "the site", "--days", "0")
    key_id = key.split("_")[1]
    _, listed, _ = ttsp("list")
    assert key_id in listed
    assert "until ever" in listed
    assert all(scope in listed for scope in ALL_BUT_ADMIN)
    assert key not in listed
    code, successor, _ = ttsp("rotate", key_id)
    assert code == 0
    assert re.fullmatch(r"ttsp_[0-9a-f]{16}_.{43}", successor)
    assert ttsp("revoke", key_id)[0] == 0
    for command in ("revoke", "rotate"):
        code, _, said = ttsp(command, key_id)
        assert code == 2
        assert "ttsp keys list" in said
    assert "revoked" in ttsp("list")[1]


def test_keys_create_refuses_an_unknown_scope() -> None:
    code, _, said = ttsp("create", "x", "--scopes", "speak,write")
    assert code == 2
    assert "'write'" in said
    assert ttsp("list")[1] == ""


def test_keys_create_refuses_what_is_no_tenant() -> None:
    code, _, said = ttsp("create", "x", "--tenant", "../hotel")
    assert code == 2
    assert "'../hotel' is no name of a tenant: it has up to 63" in said
    assert ttsp("list")[1] == ""


def test_key_pepper_is_kept_and_private(tmp_path: Path) -> None:
    pepper = Settings().key_pepper()
    assert len(pepper) == 64
    assert Settings().key_pepper() == pepper
    assert (tmp_path / "state" / "key-pepper").stat().st_mode & 0o077 == 0
    other = tmp_path / "pepper"
    other.write_text("from a Secret\n")
    assert Settings(key_pepper_file=other).key_pepper() == b"from a Secret"


def test_keys_secret_prints_a_manifest_and_the_key_beside_it(tmp_path: Path) -> None:
    code, text, said = ttsp("secret", "platform team", "--scopes", "admin")
    assert code == 0
    (key,) = re.findall(r"ttsp_[0-9a-f]{16}_[\w-]{43}", said)
    assert key not in text
    manifest = yaml.safe_load(text)
    assert (manifest["kind"], manifest["metadata"]) == ("Secret", {"name": "api-keys"})
    file = tmp_path / "keys.yaml"
    file.write_text(text)
    code, more, _ = ttsp("secret", "site", "--add-to", str(file))
    assert code == 0
    names = [record["name"] for record in json.loads(yaml.safe_load(more)["stringData"]["keys.json"])]
    assert names == ["platform team", "site"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("site", "--scopes", "fly"), "There is no scope 'fly'"),
        (("", "--scopes", "speak"), "name: "),
        (("site", "--tenant", "Hotel Bar"), "tenant: "),
    ],
)
def test_keys_secret_says_what_is_wrong(arguments: tuple[str, ...], reason: str) -> None:
    code, text, said = ttsp("secret", *arguments)
    assert (code, text) == (2, "")
    assert reason in said
