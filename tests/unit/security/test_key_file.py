"""Keys of a file, and the Secret that `ttsp keys secret` makes of them."""

from pathlib import Path

import pytest
import yaml

from tts_app.security.authenticator import Authenticator
from tts_app.security.key_file import KeyFile, KeyFileError
from tts_app.security.key_secret import KEYS, PEPPER, KeySecret
from tts_app.security.keys import Key
from tts_app.security.principal import Scope
from tts_app.storage.api_keys import ApiKey


class Others:
    """Other keys: they are asked for what the file does not have."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get(self, key_id: str) -> ApiKey | None:
        self.asked.append(key_id)
        return None


class Clock:
    """A clock that is moved by hand."""

    def __init__(self, secret: KeySecret) -> None:
        self.now = max(record.created for record in secret.records)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def made() -> tuple[Key, KeySecret]:
    return KeySecret.new("api-keys").with_key("hotel", "site", [Scope.SPEAK, Scope.READ], 3600, "me")


def mount(secret: KeySecret, folder: Path) -> Path:
    """Write the Secret's keys as the kubelet does: a new file takes the place of the old one."""
    data = yaml.safe_load(secret.text())["stringData"]
    (folder / "new").write_text(data[KEYS])
    return (folder / "new").replace(folder / KEYS)


async def test_key_file_knows_the_keys_of_a_secret(made: tuple[Key, KeySecret], tmp_path: Path) -> None:
    key, secret = made
    path, clock, others = mount(secret, tmp_path), Clock(secret), Others()
    asked = Authenticator(KeyFile(path, others), secret.pepper.encode(), key_required=True, clock=clock)
    found = await asked.principal(key.text)
    assert found is not None
    assert (found.tenant, found.scopes) == ("hotel", {Scope.SPEAK, Scope.READ})
    assert others.asked == []
    clock.now += 3600
    assert await asked.principal(key.text) is None
    assert await asked.principal("ttsp_0123456789abcdef_" + "x" * 43) is None
    assert others.asked == ["0123456789abcdef"]


async def test_key_file_forgets_a_key_that_is_removed(made: tuple[Key, KeySecret], tmp_path: Path) -> None:
    key, secret = made
    clock = Clock(secret)
    asked = Authenticator(
        KeyFile(mount(secret, tmp_path), Others()), secret.pepper.encode(), key_required=True, clock=clock
    )
    assert await asked.principal(key.text) is not None
    other, without = KeySecret("api-keys", secret.pepper).with_key(
        "hotel", "other", [Scope.SPEAK], None, "me"
    )
    mount(without, tmp_path)
    clock.now += 5
    assert await asked.principal(key.text) is None
    assert await asked.principal(other.text) is not None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("", "Invalid JSON"),
        ("{}", "valid array"),
        ('[{"id": "0123456789abcdef"}]', "0.tenant: Field required"),
    ],
)
def test_key_file_refuses_what_is_no_list_of_keys(text: str | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(KeyFileError, match=reason) as found:
        KeyFile(path, Others())
    assert "ttsp keys secret" in str(found.value)


def test_key_file_refuses_two_keys_with_one_id(made: tuple[Key, KeySecret], tmp_path: Path) -> None:
    _, secret = made
    path = mount(KeySecret("a", secret.pepper, secret.records * 2), tmp_path)
    with pytest.raises(KeyFileError, match="two keys have the same id"):
        KeyFile(path, Others())


def test_key_file_that_breaks_later_counts_no_more(made: tuple[Key, KeySecret], tmp_path: Path) -> None:
    key, secret = made
    path = mount(secret, tmp_path)
    keys = KeyFile(path, Others())
    assert keys.get(key.id) is not None
    path.write_text("[")
    for _ in range(2):
        with pytest.raises(KeyFileError):
            keys.get(key.id)
    mount(secret, tmp_path)
    assert keys.get(key.id) is not None


def test_key_secret_keeps_its_keys_when_one_is_added(made: tuple[Key, KeySecret]) -> None:
    key, secret = made
    again = KeySecret.parse(secret.text())
    assert again == secret
    other, more = again.with_key("hotel", "other", [Scope.AUDIT], None, "me")
    assert [record.id for record in more.records] == [key.id, other.id]
    assert more.pepper == secret.pepper
    for text in (key.secret, other.secret):
        assert text not in more.text()


@pytest.mark.parametrize("text", ["", "a: [", "kind: Secret", "metadata: {name: a}\nstringData: {pepper: b}"])
def test_key_secret_refuses_what_it_did_not_write(text: str) -> None:
    with pytest.raises(ValueError, match=f"no Secret with {PEPPER} and {KEYS}"):
        KeySecret.parse(text)
