"""A client that a generator made of the served OpenAPI document, against the real playground."""

import importlib
import io
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from openapi_client import CLIENT, generate, models, route


@pytest.fixture
def client(playground: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Python client of the playground."""
    generate(httpx.get(f"{playground.url}/openapi.json").text, tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module(CLIENT)
    return made.Client(base_url=playground.url, timeout=httpx.Timeout(120))


def loudest(data: bytes) -> float:
    """The largest sample of some audio, 0 to 1."""
    with av.open(io.BytesIO(data)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return float(max(np.abs(frame.astype(np.float64)).max() / _full(frame) for frame in frames))


def _full(frame: np.ndarray) -> float:
    return 32768.0 if frame.dtype == np.int16 else 1.0


def test_a_generated_client_speaks_lists_and_deletes(client: Any) -> None:
    body = models().SpeechRequest(input_="Good evening, and welcome.", voice="female_en-US")
    spoken = route("speech", "create_speech").sync_detailed(client=client, body=body)
    assert spoken.status_code == 200
    assert loudest(spoken.parsed.payload.read()) > 0.1
    wanted = models().DurableRequest(text="Your table is ready.", language="en")
    asked = {"client": client, "body": wanted, "idempotency_key": "a generated client"}
    made = route("durable_speech", "create_stored_speech").sync_detailed(**asked)
    again = route("durable_speech", "create_stored_speech").sync_detailed(**asked)
    assert (made.status_code, again.status_code) == (202, 200)
    assert again.parsed.id == made.parsed.id
    route("durable_speech", "stream_speech_events").sync_detailed(made.parsed.id, client=client)
    audio = route("durable_speech", "get_speech_audio").sync_detailed(made.parsed.id, client=client)
    assert loudest(audio.parsed.payload.read()) > 0.1
    listed = route("durable_speech", "list_speeches").sync_detailed(client=client)
    assert made.parsed.id in [speech.id for speech in listed.parsed.data]
    gone = route("durable_speech", "delete_speech").sync_detailed(made.parsed.id, client=client)
    assert gone.status_code == 204
