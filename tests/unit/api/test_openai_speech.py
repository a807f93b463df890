"""`POST /v1/audio/speech`: what it answers, and that a slot is never lost."""

import asyncio
import base64
import json
import traceback
from dataclasses import replace
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from tts_app.api.middleware import BrokenAnswerError, RequestContext
from tts_app.engines.base import EngineError
from tts_app.resources.engines import ENGINES
from tts_app.serving.client import PATIENCE
from tts_app.serving.service import SpeechService
from tts_app.speech import SpeechOptions, Utterance

PATH = "/v1/audio/speech"


def body(**changes: Any) -> dict[str, Any]:
    return {"model": "tts-1", "input": "one two", "voice": "female_en-US", **changes}


async def test_it_speaks(api: Any) -> None:
    answer = await api.client.post(PATH, json=body())
    assert answer.status_code == 200
    assert answer.content == b"one@heart;two@heart;"
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["x-request-id"]
    assert api.load == (0, 0)


@pytest.mark.parametrize(
    ("voice", "speaker"),
    [
        ("FEMALE_en-us", "heart"),
        ("onyx", "michael"),
        ({"id": "female_en-GB"}, "emma"),
        ("male_ar-EG", "omega"),
    ],
)
async def test_a_voice_has_many_names(api: Any, voice: Any, speaker: str) -> None:
    answer = await api.client.post(PATH, json=body(voice=voice, input="x"))
    assert answer.content == f"x@{speaker};".encode()


@pytest.mark.parametrize(
    "model",
    ["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15", "tts-1-hd-1106", "kokoro"],
)
async def test_a_model_may_be_openais_or_one_of_ours(api: Any, model: str) -> None:
    assert (await api.client.post(PATH, json=body(model=model))).status_code == 200


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("mp3", "audio/mpeg"), ("wav", "audio/wav"), ("flac", "audio/flac"), ("aac", "audio/aac")],
)
async def test_the_format_decides_the_media_type(api: Any, name: str, media_type: str) -> None:
    answer = await api.client.post(PATH, json=body(response_format=name))
    assert answer.headers["content-type"] == media_type


async def test_server_sent_events_carry_the_audio(api: Any) -> None:
    answer = await api.client.post(PATH, json=body(stream_format="sse"))
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert [event["type"] for event in events] == ["speech.audio.delta"] * 2 + ["speech.audio.done"]
    audio = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert audio == b"one@heart;two@heart;"
    assert events[-1]["usage"]["total_tokens"] == len("one two") + len(audio)


async def test_instructions_that_no_engine_follows_are_named_as_ignored(api: Any) -> None:
    answer = await api.client.post(PATH, json=body(instructions="Whisper."))
    assert answer.status_code == 200
    assert answer.headers["x-ignored-parameters"] == "instructions"
    for none in (None, "", " "):
        answer = await api.client.post(PATH, json=body(instructions=none))
        assert "x-ignored-parameters" not in answer.headers


@pytest.mark.parametrize(
    ("fields", "ignored"),
    [
        ({"user": "u1"}, "user"),
        ({"user": None, "speed": None, "response_format": None, "parameters": None, "stream": None}, None),
        ({"foo": {"deep": [1]}, "bar": 2, "instructions": "Sing."}, "instructions, foo, bar"),
        ({"naïve, x: y\r\nSet-Cookie": 1}, "na%C3%AFve%2C%20x%3A%20y%0D%0ASet-Cookie"),
        ({"": 1}, None),
    ],
)
async def test_a_field_that_we_do_not_know_is_left_out_and_named(
    api: Any, fields: dict[str, Any], ignored: str | None
) -> None:
    content = json.dumps(body(**fields))
    answer = await api.client.post(PATH, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert answer.content == b"one@heart;two@heart;"
    assert answer.headers.get("x-ignored-parameters") == ignored


async def test_the_names_of_a_thousand_fields_fit_into_a_header(api: Any) -> None:
    answer = await api.client.post(PATH, json=body(**{f"{n:03}" + "x" * 500: n for n in range(1000)}))
    assert answer.status_code == 200
    told = answer.headers["x-ignored-parameters"]
    assert len(told) <= 1024
    assert all(len(name) == 64 for name in told.split(", "))
    assert len(told.split(", ")) == 15


@pytest.mark.parametrize(
    ("fields", "speaker", "ignored"),
    [
        ({"language": "en"}, "heart", None),
        ({"language": "en-GB"}, "emma", None),
        ({"language": "en_gb"}, "emma", None),
        ({"lang_code": "b"}, "emma", None),
        ({"lang_code": "a"}, "heart", None),
        ({"language": "ar", "voice": "onyx"}, "omega", None),
        ({"language": "ar-EG", "voice": "male_en-US"}, "omega", None),
        ({"language": "en-US", "voice": "male_ar-EG"}, "michael", None),
        ({"language": "ar"}, "heart", "language"),
        ({"language": "en-GB", "voice": "onyx"}, "michael", "language"),
        ({"language": "tlh"}, "heart", "language"),
        ({"language": "not a language"}, "heart", "language"),
        ({"lang_code": "z"}, "heart", "lang_code"),
        ({"lang_code": "j", "user": "me"}, "heart", "lang_code, user"),
    ],
)
async def test_a_language_picks_the_avatar_of_the_same_gender(
    api: Any, fields: dict[str, Any], speaker: str, ignored: str | None
) -> None:
    answer = await api.client.post(PATH, json=body(input="x", **fields))
    assert answer.content == f"x@{speaker};".encode()
    assert answer.headers.get("x-ignored-parameters") == ignored


@pytest.mark.parametrize("text", ["---", "...", "🙂", "👩🏽‍🚀", "!?", "*", "“”", "—", "。", "• "])
async def test_a_piece_without_words_is_a_short_silence(api: Any, text: str) -> None:
    answer = await api.client.post(PATH, json=body(input=text))
    assert (answer.status_code, answer.content) == (200, b"silence;")
    assert api.load == (0, 0)


async def test_a_whole_answer_tells_its_length(api: Any) -> None:
    answer = await api.client.post(PATH, json=body(stream=False))
    assert answer.content == b"one@heart;two@heart;"
    assert answer.headers["content-length"] == "20"
    assert answer.headers["content-type"] == "audio/mpeg"
    streamed = await api.client.post(PATH, json=body(stream=True))
    assert "content-length" not in streamed.headers


@pytest.mark.parametrize("path", ["/v1/audio/speech/", "/audio/speech"])
async def test_other_spellings_of_the_address_are_served_and_guarded(start: Any, path: str) -> None:
    api = await start(api_key="a-secret-of-16-ch")
    assert (await api.client.post(path, json=body())).status_code == 401
    key = {"Authorization": "Bearer a-secret-of-16-ch"}
    assert (await api.client.post(path, json=body(), headers=key)).content == b"one@heart;two@heart;"


async def test_instructions_and_parameters_reach_an_engine_that_takes_them(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = {**ENGINES, "kokoro": replace(ENGINES["kokoro"], follows_instructions=True)}
    monkeypatch.setattr("tts_app.api.speech_options.ENGINES", following)
    utterances: list[Utterance] = []
    speak = SpeechService.speak

    def record(service: SpeechService, tenant: str, utterance: Utterance) -> Any:
        utterances.append(utterance)
        return speak(service, tenant, utterance)

    monkeypatch.setattr(SpeechService, "speak", record)
    options = {"instructions": "Calmly.", "parameters": {"speed": 1.5}, "sample_rate": 48_000}
    answer = await api.client.post(PATH, json=body(**options))
    assert answer.status_code == 200
    assert "x-ignored-parameters" not in answer.headers
    assert utterances[0].options == SpeechOptions(
        sample_rate=48_000, parameters={"speed": 1.5}, instructions="Calmly."
    )


async def test_overload_is_told_at_once_with_a_time_to_come_back(api: Any, until: Any) -> None:
    api.model.gate.clear()
    requests = [asyncio.create_task(api.client.post(PATH, json=body())) for _ in range(4)]
    await until(lambda: api.load == (2, 2))
    refused = await api.client.post(PATH, json=body())
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["type"] == "rate_limit_error"
    api.model.gate.set()
    answers = await asyncio.gather(*requests)
    assert [answer.status_code for answer in answers] == [200] * 4
    assert api.load == (0, 0)


@pytest.mark.parametrize("waits", [False, True])
async def test_a_caller_who_leaves_frees_its_place(api: Any, waits: bool, until: Any) -> None:
    api.model.gate.clear()
    before = 2 if waits else 0
    others = [asyncio.create_task(api.client.post(PATH, json=body())) for _ in range(before)]
    await until(lambda: api.load == (before, 0))
    leaving = asyncio.create_task(api.client.post(PATH, json=body()))
    await until(lambda: sum(api.load) == before + 1)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert api.load == (before, 0)
    assert api.model.cancelled == (0 if waits else 1)
    api.model.gate.set()
    await asyncio.gather(*others)
    assert api.load == (0, 0)


async def test_a_failing_engine_is_an_error_and_frees_its_slot(api: Any) -> None:
    api.model.error = RuntimeError("secret of the machine")
    answer = await api.client.post(PATH, json=body())
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert "secret" not in answer.text
    api.model.error = EngineError("the segment is too long")
    assert (await api.client.post(PATH, json=body())).status_code == 400
    assert api.load == (0, 0)


async def test_what_breaks_an_answer_off_is_raised_without_its_message() -> None:
    """Serve's proxy logs what is raised, and the message may quote the text."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("zanzibar")

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_message: Message) -> None:
        return

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(BrokenAnswerError) as caught:
        await RequestContext(app, max_body=10)(scope, receive, send)
    told = "".join(traceback.format_exception(caught.value))
    assert "RuntimeError" in told
    assert "zanzibar" not in told


async def test_a_model_that_is_away_is_503_with_a_time_to_come_back(api: Any) -> None:
    api.model.down = True
    answer = await api.client.post(PATH, json=body())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["error"]["code"] == "model_unavailable"
    assert api.load == (0, 0)


async def test_who_waits_is_not_kept_waiting_for_a_replica_and_a_durable_speech_is(api: Any) -> None:
    assert (await api.client.post(PATH, json=body())).status_code == 200
    assert api.model.within == PATIENCE
    durable = {"text": "one two three", "language": "en"}
    answer = await api.client.post("/v1/speech", json=durable, headers={"prefer": "wait=20"})
    assert answer.status_code == 201
    assert api.model.within is None
