"""What programs of others send, replayed: their bodies, headers and order, as their sources have them."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import openai
import pytest

Start = Callable[..., Any]
SECRET = "a-secret-of-16-ch"
SPEECH = "/v1/audio/speech"


@pytest.fixture
async def client(api: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's client, as pipecat, LiveKit's agents and Wyoming's bridge make it."""
    yield openai.AsyncOpenAI(
        base_url="http://playground/v1", api_key="none", http_client=api.client, max_retries=0
    )


async def test_open_webui_lists_models_and_voices_and_speaks(api: Any) -> None:
    """Its `routers/audio.py` takes `data["models"]` and `voice["id"]: voice["name"]`, then wants a file."""
    models = (await api.client.get("/v1/audio/models")).json()["models"]
    assert {"tts-1", "tts-1-hd", "kokoro"} <= {model["id"] for model in models}
    voices = {
        voice["id"]: voice["name"] for voice in (await api.client.get("/v1/audio/voices")).json()["voices"]
    }
    assert voices["male_ar-EG"] == "Arabic (ar-EG), male"
    for model in models:
        for voice in voices:
            # `voice` is the setting or the user's choice; a chat page cuts answers into pieces.
            for piece in ("Good evening.", "---"):
                answer = await api.client.post(
                    SPEECH,
                    json={"input": piece, "voice": voice, "model": model["id"]},
                    headers={
                        "Authorization": "Bearer ",
                        "X-OpenWebUI-User-Name": "Ada",
                        "X-OpenWebUI-User-Role": "user",
                    },
                )
                assert answer.status_code == 200
                assert answer.headers["content-type"] == "audio/mpeg"
                assert answer.content


async def test_open_webui_with_parameters_of_its_settings(api: Any) -> None:
    """OPENAI_PARAMS of its audio settings are merged into the body."""
    extra = {"lang_code": "b", "volume_multiplier": 1.0, "return_download_link": False, "speed": 1.1}
    body = {"input": "Hello", "voice": "alloy", "model": "tts-1", **extra}
    answer = await api.client.post(SPEECH, json=body)
    assert answer.content == b"Hello@emma;"
    assert "return_download_link" in answer.headers["x-ignored-parameters"]


@pytest.mark.parametrize("key", ["", "sk-anything"])
async def test_home_assistants_openai_tts(api: Any, key: str) -> None:
    """`custom_components/openai_tts`: without a key no header; WAV or MP3, sometimes with instructions."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    plain = {
        "model": "tts-1",
        "input": "Door open.",
        "voice": "shimmer",
        "response_format": "wav",
        "speed": 1,
    }
    answer = await api.client.post(SPEECH, json=plain, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    newer = {
        **plain,
        "model": "gpt-4o-mini-tts",
        "response_format": "mp3",
        "instructions": "Calmly.",
        "stream": True,
    }
    answer = await api.client.post(SPEECH, json=newer, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["x-ignored-parameters"] == "instructions"


async def test_wyomings_bridge(api: Any, client: openai.AsyncOpenAI) -> None:
    """`wyoming_openai`: voices by id or name, then PCM or WAV sentence by sentence."""
    listed = await client.get("/audio/voices", cast_to=httpx.Response)
    names = [voice.get("id") or voice.get("name") for voice in listed.json()["voices"]]
    assert "female_en-GB" in names
    for sentence in ("The lights are on.", "…"):
        async with client.audio.speech.with_streaming_response.create(
            model="tts-1-hd",
            voice="female_en-GB",
            input=sentence,
            response_format="pcm",
            speed=1.0,
        ) as response:
            assert response.status_code == 200
            assert b"".join([block async for block in response.iter_bytes(chunk_size=2048)])


async def test_pipecats_turn_goes_on_after_a_piece_without_words(client: openai.AsyncOpenAI) -> None:
    """`OpenAITTSService.run_tts`: PCM in blocks; anything but 200 is an ErrorFrame."""
    for piece in ("Sure!", "🙂", "...", "See you then."):
        async with client.audio.speech.with_streaming_response.create(
            input=piece,
            model="gpt-4o-mini-tts",
            voice="ballad" if piece == "none" else "alloy",
            response_format="pcm",
            instructions="Friendly.",
            speed=1.1,
        ) as response:
            assert response.status_code == 200
            assert response.headers["content-type"] == "audio/pcm"
            assert b"".join([block async for block in response.iter_bytes(1024)])


@pytest.mark.parametrize("response_format", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
async def test_livekits_agents(client: openai.AsyncOpenAI, response_format: Any) -> None:
    """`livekit.plugins.openai.TTS`: `instructions` and `speed` are NOT_GIVEN or set, the audio a stream."""
    given: list[dict[str, Any]] = [{}, {"instructions": "Whisper.", "speed": 1.0}]
    for options in given:
        async with client.audio.speech.with_streaming_response.create(
            input="How can I help?",
            model="gpt-4o-mini-tts",
            voice="ash",
            response_format=response_format,
            **options,
        ) as stream:
            assert b"".join([data async for data in stream.iter_bytes()]).startswith(b"How@michael;")


async def test_livekits_events(client: openai.AsyncOpenAI) -> None:
    """With `stream_format` it reads `speech.audio.delta` events."""
    async with client.audio.speech.with_streaming_response.create(
        input="Hi", model="gpt-4o-mini-tts", voice="ash", response_format="mp3", stream_format="sse"
    ) as stream:
        text = "".join([line async for line in stream.iter_text()])
    assert "speech.audio.delta" in text
    assert "speech.audio.done" in text


async def test_sillytaverns_calls(api: Any) -> None:
    """Its server passes on what `openai-compatible.js` sends; its Kokoro provider adds fields."""
    body = {
        "input": "*She nods.*",
        "response_format": "mp3",
        "voice": "nova",
        "speed": 1,
        "model": "tts-1",
    }
    assert (await api.client.post(SPEECH, json=body)).status_code == 200
    asterisks = await api.client.post(SPEECH, json={**body, "input": "*"})
    assert (asterisks.status_code, asterisks.content) == (200, b"silence;")
    more = {**body, "stream": False, "lang_code": "a", "normalization_options": {"normalize": True}}
    answer = await api.client.post(SPEECH, json=more)
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_a_page_with_openais_javascript_client(start: Start) -> None:
    """A browser asks before it sends the `x-stainless-*` headers, on every route alike, and reads ours."""
    page = "https://app.example"
    api = await start(api_key=SECRET, cors_origins=(page,))
    stainless = (
        "authorization, content-type, x-stainless-arch, x-stainless-lang, x-stainless-os, "
        "x-stainless-package-version, x-stainless-retry-count, x-stainless-runtime, "
        "x-stainless-runtime-version, x-stainless-timeout, x-stainless-helper-method"
    )
    for method, path in (
        ("POST", SPEECH),
        ("GET", "/v1/models"),
        ("GET", "/v1/audio/voices"),
        ("DELETE", "/v1/speech/speech_1"),
        ("POST", "/v1/batches"),
        ("GET", "/no/such/route"),
    ):
        preflight = await api.client.options(
            path,
            headers={
                "Origin": page,
                "Access-Control-Request-Method": method,
                "Access-Control-Request-Headers": stainless,
            },
        )
        assert preflight.status_code == 200, path
        assert preflight.headers["access-control-allow-origin"] == page
        allowed = preflight.headers["access-control-allow-headers"].lower()
        assert all(name.strip() in allowed for name in stainless.split(","))
        assert method in preflight.headers["access-control-allow-methods"]
        assert "access-control-allow-credentials" not in preflight.headers
    answer = await api.client.post(
        SPEECH,
        json={"model": "tts-1", "input": "Hello", "voice": "nova", "user": "u"},
        headers={"Origin": page, "Authorization": f"Bearer {SECRET}", "x-stainless-lang": "js"},
    )
    assert answer.status_code == 200
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {
        "x-ignored-parameters",
        "x-warnings",
        "x-request-id",
        "location",
        "retry-after",
        "etag",
        "content-range",
    } <= exposed


async def test_a_page_of_any_site_gets_no_credentials_with_a_wildcard(start: Start) -> None:
    api = await start(cors_origins=("*",))
    answer = await api.client.get("/v1/models", headers={"Origin": "https://any.example", "Cookie": "a=b"})
    assert "access-control-allow-credentials" not in answer.headers
