"""Speech over HTTP from the real models, also as OpenAI's client asks for it."""

import io
import json
import time
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import openai
import pytest
from websockets.sync.client import connect

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


def test_openai_client_learns_what_was_ignored(openai_client: openai.OpenAI) -> None:
    answer = openai_client.audio.speech.with_raw_response.create(
        model="gpt-4o-mini-tts-2025-12-15",
        voice="alloy",
        input="Hello there.",
        instructions="Whisper.",
        extra_body={"user": "me", "stream": False},
    )
    assert answer.headers["x-ignored-parameters"] == "instructions, user"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert openai_client.models.retrieve("tts-1-hd").id == "tts-1-hd"


@pytest.mark.parametrize("name", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_a_piece_without_words_is_a_short_silence(client: httpx.Client, name: str) -> None:
    for text in ("---", "🙂"):
        answer = client.post(
            "/v1/audio/speech", json={"input": text, "voice": "alloy", "response_format": name}
        )
        assert answer.status_code == 200, answer.text
        if name == "pcm":
            samples, rate = np.frombuffer(answer.content, "<i2") / 32_768, 24_000
        else:
            samples, rate = decode(answer.content)
        assert 0.2 < len(samples) / rate < 0.4
        assert np.abs(samples).max() < 0.001
    assert client.post("/v1/audio/speech", json={"input": "", "voice": "alloy"}).status_code == 400


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_sample_rate_is_that_of_the_audio_and_changes_nothing_else(client: httpx.Client, rate: int) -> None:
    body = {"input": TEXT, "voice": "alloy", "response_format": "wav", "stream": False}
    usual, own = decode(client.post("/v1/audio/speech", json=body).content)
    wanted, found = decode(client.post("/v1/audio/speech", json={**body, "sample_rate": rate}).content)
    assert (own, found) == (24_000, rate)
    assert len(wanted) / rate == pytest.approx(len(usual) / own, abs=0.01)
    # The voice's own band, below 3 kHz, is as loud as before.
    assert _band_level(wanted, rate) == pytest.approx(_band_level(usual, own), abs=0.3)


def _band_level(samples: Any, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
    inside = spectrum[(frequencies > 100) & (frequencies < 3_000)].sum() / len(samples) ** 2
    return float(10 * np.log10(inside))


def test_aac_begins_with_a_frame(client: httpx.Client) -> None:
    body = {"input": "Hello there.", "voice": "alloy", "response_format": "aac"}
    data = client.post("/v1/audio/speech", json=body).content
    assert (data[0], data[1] & 0xF6) == (0xFF, 0xF0)


def test_a_running_speech_is_heard_while_it_grows(client: httpx.Client) -> None:
    made = client.post("/v1/speech", json={"text": TEXT * 12, "language": "en"})
    address = made.headers["location"]
    deadline = time.monotonic() + 60
    while not (status := client.get(address).json())["bytes"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert status["status"] == "running"
    with client.stream("GET", f"{address}/audio", timeout=120) as answer:
        assert (answer.status_code, answer.headers["accept-ranges"]) == (200, "none")
        assert "content-length" not in answer.headers
        pieces = answer.iter_raw()
        grown = next(pieces)
        assert client.get(address).json()["status"] == "running", "it is heard before all of it is made"
        grown += b"".join(pieces)
    stored = client.get(f"{address}/audio")
    assert stored.headers["accept-ranges"] == "bytes"
    assert grown == stored.content
    client.delete(address)


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_a_stored_file_knows_how_long_it_is(client: httpx.Client, name: str) -> None:
    body = {"text": "Hello there.", "language": "en", "response_format": name}
    made = client.post("/v1/speech", json=body, headers={"Prefer": "wait=30"}).json()
    file = client.get(made["links"]["audio"]).content
    with av.open(io.BytesIO(file)) as container:
        assert container.duration / 1_000_000 == pytest.approx(made["seconds"], abs=0.01)
    client.delete(made["links"]["self"])


def test_text_is_spoken_over_a_websocket_while_it_is_written(playground: Any) -> None:
    address = playground.url.replace("http", "ws", 1) + "/v1/audio/speech/stream"
    with connect(address, max_size=None) as socket:

        def say(**message: Any) -> None:
            socket.send(json.dumps(message))

        def turn() -> tuple[bytes, dict[str, Any]]:
            audio = b""
            while isinstance(message := socket.recv(timeout=60), bytes):
                audio += message
            return audio, json.loads(message)

        say(type="start", voice="alloy", response_format="pcm", sample_rate=16_000)
        assert turn()[1]["type"] == "started"
        say(type="text", text="Your table for four is ready at half past seven. And the ki")
        assert isinstance(socket.recv(timeout=60), bytes), "before the text is whole"
        say(type="text", text="tchen is open.")
        say(type="flush")
        audio, done = turn()
        assert done["type"] == "done"
        assert 2 < done["seconds"] < 8
        assert len(audio) / 2 / 16_000 < done["seconds"]
        say(type="text", text=TEXT * 3)
        assert isinstance(socket.recv(timeout=60), bytes)
        say(type="cancel")
        assert turn()[1] == {"type": "cancelled"}
        say(type="text", text="Sorry?")
        say(type="end")
        audio, done = turn()
        assert done["characters"] == 6
        assert np.abs(np.frombuffer(audio, "<i2")).max() > 3_000
