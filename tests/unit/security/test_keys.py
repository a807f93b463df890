"""Keys of callers: their form, their hashes, who has them, and for how long."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from tts_app.security.authenticator import Authenticator
from tts_app.security.issuing import DAY, Issuer
from tts_app.security.keys import Key, new_key, parse_key
from tts_app.security.principal import ALL_BUT_ADMIN, ANONYMOUS, API_KEY, Principal, Scope, scopes_of
from tts_app.storage.api_keys import ApiKey, ApiKeys
from tts_app.storage.database import Database

PEPPER = b"pepper"
STATIC = "a-static-key-of-16"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'metadata.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    return ApiKeys(database)


@pytest.fixture
def issuer(keys: ApiKeys, clock: Clock) -> Issuer:
    return Issuer(keys, PEPPER, clock)


def test_new_key_is_parsed_as_itself_and_its_repr_hides_it() -> None:
    for _ in range(200):
        key = new_key()
        assert parse_key(key.text) == key
        assert key.secret not in repr(key)
        assert len(key.text) == len("ttsp_") + 16 + 1 + 43


@pytest.mark.parametrize(
    "text", ["", "ttsp_", "ttsp__", "sk-123", f"ttsp_{'0' * 16}_{'a' * 42}", f"ttsp_{'0' * 16}_{'a' * 44}",
             f"ttsp_{'G' * 16}_{'a' * 43}", f" ttsp_{'0' * 16}_{'a' * 43}", f"ttsp_{'0' * 16}_{'a' * 43}\n"]
)  # fmt: skip
def test_parse_key_refuses_another_form(text: str) -> None:
    assert parse_key(text) is None


def test_key_digest_depends_on_pepper_id_and_secret() -> None:
    key = Key("0" * 16, "a" * 43)
    digests = {key.digest(PEPPER), key.digest(b"other"), Key("1" * 16, "a" * 43).digest(PEPPER),
               Key("0" * 16, "b" * 43).digest(PEPPER)}  # fmt: skip
    assert len(digests) == 4
    assert all(len(digest) == 64 for digest in digests)


def test_scopes_of_names() -> None:
    assert scopes_of(["speak", "read"]) == {Scope.SPEAK, Scope.READ}
    with pytest.raises(ValueError, match=r"'write'. Scopes: speak, text, "):
        scopes_of(["write"])


def test_api_keys_hold_no_secret(issuer: Issuer, tmp_path: Path) -> None:
    key, _ = issuer.create("default", "test", [Scope.SPEAK], None, "me")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.id.encode() in stored
    assert key.secret.encode() not in stored


def test_principals_are_told_apart_in_the_audit() -> None:
    def named(subject: str, key: str = "") -> str:
        return Principal("hotel", subject, frozenset(), 1.0, key=key).audited_as

    assert (ANONYMOUS.audited_as, API_KEY.audited_as) == ("anonymous", "api-key")
    assert named("the site (0123)", "0123") == "key:0123"
    assert (named("api-key"), named("key:0123")) == ("user:api-key", "user:key:0123")


async def test_authenticator_knows_a_key(issuer: Issuer, keys: ApiKeys, clock: Clock) -> None:
    key, _ = issuer.create("hotel", "site", [Scope.SPEAK], DAY, "me")
    asked = Authenticator(keys, PEPPER, key_required=True, clock=clock)
    subject = f"site ({key.id})"
    assert await asked.principal(key.text) == Principal(
        "hotel", subject, frozenset({Scope.SPEAK}), clock.now + DAY, key=key.id
    )
    for wrong in (None, "", "x", new_key().text, Key(key.id, "a" * 43).text):
        assert await asked.principal(wrong) is None
    assert await Authenticator(keys, b"other", key_required=True).principal(key.text) is None


async def test_authenticator_refuses_a_key_that_has_expired(
    issuer: Issuer, keys: ApiKeys, clock: Clock
) -> None:
    key, _ = issuer.create("default", "site", [Scope.SPEAK], 2, "me")
    asked = Authenticator(keys, PEPPER, key_required=True, clock=clock)
    assert await asked.principal(key.text) is not None
    clock.now += 2  # the answer is still remembered
    assert await asked.principal(key.text) is None


async def test_authenticator_refuses_a_revoked_key_within_five_seconds(
    issuer: Issuer, keys: ApiKeys, clock: Clock
) -> None:
    key, _ = issuer.create("default", "site", [Scope.SPEAK], None, "me")
    replicas = [Authenticator(keys, PEPPER, key_required=True, clock=clock) for _ in range(2)]
    for replica in replicas:
        assert await replica.principal(key.text) is not None
    assert issuer.revoke(None, key.id)
    assert not issuer.revoke(None, key.id)
    clock.now += 5
    for replica in replicas:
        assert await replica.principal(key.text) is None


async def test_issuer_rotates_with_an_overlap(issuer: Issuer, keys: ApiKeys, clock: Clock) -> None:
    old, _ = issuer.create("hotel", "site", [Scope.SPEAK, Scope.READ], 10 * DAY, "me")
    rotated = issuer.rotate(None, old.id, "you", overlap=60)
    assert rotated is not None
    new, record = rotated
    assert (record.tenant, record.name, record.created_by) == ("hotel", "site", "you")
    assert record.expires == clock.now + 10 * DAY
    asked = Authenticator(keys, PEPPER, key_required=True, clock=clock)
    both = [await asked.principal(key.text) for key in (old, new)]
    assert [one is not None and one.scopes for one in both] == [{Scope.SPEAK, Scope.READ}] * 2
    clock.now += 60
    assert await asked.principal(old.text) is None
    assert await asked.principal(new.text) is not None


def test_issuer_does_not_rotate_what_is_gone(issuer: Issuer) -> None:
    assert issuer.rotate(None, "0" * 16, "me") is None
    assert issuer.rotate(None, "no\0id", "me") is None
    key, _ = issuer.create("default", "x", [Scope.SPEAK], None, "me")
    issuer.revoke(None, key.id)
    assert issuer.rotate(None, key.id, "me") is None


def test_issuer_does_not_prolong_a_key_by_rotation(issuer: Issuer, keys: ApiKeys, clock: Clock) -> None:
    key, _ = issuer.create("default", "x", [Scope.SPEAK], 30, "me")
    issuer.rotate(None, key.id, "me", overlap=DAY)
    record = keys.get(key.id)
    assert record is not None
    assert record.expires == clock.now + 30


async def test_authenticator_with_a_static_key(keys: ApiKeys, issuer: Issuer) -> None:
    asked = Authenticator(keys, PEPPER, api_key=STATIC)
    assert await asked.principal(STATIC) is API_KEY
    assert await asked.principal(None) is None
    assert await asked.principal(STATIC + "x") is None
    assert await asked.principal("sécret") is None
    key, _ = issuer.create("default", "admin", [Scope.ADMIN], None, "me")
    found = await asked.principal(key.text)
    assert found is not None
    assert found.may([Scope.ADMIN])
    assert not API_KEY.may([Scope.ADMIN])


async def test_authenticator_without_a_key_takes_everybody(keys: ApiKeys, issuer: Issuer) -> None:
    asked = Authenticator(keys, PEPPER)
    for key in (None, "none-needed", new_key().text):
        assert await asked.principal(key) is ANONYMOUS
    assert ANONYMOUS.scopes == ALL_BUT_ADMIN
    key, _ = issuer.create("hotel", "site", [Scope.ADMIN], None, "me")
    found = await asked.principal(key.text)
    assert found is not None
    assert found.tenant == "hotel"


async def test_authenticator_asks_the_database_once_in_a_while(clock: Clock) -> None:
    asked: list[str] = []

    class Counted:
        def get(self, key_id: str) -> ApiKey | None:
            asked.append(key_id)
            return None

    authenticator = Authenticator(Counted(), PEPPER, key_required=True, clock=clock)
    key = new_key()
    for _ in range(100):
        await authenticator.principal(key.text)
        await authenticator.principal("of another form")
    assert asked == [key.id]
    for _ in range(5000):
        await authenticator.principal(new_key().text)
    assert len(authenticator._known) == 4096


async def test_authenticator_raises_while_the_database_is_away(clock: Clock) -> None:
    class Away:
        def get(self, key_id: str) -> Any:
            raise OperationalError("select", {}, Exception("away"))

    authenticator = Authenticator(Away(), PEPPER, api_key=STATIC, clock=clock)
    with pytest.raises(OperationalError):
        await authenticator.principal(new_key().text)
    assert await authenticator.principal(STATIC) is API_KEY


async def test_authenticator_leaves_out_scopes_that_it_does_not_know(keys: ApiKeys, clock: Clock) -> None:
    key = new_key()
    record = ApiKey(id=key.id, tenant="default", name="x", digest=key.digest(PEPPER),
                    scopes=["speak", "of-a-newer-version"], created=clock.now, created_by="me")  # fmt: skip
    await asyncio.to_thread(keys.add, record)
    found = await Authenticator(keys, PEPPER, key_required=True, clock=clock).principal(key.text)
    assert found is not None
    assert found.scopes == {Scope.SPEAK}


@pytest.mark.parametrize("tenant", ["", "Hotel", "../hotel", "a/b", "a" * 64])
async def test_issuer_and_authenticator_refuse_what_is_no_tenant(
    issuer: Issuer, keys: ApiKeys, clock: Clock, tenant: str
) -> None:
    with pytest.raises(ValueError, match="is no name of a tenant"):
        issuer.create(tenant, "x", [Scope.SPEAK], None, "me")
    assert keys.list(None) == []
    key = new_key()
    record = ApiKey(id=key.id, tenant=tenant, name="x", digest=key.digest(PEPPER), scopes=["speak"],
                    created=clock.now, created_by="me")  # fmt: skip
    await asyncio.to_thread(keys.add, record)
    assert await Authenticator(keys, PEPPER, key_required=True, clock=clock).principal(key.text) is None


def test_issuer_changes_no_key_of_another_tenant(issuer: Issuer, keys: ApiKeys) -> None:
    key, _ = issuer.create("hotel", "x", [Scope.SPEAK], None, "me")
    assert issuer.rotate("clinic", key.id, "me") is None
    assert not issuer.revoke("clinic", key.id)
    assert (
        [record.id for record in keys.list("hotel")] == [record.id for record in keys.list(None)] == [key.id]
    )
    assert keys.list("clinic") == []
    assert issuer.revoke("hotel", key.id)
