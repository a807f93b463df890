"""Speech over HTTP from the real models, also as OpenAI's client asks for it."""

import io
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import openai
import pytest

TEXT = "Good evening! Your table for four is ready at 7:30 pm, and the kitchen is open until eleven."


@pytest.fixture
def openai_client(playground: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{playground.url}/v1", api_key="none needed", max_retries=0)


def decode(data: bytes) -> tuple[Any, int]:
    with av.open(io.BytesIO(data)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    samples = np.concatenate([frame.reshape(-1) for frame in frames])
    return samples.astype(np.float64) / (32768 if samples.dtype == np.int16 else 1), rate


def test_openai_client_gets_an_mp3(openai_client: openai.OpenAI, tmp_path: Path) -> None:
    file = tmp_path / "a.mp3"
    openai_client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT).write_to_file(file)
    samples, rate = decode(file.read_bytes())
    assert 3 < len(samples) / rate < 15
    assert np.abs(samples).max() > 0.1


def test_openai_client_streams_speech_in_chunks(openai_client: openai.OpenAI) -> None:
    with openai_client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="female_en-US", input=TEXT * 2, response_format="mp3", speed=1.0
    ) as response:
        chunks = list(response.iter_bytes())
    assert response.headers["content-type"] == "audio/mpeg"
    assert len(chunks) > 2, "it comes in pieces, while it is made"
    samples, rate = decode(b"".join(chunks))
    assert len(samples) / rate > 6


def test_openai_client_raises_its_own_errors(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.audio.speech.create(model="tts-1", voice="nobody", input=TEXT)
    assert refused.value.param == "voice"
    assert refused.value.code == "unknown_voice"
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve("none")


def test_openai_client_lists_the_models(openai_client: openai.OpenAI) -> None:
    assert "kokoro" in [model.id for model in openai_client.models.list()]


def test_speech_route_sends_server_sent_events(client: httpx.Client) -> None:
    body = {"input": "Hello there.", "voice": "alloy", "stream_format": "sse"}
    with client.stream("POST", "/v1/audio/speech", json=body) as response:
        lines = [line for line in response.iter_lines() if line]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert '"speech.audio.delta"' in lines[0]
    assert '"speech.audio.done"' in lines[-1]


@pytest.mark.parametrize("name", ["mp3", "opus", "aac", "flac", "wav"])
def test_speech_route_encodes_every_format(client: httpx.Client, name: str) -> None:
    body = {"input": "Hello there.", "voice": "alloy", "response_format": name}
    answer = client.post("/v1/audio/speech", json=body)
    assert answer.status_code == 200, answer.text
    samples, rate = decode(answer.content)
    assert 0.3 < len(samples) / rate < 3


def test_speech_route_pcm_is_bare_samples(client: httpx.Client) -> None:
    body = {"input": "Hello there.", "voice": "alloy", "response_format": "pcm"}
    samples = np.frombuffer(client.post("/v1/audio/speech", json=body).content, "<i2")
    assert 0.3 < len(samples) / 24_000 < 3


def test_speech_route_speaks_with_every_avatar(client: httpx.Client) -> None:
    texts = {
        "en": "Hello, welcome.",
        "ar": "مرحبا بكم.",
        "es": "Hola, bienvenidos.",
        "hi": "नमस्ते।",
        "ur": "خوش آمدید۔",
    }
    voices = client.get("/v1/audio/voices").json()["data"]
    assert len(voices) == 18
    for voice in voices:
        answer = client.post(
            "/v1/audio/speech", json={"input": texts[voice["language"]], "voice": voice["id"]}
        )
        assert answer.status_code == 200, (voice["id"], answer.text)
        samples, rate = decode(answer.content)
        assert 0.3 < len(samples) / rate < 5, voice["id"]


def test_speech_route_repeats_the_same_bytes_for_the_same_request(client: httpx.Client) -> None:
    body = {"input": TEXT, "voice": "male_en-GB"}
    first, second = (client.post("/v1/audio/speech", json=body).content for _ in range(2))
    assert first == second


def test_speech_route_speed_changes_the_length(client: httpx.Client) -> None:
    def seconds(speed: float) -> float:
        body = {"input": TEXT, "voice": "alloy", "response_format": "wav", "speed": speed}
        samples, rate = decode(client.post("/v1/audio/speech", json=body).content)
        return len(samples) / rate

    assert seconds(2.0) < 0.65 * seconds(1.0)


def test_request_id_is_echoed_once(client: httpx.Client) -> None:
    answer = client.get("/healthz", headers={"x-request-id": "mine"})
    assert answer.headers.get_list("x-request-id") == ["mine"]
    assert len(client.get("/healthz").headers.get_list("x-request-id")) == 1
