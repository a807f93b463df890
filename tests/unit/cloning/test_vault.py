"""What is stored of voices: encrypted, bound to its place, unreadable without both keys."""

import pytest

from tts_app.cloning.vault import Vault, VaultError

SECRET = b"5" * 64
PARTS = {"clip": b"sound " * 100, "record": b'{"name": "Somebody"}'}


def test_parts_come_back_and_show_nothing_of_themselves() -> None:
    wrapped, sealed = Vault(SECRET).seal("hotel", "voice_1", PARTS)
    for name, part in PARTS.items():
        assert part[:12] not in sealed[name]
        assert Vault(SECRET).open("hotel", "voice_1", wrapped, name, sealed[name]) == part


def test_same_parts_are_stored_differently_each_time() -> None:
    vault = Vault(SECRET)
    (first, of_first), (second, of_second) = (vault.seal("hotel", "voice_1", PARTS) for _ in range(2))
    assert first != second
    assert of_first["clip"] != of_second["clip"]


@pytest.mark.parametrize(
    ("tenant", "voice", "name"),
    [("clinic", "voice_1", "clip"), ("hotel", "voice_2", "clip"), ("hotel", "voice_1", "record")],
)
def test_part_is_of_no_use_in_another_place(tenant: str, voice: str, name: str) -> None:
    vault = Vault(SECRET)
    wrapped, sealed = vault.seal("hotel", "voice_1", PARTS)
    with pytest.raises(VaultError):
        vault.open(tenant, voice, wrapped, name, sealed["clip"])


def test_wrong_key_says_which_setting_is_wrong() -> None:
    wrapped, sealed = Vault(SECRET).seal("hotel", "voice_1", PARTS)
    with pytest.raises(VaultError, match="TTSP_VOICE_KEY_FILE has another key"):
        Vault(b"6" * 64).open("hotel", "voice_1", wrapped, "clip", sealed["clip"])


@pytest.mark.parametrize("place", [0, 12, -1])
@pytest.mark.parametrize("what", ["key", "clip"])
def test_changed_byte_is_found(what: str, place: int) -> None:
    vault = Vault(SECRET)
    wrapped, sealed = vault.seal("hotel", "voice_1", PARTS)
    changed = bytearray(wrapped if what == "key" else sealed["clip"])
    changed[place] ^= 1
    given = (bytes(changed), sealed["clip"]) if what == "key" else (wrapped, bytes(changed))
    with pytest.raises(VaultError, match="was changed"):
        vault.open("hotel", "voice_1", given[0], "clip", given[1])


def test_cut_off_part_is_found() -> None:
    vault = Vault(SECRET)
    wrapped, sealed = vault.seal("hotel", "voice_1", PARTS)
    for length in (0, 5, 12, 20):
        with pytest.raises(VaultError):
            vault.open("hotel", "voice_1", wrapped, "clip", sealed["clip"][:length])
