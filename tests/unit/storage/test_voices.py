"""The table of cloned voices, on SQLite and on PostgreSQL."""

from pathlib import Path

import pytest

from tts_app.storage.database import Database
from tts_app.storage.voices import ClonedVoice, ClonedVoices

TENANT = "hotel"
CLIP = b"encrypted clip " * 5000
VOICE = "voice_" + "1" * 24


@pytest.fixture
def voices(database: Database) -> ClonedVoices:
    return ClonedVoices(database)


def voice(number: int = 1) -> ClonedVoice:
    return ClonedVoice(
        id="voice_" + str(number) * 24,
        created=1000.0 + number,
        model="f5",
        locale="ar-EG",
        gender="male",
        digest=f"digest {number}",
        wrapped_key=b"wrapped key",
        record=b"encrypted record",
        clip=CLIP,
        consent_clip=CLIP[::-1],
    )


def test_voice_is_found_with_its_clips_only_where_they_are_asked_for(voices: ClonedVoices) -> None:
    voices.add(TENANT, voice())
    whole = voices.get(TENANT, VOICE, with_clip=True)
    assert whole is not None
    assert (whole.clip, whole.consent_clip) == (CLIP, CLIP[::-1])
    light = voices.get(TENANT, VOICE)
    assert light is not None
    assert (light.record, light.wrapped_key, light.revoked) == (b"encrypted record", b"wrapped key", None)
    assert "clip" not in vars(light)


def test_voices_are_each_tenant_s_own(voices: ClonedVoices) -> None:
    voices.add(TENANT, voice(2))
    voices.add(TENANT, voice(1))
    voices.add("clinic", voice(3))
    assert [found.id[-1] for found in voices.list(TENANT)] == ["1", "2"], "oldest first"
    assert (voices.count(TENANT), voices.count("clinic"), voices.count("museum")) == (2, 1, 0)
    assert voices.get("clinic", VOICE) is None
    assert voices.revoke("clinic", VOICE, 2000.0) is None
    assert voices.get(TENANT, "voice_\0") is None
    assert voices.revoke(TENANT, "voice_\0", 2000.0) is None


def test_revoked_voice_leaves_its_id_and_nothing_that_could_be_decrypted(
    voices: ClonedVoices, database: Database, url: str, tmp_path: Path
) -> None:
    voices.add(TENANT, voice())
    assert voices.revoke(TENANT, VOICE, 2000.0) == "digest 1"
    assert voices.revoke(TENANT, VOICE, 3000.0) is None, "only once"
    assert (voices.list(TENANT), voices.count(TENANT)) == ([], 0)
    left = voices.get(TENANT, VOICE, with_clip=True)
    assert left is not None
    assert left.revoked == 2000.0
    assert [left.wrapped_key, left.record, left.clip, left.consent_clip] == [None] * 4
    if url.startswith("sqlite"):
        stored = b"".join(path.read_bytes() for path in (tmp_path / "state").glob("metadata.sqlite*"))
        for secret in (b"wrapped key", b"encrypted record", CLIP[:30]):
            assert secret not in stored, "it is not in the write-ahead log either"
