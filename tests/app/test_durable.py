"""`/v1/speech` on the real playground."""

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

TEXT = "A guest wrote: the rooms were clean, the breakfast was rich, and the view was splendid. "


@pytest.fixture
def folder(playground: Any) -> Path:
    """Where the playground's speeches are."""
    found: Path = playground.folder / "audio-output"
    return found


def test_speech_is_created_kept_and_deleted(client: httpx.Client, folder: Path) -> None:
    body = {"text": TEXT, "language": "en", "dialect": "GB", "gender": "male"}
    answer = client.post("/v1/speech", json=body, headers={"prefer": "wait=60"})
    assert answer.status_code == 201, answer.text
    speech = answer.json()
    assert speech["voice"] == "male_en-GB"
    audio = client.get(speech["links"]["audio"])
    assert hashlib.sha256(audio.content).hexdigest() == speech["sha256"]
    part = client.get(speech["links"]["audio"], headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, audio.content[100:200])
    (file,) = folder.glob(f"{speech['id']}*")
    assert file.read_bytes() == audio.content
    streamed = client.post("/v1/audio/speech", json={"input": TEXT, "voice": "male_en-GB"})
    assert streamed.content == audio.content
    assert client.delete(speech["links"]["self"]).status_code == 204
    assert client.get(speech["links"]["audio"]).status_code == 404
    assert not file.exists()


@pytest.mark.usefixtures("folder")
def test_long_speech_is_followed_and_stopped(client: httpx.Client, playground: Any) -> None:
    answer = client.post("/v1/speech", json={"text": TEXT * 100, "language": "en"})
    assert answer.status_code == 202
    address = answer.headers["location"]
    seconds = 0.0
    with client.stream("GET", f"{address}/events") as events:
        for line in events.iter_lines():
            if '"running"' in line and '"seconds": 0.0' not in line and '"seconds": null' not in line:
                seconds = httpx.get(f"{playground.url}{address}", timeout=30).json()["seconds"]
                break
    assert seconds > 0
    spoken = client.post("/v1/audio/speech", json={"input": "Me too, please.", "voice": "alloy"})
    assert spoken.status_code == 200, "a long speech leaves room for callers"
    assert client.delete(address).status_code == 204
    playground.wait_idle()
    before = playground.segments_spoken()
    # What were spoken further would be spoken as fast as this.
    body = {"text": TEXT * 6, "language": "en"}
    assert client.post("/v1/speech", json=body, headers={"prefer": "wait=60"}).status_code == 201
    assert playground.segments_spoken() - before <= 6 + 1, "no more than these, and what was in hand"
