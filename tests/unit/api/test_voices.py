"""`/v1/voices`: cloned with consent, stored encrypted, used, revoked."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from simulated_speaker import RATE, encoded, speech

from tts_app.cloning.recordings import RecordingError
from tts_app.cloning.speakers import Comparison
from tts_app.resources.engines import ENGINES

Start = Callable[..., Awaitable[Any]]
SPOKEN = speech(5.0)
WAV = encoded(SPOKEN, RATE, "wav")
CONSENT_WAV = encoded(speech(4.0, 130.0), RATE, "wav")
CONSENT = {"id": "contract 17", "by": "Maryam Sample", "date": "2026-01-31"}
WORDS = "Good evening, and welcome to the hotel."
FIELDS = {"name": "Front desk", "transcript": WORDS, "consent": json.dumps(CONSENT), "locale": "en-GB"}
FILES = {"audio_sample": WAV, "consent_sample": CONSENT_WAV}
UNKNOWN = "voice_" + "0" * 24


@pytest.fixture(autouse=True)
def _kokoro_clones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for an engine that clones: the model of these tests is simulated anyway."""
    cloning = replace(ENGINES["kokoro"], voice_kinds=("speaker", "reference"))
    monkeypatch.setattr("tts_app.api.voices.ENGINES", {**ENGINES, "kokoro": cloning})
    # Whether speakers are told apart is tested in tests/unit/cloning/test_speakers.py.
    monkeypatch.setattr("tts_app.cloning.speakers.can_compare", lambda: False)


async def post(api: Any, fields: dict[str, Any] = FIELDS, files: dict[str, bytes] = FILES) -> httpx.Response:
    answer: httpx.Response = await api.client.post(
        "/v1/voices", data=fields, files={name: (f"{name}.bin", data) for name, data in files.items()}
    )
    return answer


async def made(api: Any, **fields: Any) -> dict[str, Any]:
    answer = await post(api, {**FIELDS, **fields})
    assert answer.status_code == 201, answer.text
    voice: dict[str, Any] = answer.json()
    return voice


def written(folder: Path) -> bytes:
    """What is in the database's files."""
    return b"".join(path.read_bytes() for path in folder.glob("metadata.sqlite*"))


def refusal(answer: httpx.Response) -> tuple[int, str | None, str]:
    error = answer.json()["error"]
    return answer.status_code, error["param"], error["code"]


async def test_voice_is_made_shown_and_listed(api: Any) -> None:
    answer = await post(api)
    assert answer.status_code == 201, answer.text
    voice = answer.json()
    assert answer.headers["Location"] == f"/v1/voices/{voice['id']}"
    assert (voice["name"], voice["model"], voice["locale"]) == ("Front desk", "kokoro", "en-GB")
    assert voice["consent"] == CONSENT
    assert voice["gender"] == "male", "by the pitch"
    assert voice["measured"]["seconds"] == pytest.approx(5, abs=0.5)
    assert (await api.client.get(answer.headers["Location"])).json() == voice
    second = await made(api, gender="female", locale="en-us")
    assert (second["gender"], second["locale"]) == ("female", "en-US")
    listed = (await api.client.get("/v1/voices")).json()
    assert listed == {"object": "list", "data": [voice, second]}


async def test_record_says_whether_the_speakers_were_compared(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    speakers = (await made(api))["speakers"]
    assert (speakers["checked"], speakers["similarity"]) == (False, None)
    assert "tts-playground[clone]" in speakers["reason"]
    compared = Comparison(True, 0.9)
    monkeypatch.setattr("tts_app.api.voices.compare_speakers", lambda *_: compared)
    assert (await made(api))["speakers"] == compared.written()


async def test_consent_of_somebody_else_is_refused(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def differ(*_: Any) -> Comparison:
        raise RecordingError("The consent is not spoken by the speaker of the recording.")

    monkeypatch.setattr("tts_app.api.voices.compare_speakers", differ)
    assert refusal(await post(api)) == (400, "consent_sample", "other_speaker")
    assert (await api.client.get("/v1/voices")).json()["data"] == []


async def test_voice_speaks_in_both_endpoints(api: Any) -> None:
    voice = await made(api)
    streamed = await api.client.post("/v1/audio/speech", json={"input": "one two", "voice": voice["id"]})
    assert streamed.status_code == 200, streamed.text
    stored = await api.client.post(
        "/v1/speech", json={"text": "one", "voice": voice["id"]}, headers={"Prefer": "wait=20"}
    )
    assert (stored.status_code, stored.json()["voice"]) == (201, voice["id"])
    assert {clip.transcript for clip in api.model.clips} == {WORDS}
    assert len(api.model.clips) == 3, "one for each word"
    clip = api.model.clips[0]
    assert clip.rate == RATE
    assert clip.audio.size == pytest.approx(voice["measured"]["seconds"] * RATE, abs=0.01 * RATE)


async def test_voice_belongs_to_a_model(api: Any) -> None:
    voice = await made(api)
    for model, status in (("kokoro", 200), ("tts-1", 200), ("writer", 400)):
        body = {"input": "one", "voice": voice["id"], "model": model}
        assert (await api.client.post("/v1/audio/speech", json=body)).status_code == status, model


@pytest.mark.parametrize("name", [UNKNOWN, "voice_x", "voice_" + "0" * 23, "voice_\0"])
async def test_unknown_voice_is_an_error_of_its_parameter(api: Any, name: str) -> None:
    answer = await api.client.post("/v1/audio/speech", json={"input": "one", "voice": name})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "voice"
    assert refusal(await api.client.get(f"/v1/voices/{name.strip(chr(0))}")) == (404, "id", "unknown_voice")


async def test_revoked_voice_is_gone_at_once(api: Any) -> None:
    voice = await made(api)
    path = f"/v1/voices/{voice['id']}"
    body = {"input": "one", "voice": voice["id"]}
    assert (await api.client.post("/v1/audio/speech", json=body)).status_code == 200
    digest = api.model.clips[0].digest
    assert (await api.client.delete(path)).status_code == 204
    assert api.model.forgotten == [digest]
    refused = await api.client.post("/v1/audio/speech", json=body)
    assert refused.status_code == 400
    assert "was revoked" in refused.json()["error"]["message"]
    for method in ("GET", "DELETE"):
        assert refusal(await api.client.request(method, path)) == (404, "id", "unknown_voice")
    assert (await api.client.get("/v1/voices")).json()["data"] == []
    left = await asyncio.to_thread(api.context.clones._voices.get, "default", voice["id"], with_clip=True)
    assert [left.wrapped_key, left.record, left.clip, left.consent_clip] == [None] * 4


async def test_voice_is_revoked_while_a_speech_is_made(api: Any, until: Any) -> None:
    voice = await made(api)
    api.model.gate.clear()
    speech = (
        await api.client.post("/v1/speech", json={"text": "one two three", "voice": voice["id"]})
    ).json()
    await until(lambda: api.model.clips)
    assert (await api.client.delete(f"/v1/voices/{voice['id']}")).status_code == 204
    api.model.gate.set()
    ended = await api.context.durable.wait("default", speech["id"], 10)
    assert (ended.status, "was revoked" in (ended.error or "")) == ("failed", True)


async def test_voice_is_revoked_where_no_replica_answers(api: Any) -> None:
    voice = await made(api)
    api.model.down = True
    assert (await api.client.delete(f"/v1/voices/{voice['id']}")).status_code == 204
    assert api.model.forgotten == []


async def test_voice_can_be_revoked_whose_key_is_lost(start: Start, tmp_path: Path) -> None:
    voice = await made(await start())
    (tmp_path / "voice-key").write_text("6" * 64)
    api = await start()
    shown = await api.client.get(f"/v1/voices/{voice['id']}")
    assert refusal(shown) == (503, None, "voice_unreadable")
    assert "TTSP_VOICE_KEY_FILE" in shown.json()["error"]["message"]
    assert (await api.client.delete(f"/v1/voices/{voice['id']}")).status_code == 204


async def test_consent_that_has_ended_ends_the_voice(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    consent = {**CONSENT, "expires": "2099-12-31", "purpose": "the lobby"}
    voice = await made(api, consent=json.dumps(consent))
    assert voice["consent"] == consent
    monkeypatch.setattr("tts_app.serving.clones.time.time", lambda: 4_200_000_000.0)
    answer = await api.client.post("/v1/audio/speech", json={"input": "one", "voice": voice["id"]})
    assert answer.status_code == 400
    assert "has ended with 2099-12-31" in answer.json()["error"]["message"]


async def test_nothing_of_a_voice_is_readable_in_the_database(api: Any, tmp_path: Path) -> None:
    await made(api)
    api.context.database.close()
    stored = written(tmp_path)
    pcm = np.rint(SPOKEN[RATE : RATE + 16] * 32_768).astype("<i2").tobytes()
    for told in (b"Front desk", WORDS.encode(), b"Maryam", b"contract 17", WAV[20_000:20_032], pcm):
        assert told not in stored
    assert b"voice_" in stored
    key = tmp_path / "voice-key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_bytes() not in stored


@pytest.mark.parametrize("missing", ["name", "transcript", "consent", "audio_sample", "consent_sample"])
async def test_every_part_of_the_form_is_needed(api: Any, missing: str) -> None:
    fields = {name: value for name, value in FIELDS.items() if name != missing}
    files = {name: value for name, value in FILES.items() if name != missing}
    assert refusal(await post(api, fields, files)) == (400, missing, "missing_parameter")


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"name": ""}, "name", "invalid_value"),
        ({"name": "x" * 201}, "name", "invalid_value"),
        ({"transcript": ""}, "transcript", "invalid_value"),
        ({"transcript": "x" * 5000}, "transcript", "invalid_value"),
        ({"consent": "yes"}, "consent", "invalid_value"),
        ({"consent": "[]"}, "consent", "invalid_value"),
        ({"consent": "{}"}, "consent.id", "missing_parameter"),
        ({"consent": json.dumps({**CONSENT, "by": 7})}, "consent.by", "invalid_value"),
        ({"consent": json.dumps({**CONSENT, "date": "31.1.2026"})}, "consent.date", "invalid_value"),
        ({"consent": json.dumps({**CONSENT, "date": "2026-02-31"})}, "consent.date", "invalid_value"),
        ({"consent": json.dumps({**CONSENT, "date": "2999-01-01"})}, "consent.date", "invalid_value"),
        ({"consent": json.dumps({**CONSENT, "expires": "2020-01-01"})}, "consent.expires", "invalid_value"),
        ({"consent": json.dumps({**CONSENT, "signed": True})}, "consent.signed", "invalid_value"),
        ({"model": "nobody"}, "model", "unknown_model"),
        ({"locale": "fr-FR"}, "locale", "unknown_locale"),
        ({"gender": "robot"}, "gender", "invalid_value"),
        ({"speed": "1"}, "speed", "unknown_parameter"),
        ({"name": ["a", "b"]}, "name", "invalid_request"),
    ],
)
async def test_wrong_field_is_named(api: Any, fields: dict[str, Any], param: str, code: str) -> None:
    assert refusal(await post(api, {**FIELDS, **fields})) == (400, param, code)


async def test_locale_is_needed_where_the_model_speaks_several(api: Any) -> None:
    answer = await post(api, {name: value for name, value in FIELDS.items() if name != "locale"})
    assert refusal(answer) == (400, "locale", "missing_parameter")
    assert "ar-EG, en-GB, en-US" in answer.json()["error"]["message"]


@pytest.mark.parametrize("which", ["audio_sample", "consent_sample"])
@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (b"", "is empty"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "of no format that is read here"),
        (WAV[:40], "no sound wav file|holds no sound"),
        (encoded(SPOKEN[: 2 * RATE], RATE, "wav"), "too short"),
        (encoded(speech(33.0), RATE, "mp3"), "too long"),
        (encoded(0 * SPOKEN, RATE, "wav"), "is silent"),
        (encoded(np.clip(6 * SPOKEN, -0.9, 0.9), RATE, "wav"), "is clipped"),
        (encoded(speech(5.0, noise=0.08), RATE, "flac"), "too noisy"),
    ],
)
async def test_unfit_recording_is_refused(api: Any, which: str, recording: bytes, message: str) -> None:
    answer = await post(api, files={**FILES, which: recording})
    assert refusal(answer) == (400, which, "unfit_recording")
    assert any(part in answer.json()["error"]["message"] for part in message.split("|"))


async def test_huge_body_is_refused_and_other_routes_keep_their_limit(start: Start) -> None:
    api = await start(max_recording=100_000)
    huge = b"RIFF" + bytes(2 << 20)
    assert (await post(api, files={**FILES, "audio_sample": huge})).status_code == 413
    assert refusal(await post(api)) == (400, "audio_sample", "unfit_recording"), "each has its own limit too"
    assert (await api.client.post("/v1/speech", content=bytes(1 << 21))).status_code == 413


async def test_body_must_be_a_form(api: Any) -> None:
    answer = await api.client.post("/v1/voices", json=FIELDS)
    assert refusal(answer) == (415, None, "unsupported_media_type")
    for kind, content in (
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b"--y\r\nnonsense"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nA'),
    ):
        answer = await api.client.post("/v1/voices", content=content, headers={"Content-Type": kind})
        assert answer.status_code == 400, answer.text
    answer = await post(api, {**FIELDS, "audio_sample": "text"}, {"consent_sample": WAV})
    assert refusal(answer)[:2] == (400, "audio_sample")
    answer = await post(api, FIELDS, {**FILES, "third": WAV})
    assert refusal(answer) == (400, None, "invalid_form")


async def test_without_a_model_that_clones_the_engines_are_named(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    able = replace(ENGINES["kokoro"], name="able", voice_kinds=("reference",))
    monkeypatch.setattr("tts_app.api.voices.ENGINES", {**ENGINES, "able": able})
    answer = await post(api)
    assert refusal(answer) == (400, None, "no_cloning_model")
    assert "Engines that can: able" in answer.json()["error"]["message"]


async def test_without_a_key_nothing_is_stored(start: Start, tmp_path: Path) -> None:
    api = await start(proxied=True)
    answer = await post(api)
    assert refusal(answer) == (503, None, "voice_key_missing")
    assert "TTSP_VOICE_KEY_FILE" in answer.json()["error"]["message"]
    (tmp_path / "key").write_text("5" * 64)
    api = await start(proxied=True, voice_key_file=str(tmp_path / "key"))
    assert (await post(api)).status_code == 201


async def test_tenant_has_a_limit_of_voices(start: Start) -> None:
    api = await start(max_voices=1)
    voice = await made(api)
    assert refusal(await post(api)) == (429, None, "insufficient_quota")
    assert (await api.client.delete(f"/v1/voices/{voice['id']}")).status_code == 204
    await made(api)


async def test_voices_are_each_tenant_s_own(start: Start) -> None:
    api = await start(key_required=True)
    headers = {}
    for tenant in ("hotel", "clinic"):
        key, _ = api.context.issuer.create(
            tenant, tenant, frozenset({"clone", "speak", "read"}), None, "test"
        )
        headers[tenant] = {"Authorization": f"Bearer {key.text}"}
    files = {name: (name, data) for name, data in FILES.items()}
    answer = await api.client.post("/v1/voices", data=FIELDS, files=files, headers=headers["hotel"])
    voice = answer.json()["id"]
    for tenant, count, status in (("hotel", 1, 200), ("clinic", 0, 400)):
        listed = await api.client.get("/v1/voices", headers=headers[tenant])
        assert len(listed.json()["data"]) == count
        body = {"input": "one", "voice": voice}
        spoken = await api.client.post("/v1/audio/speech", json=body, headers=headers[tenant])
        assert spoken.status_code == status, tenant
    said = [await _refused(api, headers["clinic"], name) for name in (voice, UNKNOWN)]
    assert said[0].replace(voice, "ID") == said[1].replace(UNKNOWN, "ID")


async def _refused(api: Any, headers: dict[str, str], voice: str) -> str:
    body = {"input": "one", "voice": voice}
    answer = await api.client.post("/v1/audio/speech", json=body, headers=headers)
    return str(answer.json()["error"]["message"])


async def test_acts_are_audited(start: Start) -> None:
    api = await start(audit=True)
    voice = await made(api)
    assert (await api.client.delete(f"/v1/voices/{voice['id']}")).status_code == 204
    rows = [(row.action, row.object_id, row.outcome) for row in api.context.audit.all()]
    assert [row for row in rows if row[0].startswith("voice.")] == [
        ("voice.clone", voice["id"], "done"),
        ("voice.revoke", voice["id"], "done"),
    ]


async def post_named(api: Any, key: str, **fields: str) -> httpx.Response:
    files = {name: (f"{name}.bin", data) for name, data in FILES.items()}
    data = {**FIELDS, **fields}
    answer: httpx.Response = await api.client.post(
        "/v1/voices", data=data, files=files, headers={"Idempotency-Key": key}
    )
    return answer


async def test_a_repeated_request_makes_no_second_voice(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await post_named(api, "front desk")
    assert first.status_code == 201, first.text

    def decoded_again(*_: Any) -> None:
        raise AssertionError("a repeated request costs no decoding")

    with monkeypatch.context() as patched:
        patched.setattr("tts_app.api.voices.check_recording", decoded_again)
        again = await post_named(api, "front desk")
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    other = await post_named(api, "front desk", name="Back office")
    assert refusal(other) == (409, "Idempotency-Key", "idempotency_conflict")
    assert len((await api.client.get("/v1/voices")).json()["data"]) == 1


async def test_a_key_is_free_again_when_its_voice_is_revoked(api: Any, tmp_path: Path) -> None:
    first = await post_named(api, "front desk")
    await api.client.delete(first.headers["Location"])
    assert b"front desk" not in written(tmp_path)
    again = await post_named(api, "front desk")
    assert again.status_code == 201
    assert again.json()["id"] != first.json()["id"]


async def test_a_repeated_request_is_answered_where_there_is_no_room_for_another(start: Start) -> None:
    api = await start(max_voices=1)
    first = await post_named(api, "front desk")
    assert (await post_named(api, "front desk")).json() == first.json()
    assert (await post_named(api, "back office")).status_code == 429
