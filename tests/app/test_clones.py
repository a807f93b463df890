"""A voice is cloned, spoken with and revoked on a real Ray; the engine that imitates it is simulated."""

import json
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
import simulated_clone
import simulated_gateway
import simulated_voice
from simulated_speaker import RATE, encoded, speech

from tts_app.audio.decode import decode
from tts_app.manifests import load_voice_models

CLIP = speech(4.0)
CONSENT = {"id": "contract 17", "by": "Maryam Sample", "date": "2026-01-31"}
FORM = {"name": "Front desk", "transcript": "Good evening.", "consent": json.dumps(CONSENT), "model": "clone"}
FILES = {name: (name, encoded(CLIP, RATE, "flac")) for name in ("audio_sample", "consent_sample")}
TEXT = "Good evening, and welcome. Your room is ready."


def _config(serve: dict[str, Any]) -> dict[str, Any]:
    """The Serve config with the simulated engine and two replicas of it, and a gateway that lets it clone."""
    for application in serve["applications"]:
        (deployment,) = application["deployments"]
        if application["name"] == "gateway":
            application["import_path"] = f"{simulated_gateway.__name__}:build"
        elif deployment["user_config"].get("speakers") == [simulated_voice.SPEAKER]:
            application["args"]["engine"] = f"{simulated_clone.__name__}:SimulatedCloningEngine"
            deployment["num_replicas"] = 2
    return serve


@pytest.fixture(scope="module")
def cloning(starting: Any) -> Iterator[httpx.Client]:
    (kokoro,) = load_voice_models(())
    with starting("clones") as playground:
        playground.apply(_config(playground.config([kokoro, simulated_voice.model("clone")])))
        _wait(playground, ["clone", kokoro.name])
        with httpx.Client(base_url=playground.url, timeout=120) as client:
            yield client
        events = [line["event"] for line in playground.logs("gateway")]
        assert "voice revoked" in events
        assert "clip not forgotten everywhere yet" not in events, "each replica was told, and has answered"


def _wait(playground: Any, models: list[str]) -> None:
    """Wait until the models are served; the gateway is replaced meanwhile, and then nobody listens."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return playground.wait_for(models)
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.5)


def _speak(client: httpx.Client, voice: str) -> httpx.Response:
    body = {"input": TEXT, "voice": voice, "response_format": "wav"}
    return client.post("/v1/audio/speech", json=body)


def test_voice_is_cloned_spoken_with_and_revoked(cloning: httpx.Client) -> None:
    made = cloning.post("/v1/voices", data=FORM, files=FILES)
    assert made.status_code == 201, made.text
    voice = made.json()["id"]
    assert made.json()["locale"] == "en-GB"

    for _ in range(4):  # both replicas are called, and each gets the clip when it is
        spoken = _speak(cloning, voice)
        assert spoken.status_code == 200, spoken.text
    audio, rate = decode(spoken.content)
    begin = np.abs(audio).argmax()
    assert np.abs(np.fft.rfft(audio)).argmax() * rate / audio.size != pytest.approx(440, abs=5), begin

    batch = {
        "posts": [{"id": 7, "text": {"en": TEXT}}],
        "avatars": {"voices": [voice]},
        "output": {"format": "mp3", "name_template": "{post}_{voice}"},
    }
    answer = cloning.post("/v1/batches", json=batch)
    assert answer.status_code == 202, answer.text
    links = answer.json()["links"]
    with cloning.stream("GET", links["events"]) as events:
        last = [line for line in events.iter_lines() if line.startswith("data:")][-1]
    assert json.loads(last.removeprefix("data:"))["status"] == "succeeded", last
    with zipfile.ZipFile(BytesIO(cloning.get(links["archive"]).content)) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".mp3")]
        assert name.endswith(f"7_{voice}.mp3")
        assert f"cloned voice {voice}; consent contract 17".encode() in archive.read(name)[:2000]

    assert cloning.delete(f"/v1/voices/{voice}").status_code == 204
    refused = _speak(cloning, voice)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "voice")
    assert "was revoked" in refused.json()["error"]["message"]
    assert cloning.post("/v1/batches", json=batch).status_code == 400


def test_recording_that_is_none_is_refused(cloning: httpx.Client) -> None:
    files = {**FILES, "audio_sample": ("clip.wav", b"#EXTM3U\nfile:///etc/passwd\n")}
    answer = cloning.post("/v1/voices", data=FORM, files=files)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "audio_sample")
