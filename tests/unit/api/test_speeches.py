"""`/v1/speech`: accepted, made, followed, fetched in parts, taken up again, removed."""

import asyncio
import hashlib
import json
import sqlite3
import threading
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from sqlalchemy.exc import OperationalError

from tts_app.audio.encode import Encoder
from tts_app.backoff import Backoff
from tts_app.resources import VoiceModel
from tts_app.resources.engines import ENGINES
from tts_app.serving import durable, service
from tts_app.serving.client import ModelUnavailableError
from tts_app.speech import PLANNERS, Chunk, Utterance
from tts_app.storage.audio import AudioFile, AudioStore
from tts_app.storage.speeches import Speech, Speeches

PATH = "/v1/speech"
BODY = {"text": "one two three", "language": "en"}
SPOKEN = {"input": "one two", "voice": "alloy"}
AUDIO = b"one@heart;two@heart;three@heart;"


async def made(api: Any, **changes: Any) -> dict[str, Any]:
    answer = await api.client.post(PATH, json={**BODY, **changes}, headers={"prefer": "wait=20"})
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


def files(tmp_path: Path) -> list[Path]:
    """What is in the audio store, finished or not."""
    return [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


async def ended(api: Any, address: str) -> dict[str, Any]:
    """Follow a speech until it has ended."""
    async with asyncio.timeout(10):
        events = await api.client.get(f"{address}/events")
    result: dict[str, Any] = json.loads(events.text.splitlines()[-2].removeprefix("data: "))
    return result


async def left_unfinished(start: Any, until: Any) -> tuple[str, list[VoiceModel]]:
    """Stop a gateway while it makes a speech; return that one's address, and the models there were."""
    first = await start()
    first.model.gate.clear()
    address = (await first.client.post(PATH, json=BODY)).headers["location"]
    await until(lambda: address.split("/")[-1] in first.context.durable._progress)
    await first.context.durable.stop()
    return address, first.context.service.models


async def test_with_time_enough_it_is_created(api: Any, tmp_path: Path) -> None:
    answer = await api.client.post(PATH, json=BODY, headers={"prefer": "respond-async, wait=20"})
    speech = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/speech/{speech['id']}"
    assert answer.headers["preference-applied"] == "wait=20"
    assert (speech["status"], speech["voice"], speech["seconds"]) == ("done", "female_en-US", 1.5)
    assert (speech["bytes"], speech["sha256"]) == (len(AUDIO), hashlib.sha256(AUDIO).hexdigest())
    (file,) = files(tmp_path)
    assert file.read_bytes() == AUDIO
    assert file == tmp_path / "out" / f"{speech['id']}_female_en-US.mp3"


async def test_without_it_is_accepted_and_can_be_followed(api: Any) -> None:
    api.model.gate.clear()
    accepted = await api.client.post(PATH, json=BODY)
    assert accepted.status_code == 202
    address = accepted.headers["location"]
    early = await api.client.get(f"{address}/audio")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "not_ready")
    asyncio.get_running_loop().call_later(0.05, api.model.gate.set)
    events = await api.client.get(f"{address}/events")
    states = [
        json.loads(line[6:])["status"] for line in events.text.splitlines() if line.startswith("data: ")
    ]
    assert states[-1] == "done"
    assert set(states) <= {"queued", "running", "done"}
    assert (await api.client.get(address)).json()["status"] == "done"
    assert (await api.client.get(f"{address}/audio")).content == AUDIO


async def test_a_follower_gets_a_sign_of_life(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tts_app.api.speeches._SILENCE", 0.01)
    api.model.gate.clear()
    address = (await api.client.post(PATH, json=BODY)).headers["location"]
    asyncio.get_running_loop().call_later(0.3, api.model.gate.set)
    events = await api.client.get(f"{address}/events")
    assert ": nothing new\n\n" in events.text


async def test_a_wait_that_is_too_short_is_202(api: Any) -> None:
    api.model.gate.clear()
    answer = await api.client.post(PATH, json=BODY, headers={"prefer": "wait=0"})
    assert answer.status_code == 202
    assert answer.json()["status"] in ("queued", "running")


@pytest.mark.parametrize("prefer", ["wait=", "wait=-1", "wait=abc", "awaited=5", "return=minimal"])
async def test_a_preference_that_makes_no_sense_is_ignored(api: Any, prefer: str) -> None:
    answer = await api.client.post(PATH, json=BODY, headers={"prefer": prefer})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize(
    ("wanted", "speaker"),
    [
        ({"language": "en"}, "heart"),
        ({"language": "en", "gender": "male"}, "michael"),
        ({"language": "EN", "dialect": "gb"}, "emma"),
        ({"language": "en-GB"}, "emma"),
        ({"language": "en", "dialect": "en-GB"}, "emma"),
        ({"language": "ar", "dialect": "EG", "gender": "male"}, "omega"),
        ({"language": None, "voice": "male_ar-EG"}, "omega"),
    ],
)
async def test_language_dialect_and_gender_choose_the_voice(
    api: Any, wanted: dict[str, Any], speaker: str
) -> None:
    speech = await made(api, text="x", **wanted)
    audio = await api.client.get(speech["links"]["audio"])
    assert audio.content == f"x@{speaker};".encode()


@pytest.mark.parametrize(
    ("wanted", "part", "content_range"),
    [
        ("bytes=0-3", AUDIO[:4], "bytes 0-3/32"),
        ("bytes=4-", AUDIO[4:], "bytes 4-31/32"),
        ("bytes=-5", AUDIO[-5:], "bytes 27-31/32"),
        ("bytes=-500", AUDIO, "bytes 0-31/32"),
        ("bytes=30-99", AUDIO[30:], "bytes 30-31/32"),
        ("BYTES=0-0", AUDIO[:1], "bytes 0-0/32"),
    ],
)
async def test_a_range_is_partial_content(api: Any, wanted: str, part: bytes, content_range: str) -> None:
    speech = await made(api)
    answer = await api.client.get(speech["links"]["audio"], headers={"range": wanted})
    assert (answer.status_code, answer.content) == (206, part)
    assert answer.headers["content-range"] == content_range
    assert answer.headers["content-length"] == str(len(part))


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=-", "lines=0-1", "bytes=0-1,3-4", "bytes=a-b"])
async def test_a_range_that_cannot_be_read_is_the_whole_file(api: Any, wanted: str) -> None:
    speech = await made(api)
    answer = await api.client.get(speech["links"]["audio"], headers={"range": wanted})
    assert (answer.status_code, answer.content) == (200, AUDIO)


@pytest.mark.parametrize("wanted", ["bytes=32-", "bytes=99-100", "bytes=-0"])
async def test_a_range_beyond_the_file_is_416(api: Any, wanted: str) -> None:
    speech = await made(api)
    answer = await api.client.get(speech["links"]["audio"], headers={"range": wanted})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */32"
    assert answer.json()["error"]["param"] == "Range"


async def test_conditions_of_a_range_and_head(api: Any) -> None:
    address = (await made(api))["links"]["audio"]
    head = await api.client.head(address)
    tag = head.headers["etag"]
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "32")
    same = await api.client.get(address, headers={"range": "bytes=0-3", "if-range": tag})
    other = await api.client.get(address, headers={"range": "bytes=0-3", "if-range": '"old"'})
    known = await api.client.get(address, headers={"if-none-match": f'"x", {tag}'})
    assert [same.status_code, other.status_code, known.status_code] == [206, 200, 304]


class Slow:
    """A model that speaks the first segment at once, and the others when it is told to `go`."""

    def __init__(self, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self._spoken = 0
        monkeypatch.setattr(api.model, "synthesise", self._synthesise)

    async def _synthesise(self, *_args: Any, **_named: Any) -> np.ndarray[Any, Any]:
        self._spoken += 1
        if self._spoken > 1:
            await self.go.wait()
            if self.error is not None:
                raise self.error
        return np.zeros(10, np.float32)


async def grows(api: Any, until: Any, **changes: Any) -> str:
    """Order a speech and wait until its first segment is in its file; return its address."""
    accepted = await api.client.post(PATH, json={**BODY, **changes})
    address: str = accepted.headers["location"]
    speech_id = address.rpartition("/")[2]
    progress = api.context.durable._progress
    await until(lambda: speech_id in progress and progress[speech_id].bytes)
    return address


@pytest.mark.parametrize("name", ["mp3", "opus", "aac"])
async def test_audio_is_sent_while_it_grows(
    api: Any, until: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    slow = Slow(api, monkeypatch)
    address = await grows(api, until, response_format=name)
    speech = await api.context.durable.get("default", address.split("/")[-1])
    pieces = api.context.durable.follow_audio(speech)
    assert await asyncio.wait_for(anext(pieces), 10) == b"one@heart;"
    others = [
        asyncio.create_task(api.client.get(f"{address}/audio", headers={"range": "bytes=3-"})) for _ in "ab"
    ]
    await asyncio.sleep(0.05)
    assert not any(other.done() for other in others)
    slow.go.set()
    assert b"".join([piece async for piece in pieces]) == b"two@heart;three@heart;"
    for answer in await asyncio.gather(*others):
        assert (answer.status_code, answer.content) == (200, AUDIO)
        assert answer.headers["accept-ranges"] == "none"
        assert not {"content-length", "etag", "content-range"} & set(answer.headers)
    assert (await ended(api, address))["status"] == "done"
    whole = await api.client.get(f"{address}/audio")
    assert (whole.content, whole.headers["accept-ranges"]) == (AUDIO, "bytes")


@pytest.mark.parametrize("end", ["failure", "deletion", "stop"])
async def test_audio_that_is_not_made_to_its_end_breaks_off(
    api: Any, until: Any, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    slow = Slow(api, monkeypatch)
    address = await grows(api, until)
    durable_speeches = api.context.durable
    pieces = durable_speeches.follow_audio(await durable_speeches.get("default", address.split("/")[-1]))
    assert await anext(pieces) == b"one@heart;"
    rest = asyncio.create_task(anext(pieces))
    await asyncio.sleep(0.05)
    if end == "failure":
        slow.error = RuntimeError("broken")
        slow.go.set()
    elif end == "deletion":
        await api.client.delete(address)
    else:
        await durable_speeches.stop()
    with pytest.raises(durable.BrokenOffError):
        await asyncio.wait_for(rest, 10)
    assert (await api.client.get(f"{address}/audio")).status_code in (404, 409)


async def test_a_file_that_says_its_length_is_sent_once_that_is_known(
    api: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Slow(api, monkeypatch)
    address = await grows(api, until, response_format="wav")
    early = await api.client.get(f"{address}/audio")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "not_ready")


@pytest.mark.parametrize("name", ["wav", "flac"])
async def test_a_stored_file_knows_its_length(api: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async def encoded(
        utterance: Utterance, capabilities: Any, _synthesise: Any, texts: Any = None
    ) -> AsyncIterator[Chunk]:
        encoder = Encoder(utterance.options.format, 24_000, sample_rate=utterance.options.sample_rate)
        for _ in range(5):
            yield Chunk(encoder.push(np.zeros(12_000, np.float32)), 0.5)
        yield Chunk(encoder.flush(), 0)

    monkeypatch.setattr(service.speech, "speak", encoded)
    speech = await made(api, response_format=name, sample_rate=16_000)
    file = (await api.client.get(speech["links"]["audio"])).content
    assert (len(file), hashlib.sha256(file).hexdigest()) == (speech["bytes"], speech["sha256"])
    with av.open(BytesIO(file)) as container:
        assert container.duration == pytest.approx(2_500_000, abs=100)
        assert container.streams.audio[0].rate == 16_000
    if name == "wav":
        with wave.open(BytesIO(file)) as opened:
            assert opened.getnframes() == pytest.approx(40_000, abs=2)


async def test_delete_stops_the_making_and_leaves_nothing(api: Any, tmp_path: Path, until: Any) -> None:
    api.model.gate.clear()
    address = (await api.client.post(PATH, json=BODY)).headers["location"]
    await until(lambda: address.split("/")[-1] in api.context.durable._progress)
    assert (await api.client.delete(address)).status_code == 204
    assert (await api.client.get(address)).status_code == 404
    assert (await api.client.delete(address)).status_code == 404
    assert files(tmp_path) == []
    api.model.gate.set()
    finished = await made(api)
    assert (await api.client.delete(finished["links"]["self"])).status_code == 204
    assert files(tmp_path) == []
    assert api.load == (0, 0)


async def test_a_file_that_is_just_being_started_is_removed_too(
    api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread does not stop with the task that waits for it."""
    write, begun, go = AudioStore.write, threading.Event(), threading.Event()

    def slow(store: AudioStore, tenant: str, name: str) -> AudioFile:
        begun.set()
        assert go.wait(60)
        return write(store, tenant, name)

    monkeypatch.setattr(AudioStore, "write", slow)
    address = (await api.client.post(PATH, json=BODY)).headers["location"]
    assert await asyncio.to_thread(begun.wait, 60)
    removing = asyncio.create_task(api.client.delete(address))
    await asyncio.sleep(0.1)
    go.set()
    assert (await removing).status_code == 204
    assert files(tmp_path) == []


async def test_the_text_is_forgotten_when_it_was_spoken(api: Any, tmp_path: Path) -> None:
    await made(api, text="confidential")
    with sqlite3.connect(tmp_path / "metadata.sqlite") as database:
        ((text, characters, text_hash),) = database.execute(
            "select text, characters, text_hash from speeches"
        )
    assert (text, characters) == (None, 12)
    assert len(text_hash) == 32


async def test_instructions_are_forgotten_with_the_text(
    api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = {**ENGINES, "kokoro": replace(ENGINES["kokoro"], follows_instructions=True)}
    monkeypatch.setattr("tts_app.api.speech_options.ENGINES", following)
    await made(api, instructions="Like zebras.")
    with sqlite3.connect(tmp_path / "metadata.sqlite") as database:
        assert list(database.execute("select options from speeches")) == [(None,)]


async def test_what_a_restart_left_unfinished_is_taken_up(start: Any, until: Any) -> None:
    address, _ = await left_unfinished(start, until)
    second = await start()
    assert (await ended(second, address))["status"] == "done"
    assert (await second.client.get(f"{address}/audio")).content == AUDIO


async def test_of_two_gateways_that_make_a_speech_the_first_decides(
    start: Any, until: Any, tmp_path: Path
) -> None:
    """As in an upgrade: the one from before still speaks when the next takes up what is unfinished."""
    first = await start()
    first.model.gate.clear()
    address = (await first.client.post(PATH, json=BODY)).headers["location"]
    speech_id = address.split("/")[-1]
    await until(lambda: speech_id in first.context.durable._progress)
    second = await start(reported=False)
    other = first.context.service.models[0].written()
    other["spec"]["voices"] = [{"locale": "en-US", "gender": "female", "speaker": "someone"}]
    second.context.service.reconfigure([VoiceModel.model_validate(other)])
    speech = await ended(second, address)
    assert speech["status"] == "done"
    audio = (await second.client.get(f"{address}/audio")).content
    first.model.gate.set()
    await until(lambda: speech_id not in first.context.durable._progress)
    assert first.model.spoken == ["one", "two", "three"]
    assert await ended(first, address) == speech
    (file,) = files(tmp_path)
    assert file.read_bytes() == audio != AUDIO
    assert (speech["sha256"], speech["bytes"]) == (hashlib.sha256(audio).hexdigest(), len(audio))


async def test_what_is_taken_up_waits_until_the_gateway_is_told_of_its_models(start: Any, until: Any) -> None:
    """Ray Serve tells it only when it is up."""
    address, models = await left_unfinished(start, until)
    second = await start(reported=False)
    await asyncio.sleep(0.3)  # in which it would have been looked up, and failed
    assert (await second.client.get(address)).json()["status"] == "running"
    second.context.service.reconfigure(models)
    assert (await ended(second, address))["status"] == "done"


async def test_what_is_taken_up_waits_for_a_model_that_is_starting(start: Any, until: Any) -> None:
    address, models = await left_unfinished(start, until)
    second = await start(reported=False)
    second.model.down = True
    second.context.service.reconfigure(models)
    await until(lambda: second.model.asked > 3)
    second.model.down = False
    assert (await ended(second, address))["status"] == "done"
    assert second.model.spoken == ["one", "two", "three"]


async def test_a_speech_that_waits_for_its_model_holds_up_no_other(
    start: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_later(speeches: Any, *given: Any) -> None:
        later(speeches, *given)
        paused.append(given)

    paused: list[Any] = []
    later = durable.DurableSpeeches._make_later
    monkeypatch.setattr(durable.DurableSpeeches, "_make_later", make_later)
    api = await start(model_retry=Backoff(60.0), durable_workers=1)
    api.model.error = ModelUnavailableError("Model 'kokoro' is not ready.")
    waiting = (await api.client.post(PATH, json=BODY)).headers["location"]
    await until(lambda: bool(paused))
    api.model.error = None
    await made(api)
    assert (await api.client.get(waiting)).json()["status"] == "running"
    assert (await api.client.delete(waiting)).status_code == 204


async def test_a_speech_that_cannot_be_made_says_why(api: Any) -> None:
    api.model.error = ModelUnavailableError("Model 'kokoro' does not answer.")
    answer = await api.client.post(PATH, json=BODY, headers={"prefer": "wait=20"})
    assert (answer.status_code, answer.json()["status"]) == (202, "failed")
    assert answer.json()["error"] == "Model 'kokoro' does not answer."
    audio = await api.client.get(answer.json()["links"]["audio"])
    assert (audio.status_code, audio.json()["error"]["code"]) == (409, "failed")


async def test_an_unforeseen_failure_fails_one_speech_without_its_internals(api: Any) -> None:
    api.model.error = RuntimeError("secret")
    answer = await api.client.post(PATH, json=BODY, headers={"prefer": "wait=20"})
    assert answer.json()["status"] == "failed"
    assert "secret" not in answer.text
    api.model.error = None
    await made(api)


async def test_speeches_wait_for_a_database_that_is_away(api: Any, outage: Any, until: Any) -> None:
    """Of four, two are being made, and two are still to be looked up."""
    api.model.gate.clear()
    addresses = [(await api.client.post(PATH, json=BODY)).headers["location"] for _ in range(4)]
    await until(lambda: len(api.context.durable._progress) == 2)
    outage.on = True
    api.model.gate.set()
    await until(lambda: outage.asked > 5)
    outage.on = False
    for address in addresses:
        assert (await ended(api, address))["status"] == "done"
        assert (await api.client.get(f"{address}/audio")).content == AUDIO
    assert len(api.model.spoken) == 12, "nothing is spoken twice"


async def test_that_a_speech_failed_is_recorded_when_the_database_is_back(
    api: Any, outage: Any, until: Any
) -> None:
    api.model.gate.clear()
    address = (await api.client.post(PATH, json=BODY)).headers["location"]
    await until(lambda: address.split("/")[-1] in api.context.durable._progress)
    api.model.error = RuntimeError("simulated")
    outage.on = True
    api.model.gate.set()
    await until(lambda: outage.asked > 5)
    outage.on = False
    assert (await ended(api, address))["error"] == "The speech could not be made."


async def test_one_that_was_stored_before_the_connection_broke_is_made(
    api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Speeches.add

    def break_after(*given: Any) -> None:
        add(*given)
        raise OperationalError("COMMIT", {}, ConnectionError("it broke"))

    with monkeypatch.context() as patch:
        patch.setattr(Speeches, "add", break_after)
        assert (await api.client.post(PATH, json=BODY)).status_code == 503
    with sqlite3.connect(tmp_path / "metadata.sqlite") as database:
        ((speech_id,),) = database.execute("select id from speeches")
    assert (await ended(api, f"{PATH}/{speech_id}"))["status"] == "done"


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.usefixtures("outage")
async def test_one_whose_connection_broke_at_its_end_is_done(
    api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    done = Speeches.done
    broken: list[str] = []

    def break_once(self: Speeches, tenant: str, speech_id: str, **given: Any) -> bool:
        if broken:
            return done(self, tenant, speech_id, **given)
        broken.append(speech_id)
        if stored:
            done(self, tenant, speech_id, **given)
        else:
            given["publish"]()
        raise OperationalError("COMMIT", {}, ConnectionError("it broke"))

    monkeypatch.setattr(Speeches, "done", break_once)
    speech = await made(api)
    assert broken == [speech["id"]]
    assert [file.read_bytes() for file in files(tmp_path)] == [AUDIO]
    assert api.model.spoken == ["one", "two", "three"]


async def test_too_many_unfinished_ones_are_429(start: Any) -> None:
    api = await start(durable_queue=3)
    api.model.gate.clear()
    statuses = [(await api.client.post(PATH, json=BODY)).status_code for _ in range(4)]
    assert statuses == [202, 202, 202, 429]


async def test_a_long_text_leaves_room_for_callers(start: Any) -> None:
    api = await start(queue=0)
    await api.client.post(PATH, json={**BODY, "text": "word " * 500})
    for _ in range(3):
        answer = await api.client.post("/v1/audio/speech", json={"input": "hi", "voice": "alloy"})
        assert answer.status_code in (200, 429)
    assert api.load[0] <= 2


class HeldChecks:
    """Checks of texts that take as long as a test wants."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.gate = asyncio.Event()
        self.running = 0
        patch.setattr(service.speech, "check", self.check)

    async def check(self, *_: Any) -> None:
        self.running += 1
        try:
            await self.gate.wait()
        finally:
            self.running -= 1


async def test_too_many_checks_are_refused_and_leave_everything_else_alone(
    api: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    before = await made(api)
    checks = HeldChecks(monkeypatch)
    served = PLANNERS + api.context.settings.queue
    callers = [asyncio.create_task(api.client.post(PATH, json=BODY)) for _ in range(served)]
    await until(lambda: checks.running == PLANNERS)
    refused = await api.client.post(PATH, json=BODY)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 600
    assert refused.json()["error"]["message"] == "Too many texts are waiting to be checked."
    assert (await api.client.get(f"{PATH}/{before['id']}")).json()["status"] == "done"
    assert (await api.client.post("/v1/audio/speech", json=SPOKEN)).status_code == 200
    assert checks.running == PLANNERS
    checks.gate.set()
    assert {answer.status_code for answer in await asyncio.gather(*callers)} == {202}


async def test_a_failed_check_frees_its_place(api: Any) -> None:
    silent = {**BODY, "text": "..."}
    answers = [await api.client.post(PATH, json=silent) for _ in range(PLANNERS + 3)]
    assert {answer.json()["error"]["code"] for answer in answers} == {"nothing_to_speak"}
    assert (await api.client.post(PATH, json=BODY)).status_code == 202


def damage(api: Any, speech_id: str) -> None:
    """Flip the last bit of a speech's file."""
    (path,) = Path(api.context.settings.audio_output).rglob(f"{speech_id}_*")
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


async def test_damaged_audio_is_not_sent(api: Any) -> None:
    made = (await api.client.post(PATH, json=BODY, headers={"prefer": "wait=20"})).json()
    address = made["links"]["audio"]
    whole = (await api.client.get(address)).content
    damage(api, made["id"])
    for headers in ({}, {"range": f"bytes={len(whole) - 1}-"}):
        answer = await api.client.get(address, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "file_damaged")


# Lists


async def listed(api: Any, **query: Any) -> dict[str, Any]:
    answer = await api.client.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_speeches_are_listed_page_by_page_newest_first(api: Any) -> None:
    assert await listed(api) == {"object": "list", "data": [], "has_more": False, "next": None}
    speeches = [await made(api, text=f"one {number}") for number in range(5)]
    first = await listed(api, limit=2)
    await made(api, text="a newer one shifts nothing")
    second = await listed(api, limit=2, cursor=first["next"])
    last = await listed(api, limit=2, cursor=second["next"])
    assert first["data"] + second["data"] + last["data"] == speeches[::-1]
    assert [page["has_more"] for page in (first, second, last)] == [True, True, False]
    assert last["next"] is None


async def test_speeches_are_filtered(api: Any, until: Any) -> None:
    female = await made(api)
    male = await made(api, gender="male")
    api.model.gate.clear()
    running = (await api.client.post(PATH, json=BODY)).json()
    await until(lambda: running["id"] in api.context.durable._progress)

    async def found(**query: Any) -> list[str]:
        return [speech["id"] for speech in (await listed(api, **query))["data"]]

    assert await found(status="done") == [male["id"], female["id"]]
    assert await found(status="running") == [running["id"]]
    assert await found(voice="male_en-US") == [male["id"]]
    assert await found(model="kokoro", status="done", voice="female_en-US") == [female["id"]]
    assert await found(model="other") == []
    assert await found(**{"from": male["created"], "to": running["created"]}) == [male["id"]]
    assert await found(to=female["created"]) == []
    api.model.gate.set()


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ({"status": "sung"}, "status", "invalid_value"),
        ({"limit": 0}, "limit", "invalid_value"),
        ({"limit": 101}, "limit", "invalid_value"),
        ({"from": "yesterday"}, "from", "invalid_value"),
        ({"to": "2026-01-01T00:00:00"}, "to", "invalid_value"),
        ({"cursor": "7"}, "cursor", "unknown_cursor"),
        ({"cursor": "1e400~speech_1"}, "cursor", "unknown_cursor"),
        ({"locale": "en"}, "locale", "unknown_parameter"),
    ],
)
async def test_a_wrong_filter_is_named(api: Any, query: dict[str, Any], param: str, code: str) -> None:
    answer = await api.client.get(PATH, params=query)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)


# Repeated requests

NAMED = {"Idempotency-Key": "welcome of 7 May"}


@pytest.mark.parametrize("parameters", [{"a": "\ud800"}, {"a": [{"b": "\0"}]}, {"\udfff": 1}])
async def test_parameters_that_are_no_text_are_refused(api: Any, parameters: dict[str, Any]) -> None:
    body = json.dumps({**BODY, "parameters": parameters})
    headers = {**NAMED, "content-type": "application/json"}
    answer = await api.client.post(PATH, content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"][:10]) == (400, "parameters")


async def test_the_name_of_a_mix_s_file_is_no_pattern() -> None:
    mix = Speech(id="speech_1", voice="af_heart*0.6+af_sky*0.4", format="mp3")
    assert durable.file_name(mix) == "speech_1_af_heart_0.6_af_sky_0.4.mp3"
    avatar = Speech(id="speech_1", voice="female_en-US", format="wav")
    assert durable.file_name(avatar) == "speech_1_female_en-US.wav"


async def test_a_repeated_request_makes_no_second_speech(api: Any) -> None:
    first = await api.client.post(PATH, json=BODY, headers=NAMED)
    assert first.status_code == 202
    again = await api.client.post(PATH, json=BODY, headers={**NAMED, "prefer": "wait=20"})
    assert again.status_code == 200
    assert again.headers["location"] == first.headers["location"]
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "done")
    late = await api.client.post(PATH, json=BODY, headers=NAMED)
    assert (late.status_code, late.json()) == (200, again.json()), "also when its text is forgotten"
    assert len((await listed(api))["data"]) == 1


async def test_a_repeated_request_gets_its_speech_though_its_voice_has_gone(api: Any) -> None:
    speech = (await api.client.post(PATH, json=BODY, headers={**NAMED, "prefer": "wait=20"})).json()
    api.context.service.reconfigure([])
    assert (await api.client.post(PATH, json=BODY, headers=NAMED)).json() == speech


async def test_a_key_is_of_one_request(api: Any) -> None:
    await api.client.post(PATH, json=BODY, headers=NAMED)
    other = await api.client.post(PATH, json={**BODY, "speed": 1.5}, headers=NAMED)
    error = other.json()["error"]
    assert (other.status_code, error["code"], error["param"]) == (
        409,
        "idempotency_conflict",
        "Idempotency-Key",
    )
    assert NAMED["Idempotency-Key"] in error["message"]
    renamed = await api.client.post(PATH, json=BODY, headers={"Idempotency-Key": "another"})
    assert renamed.status_code == 202


async def test_a_key_is_free_again_when_its_speech_is_deleted(api: Any) -> None:
    first = await api.client.post(PATH, json=BODY, headers={**NAMED, "prefer": "wait=20"})
    await api.client.delete(first.headers["location"])
    again = await api.client.post(PATH, json=BODY, headers=NAMED)
    assert again.status_code == 202
    assert again.json()["id"] != first.json()["id"]


async def test_of_requests_at_the_same_time_one_makes_the_speech_and_reserves(api: Any) -> None:
    api.model.gate.clear()
    answers = await asyncio.gather(*(api.client.post(PATH, json=BODY, headers=NAMED) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    (speech,) = {answer.json()["id"] for answer in answers}
    assert list(api.context.metering._held) == [speech]
    api.model.gate.set()
    assert (await ended(api, f"{PATH}/{speech}"))["status"] == "done"
