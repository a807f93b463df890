"""A service that speaks, refuses, is busy or answers what is no speech; the service is simulated."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cluster.process import free_port
from tts_app.catalogue import Catalogue
from tts_app.evaluate.service import ServiceError, ServiceSpeaker
from tts_app.manifests import load_voice_models

VOICE = Catalogue(load_voice_models()).find("female_en-US")


@pytest.fixture
def answer(simulated_service: Any) -> Callable[..., None]:
    """Let the service answer a status, a body and headers; called again, that afterwards."""
    kind = type(simulated_service.answers[0])
    simulated_service.spoken = simulated_service.answers.pop()

    def add(status: int, body: bytes, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        simulated_service.answers.append(kind(status, body, named))

    return add


def speaker(url: str, key: str | None = None, sleep: Callable[[float], None] | None = None) -> ServiceSpeaker:
    return ServiceSpeaker(url, key, "tts-1", {VOICE.id: "alloy"}, sleep or _never)


def _never(seconds: float) -> None:
    raise AssertionError(f"it waited {seconds} s")


def openai_error(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "x", "param": None, "code": None}}).encode()


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_service_speaks_by_its_own_names(simulated_service: Any, suffix: str) -> None:
    spoken = speaker(simulated_service.url + suffix, "secret").speak(VOICE, "Hello.")
    assert simulated_service.requests == [
        {"model": "tts-1", "voice": "alloy", "input": "Hello.", "response_format": "wav"}
    ]
    assert simulated_service.keys == ["Bearer secret"]
    assert len(spoken.file) == pytest.approx(1.5 * spoken.file_rate)
    assert np.array_equal(spoken.file, spoken.lossless)
    assert (spoken.raw, spoken.segments) == (None, None)


def test_service_without_a_key_is_sent_none(simulated_service: Any) -> None:
    speaker(simulated_service.url).speak(VOICE, "Hello.")
    assert simulated_service.keys == [None]


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, openai_error("Wrong key."), "401 Unauthorized: Wrong key. Name the environment variable"),
        (403, openai_error("No such scope."), "--api-key-env NAME"),
        (404, b"<html>nothing here</html>", "<html>nothing here</html> Is it the address of a service"),
        (400, openai_error("Unknown voice 'alloy'."), "400 Bad Request: Unknown voice 'alloy'."),
        (500, b"", "500 Internal Server Error: (nothing)"),
        (500, b'{"error": "text"}', 'Error: {"error": "text"}'),
    ],
)
def test_service_that_refuses_is_quoted(
    simulated_service: Any, answer: Callable[..., None], status: int, body: bytes, says: str
) -> None:
    answer(status, body)
    with pytest.raises(ServiceError) as error:
        speaker(simulated_service.url).speak(VOICE, "Hello.")
    assert says in str(error.value)
    assert len(simulated_service.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry_After": "7"}, 7), ({}, 5), ({"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 5)],
)
@pytest.mark.parametrize("status", [429, 503])
def test_busy_service_is_asked_again_when_it_says(
    simulated_service: Any, answer: Callable[..., None], status: int, headers: dict[str, str], seconds: float
) -> None:
    answer(status, openai_error("Busy."), **headers)
    simulated_service.answers.append(simulated_service.spoken)
    waited: list[float] = []
    assert len(speaker(simulated_service.url, sleep=waited.append).speak(VOICE, "Hello.").file)
    assert waited == [seconds]


def test_service_that_stays_busy_is_given_up(simulated_service: Any, answer: Callable[..., None]) -> None:
    answer(429, openai_error("Busy."), Retry_After="25")
    waited: list[float] = []
    with pytest.raises(ServiceError, match=r"429 Too Many Requests: Busy\. It is still busy after 60 s"):
        speaker(simulated_service.url, sleep=waited.append).speak(VOICE, "Hello.")
    assert waited == [25, 25]


def test_service_whose_quota_returns_tomorrow_is_given_up_at_once(
    simulated_service: Any, answer: Callable[..., None]
) -> None:
    answer(429, openai_error("Quota."), Retry_After="40000")
    with pytest.raises(ServiceError, match="Quota"):
        speaker(simulated_service.url).speak(VOICE, "Hello.")


@pytest.mark.parametrize(
    ("cut", "says"),
    [
        (lambda wav: b'{"audio": null}', "is no WAV file (application/json)"),
        (lambda wav: b"", "is no WAV file"),
        (lambda wav: wav[:44], "is no WAV file"),
        (lambda wav: wav[: 44 + 4800], "has 0.10 s of sound, which is no sentence"),
        (lambda wav: wav[:44] + bytes(len(wav) - 44), "is silent"),
    ],
    ids=["json", "empty", "header", "short", "silent"],
)
def test_answer_that_is_no_speech_is_refused(
    simulated_service: Any, answer: Callable[..., None], cut: Callable[[bytes], bytes], says: str
) -> None:
    answer(200, cut(simulated_service.spoken.body), Content_Type="application/json")
    with pytest.raises(ServiceError) as error:
        speaker(simulated_service.url).speak(VOICE, "Hello.")
    assert says in str(error.value)
    assert "for the voice 'alloy'" in str(error.value)


def test_address_where_nothing_answers_is_named() -> None:
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    with pytest.raises(ServiceError, match=f"The service at {url} does not answer"):
        speaker(url).speak(VOICE, "Hello.")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://a", "http://", "http://[::1"])
def test_text_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ServiceError, match="is no address"):
        speaker(url)
