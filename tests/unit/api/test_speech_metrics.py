"""What metrics say of speeches: streamed, stored, and spoken while they are written."""

import asyncio
from typing import Any

import pytest
from measured import Measured

from tts_app.catalogue import CatalogueVoice
from tts_app.engines.base import EngineError
from tts_app.serving.client import ModelUnavailableError
from tts_app.speech import Utterance
from tts_app.telemetry.metrics.speech import metered_voice

SPEECH = "/v1/audio/speech"
SAY = {"input": "One two three.", "voice": "alloy"}
STORED = {"text": "One two.", "voice": "female_en-US"}
WAIT = {"prefer": "wait=20"}


async def test_a_speech_is_recorded_by_model_and_priority(api: Any, measured: Measured) -> None:
    assert (await api.client.post(SPEECH, json=SAY)).status_code == 200
    by = {"model": "kokoro", "priority": "interactive"}
    assert measured.total("ttsp_speech_requests", **by, outcome="finished") == 1
    assert measured.all("ttsp_speech_duration_seconds", **by) == [1.5]
    (request,) = measured.all("ttsp_speech_request_seconds", **by)
    (first,) = measured.all("ttsp_speech_first_audio_seconds", **by)
    (factor,) = measured.all("ttsp_speech_real_time_factor", **by)
    assert 0 < first <= request
    assert 0 < factor <= request / 1.5
    assert measured.all("ttsp_speech_underrun_seconds", **by) == [0], "no gap counts, too"
    voice = {"model": "kokoro", "voice": "female_en-US"}
    assert measured.total("ttsp_speech_audio_seconds", **voice) == 1.5
    assert measured.total("ttsp_speech_characters", **voice) == len(SAY["input"])


async def test_only_two_counters_have_the_voice(api: Any, measured: Measured) -> None:
    assert (await api.client.post(SPEECH, json=SAY)).status_code == 200
    with_voice = {name for name in measured.values if measured.labels(name, "voice")}
    assert with_voice == {"ttsp_speech_audio_seconds", "ttsp_speech_characters"}


def test_cloned_voices_share_a_name(api: Any) -> None:
    voice = api.context.service.catalogue.find("female_en-US")
    assert metered_voice(voice) == "female_en-US"
    cloned = CatalogueVoice(**{**vars_of(voice), "clone": "voice_0123456789abcdef"})
    assert metered_voice(cloned) == "cloned"


def vars_of(voice: CatalogueVoice) -> dict[str, Any]:
    return {name: getattr(voice, name) for name in voice.__dataclass_fields__}


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of what is recorded of speeches."""
    made = Clock()
    monkeypatch.setattr("tts_app.serving.speech_record.time", made)
    return made


async def utterance(api: Any) -> Any:
    voice = await api.context.service.voice("a", "kokoro", "female_en-US")
    return Utterance("One two three.", voice)


async def test_a_late_piece_is_a_gap(api: Any, measured: Measured, clock: Clock) -> None:
    spoken = api.model.synthesise

    async def slow(*given: Any, **more: Any) -> Any:
        clock.now += 2.0  # a piece lasts half a second
        return await spoken(*given, **more)

    api.model.synthesise = slow
    assert [chunk async for chunk in api.context.service.speak("a", await utterance(api))]
    assert measured.all("ttsp_speech_first_audio_seconds") == [2]
    assert measured.all("ttsp_speech_underrun_seconds") == [1.5 + 1.5]
    assert measured.all("ttsp_speech_request_seconds") == [6]
    assert measured.all("ttsp_speech_real_time_factor") == [6 / 1.5]


async def test_the_pauses_of_a_caller_are_no_gaps(api: Any, measured: Measured, clock: Clock) -> None:
    async for _chunk in api.context.service.speak("a", await utterance(api)):
        clock.now += 60.0  # the caller takes nothing meanwhile
    assert measured.all("ttsp_speech_underrun_seconds") == [0]
    assert measured.all("ttsp_speech_real_time_factor") == [0]
    assert measured.all("ttsp_speech_request_seconds") == [180]


async def test_what_fails_has_its_reason(api: Any, measured: Measured) -> None:
    for error, status, reason in (
        (EngineError("it cannot speak that"), 400, "engine"),
        (ModelUnavailableError("Model 'kokoro' was lost."), 503, "unavailable"),
    ):
        api.model.error = error
        assert (await api.client.post(SPEECH, json=SAY)).status_code == status
        assert measured.total("ttsp_speech_failures", model="kokoro", reason=reason) == 1
    assert measured.total("ttsp_speech_requests", outcome="failed") == 2
    assert measured.total("ttsp_speech_requests", outcome="finished") == 0


async def test_a_stored_speech_is_background_and_has_no_listener(api: Any, measured: Measured) -> None:
    assert (await api.client.post("/v1/speech", json=STORED, headers=WAIT)).status_code == 201
    assert measured.total("ttsp_speech_requests", priority="background", outcome="finished") == 1
    assert measured.total("ttsp_speech_requests", priority="interactive") == 0
    assert measured.all("ttsp_speech_underrun_seconds") == []
    assert len(measured.all("ttsp_queue_wait_seconds", priority="background")) == 2, "a turn each segment"


async def test_a_stored_speech_that_is_tried_again_counts_once(api: Any, measured: Measured) -> None:
    api.model.error = ModelUnavailableError("Model 'kokoro' was lost.")
    answer = await api.client.post("/v1/speech", json=STORED)
    await asyncio.sleep(0.05)
    api.model.error = None
    async with asyncio.timeout(20):
        await api.client.get(f"{answer.headers['location']}/events")  # they end with the speech
    assert measured.total("ttsp_speech_requests", priority="background", outcome="finished") == 1
    assert measured.total("ttsp_speech_requests") == 1
    assert measured.total("ttsp_speech_failures") == 0


async def test_a_stored_speech_that_is_deleted_is_abandoned(api: Any, until: Any, measured: Measured) -> None:
    api.model.gate.clear()
    address = (await api.client.post("/v1/speech", json=STORED)).headers["location"]
    await until(lambda: address.split("/")[-1] in api.context.durable._progress)
    assert (await api.client.delete(address)).status_code == 204
    assert measured.total("ttsp_speech_requests", priority="background", outcome="abandoned") == 1
    assert measured.total("ttsp_speech_requests") == 1


async def test_a_stored_speech_that_cannot_be_made_has_failed(
    api: Any, until: Any, measured: Measured
) -> None:
    api.model.error = EngineError("it cannot speak that")
    assert (await api.client.post("/v1/speech", json=STORED)).status_code == 202
    await until(lambda: measured.total("ttsp_speech_failures", reason="engine") == 1)
    assert measured.total("ttsp_speech_requests", priority="background", outcome="failed") == 1


async def test_stored_speeches_beyond_the_limit_are_shed(start: Any, measured: Measured) -> None:
    api = await start(durable_queue=1)
    api.model.gate.clear()
    answers = [(await api.client.post("/v1/speech", json=STORED)).status_code for _ in range(2)]
    assert answers == [202, 429]
    assert measured.total("ttsp_queue_shed", kind="speech", model="kokoro", reason="stored") == 1
    assert measured.total("ttsp_speech_requests", priority="background", outcome="refused") == 1
    api.model.gate.set()


async def test_what_is_spoken_while_it_is_written_counts_its_characters(api: Any, measured: Measured) -> None:
    api.writer.say("This is the first long sentence. ", "And this is another one.")
    ask = {
        "model": "writer",
        "messages": [{"role": "user", "content": "Hi"}],
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "mp3"},
    }
    assert (await api.client.post("/v1/chat/completions", json=ask)).status_code == 200
    spoken = measured.total("ttsp_speech_characters", voice="female_en-US")
    assert spoken == pytest.approx(len("This is the first long sentence. And this is another one."), abs=2)
    assert measured.total("ttsp_text_requests", model="writer", outcome="finished") == 1
    assert len(measured.all("ttsp_text_first_token_seconds", model="writer")) == 1


async def test_a_text_model_that_is_down_fails_requests(api: Any, measured: Measured) -> None:
    api.writer.down = True
    ask = {"model": "writer", "messages": [{"role": "user", "content": "Hi"}]}
    assert (await api.client.post("/v1/chat/completions", json=ask)).status_code == 503
    assert measured.total("ttsp_text_failures", model="writer", reason="unavailable") == 1
    assert measured.total("ttsp_text_requests", model="writer", outcome="failed") == 1
