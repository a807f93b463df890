"""A voice is cloned, spoken with and revoked on a real Ray; the engine that imitates it is simulated."""

import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
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
def running(starting: Any) -> Iterator[Any]:
    """A playground with the simulated engine."""
    (kokoro,) = load_voice_models(())
    with starting("clones") as playground:
        playground.apply(_config(playground.config([kokoro, simulated_voice.model("clone")])))
        _wait(playground, ["clone", kokoro.name])
        yield playground
        events = [line["event"] for line in playground.logs("gateway")]
        assert "voice revoked" in events
        assert "clip not forgotten everywhere yet" not in events, "each replica was told, and has answered"


@pytest.fixture
def cloning(running: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=120) as client:
        yield client


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


def test_job_on_the_service_speaks_with_a_cloned_voice(
    running: Any, cloning: httpx.Client, tmp_path: Path
) -> None:
    """As a TTSJob's RayJob does: its driver has neither the database nor the key, and asks the gateway."""
    voice = cloning.post("/v1/voices", data=FORM, files=FILES).json()["id"]
    job = {
        "apiVersion": "ttsplayground.dev/v1alpha1",
        "kind": "TTSJob",
        "metadata": {"name": "clones"},
        "spec": {
            "posts": {"inline": [{"id": 1, "text": {"en": TEXT}}]},
            "avatars": {"voices": [voice]},
            "output": {"uri": (tmp_path / "out").as_uri(), "nameTemplate": "{post}_{voice}"},
            "retries": 0,
        },
    }
    (tmp_path / "job.yaml").write_text(json.dumps(job))
    (tmp_path / "model.yaml").write_text(json.dumps(simulated_voice.model("clone").written()))

    done = _render(running, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / f"1_{voice}.mp3").stat().st_size > 1000

    assert cloning.delete(f"/v1/voices/{voice}").status_code == 204
    refused = _render(running, tmp_path)
    assert refused.returncode != 0
    assert "was revoked" in refused.stderr


def _render(playground: Any, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run the job in `folder` on the playground's Ray."""
    state = Path(playground.environment["TTSP_STATE_DIR"])
    environment = {
        **playground.environment,
        "TTSP_STATE_DIR": str(folder / "state"),
        "RAY_ADDRESS": _ray_address(playground),
        "RAY_AUTH_MODE": "token",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_TOKEN_PATH": str(state / "ray-token"),
    }
    command = [sys.executable, "-m", "tts_app.cli", "render", "-f", str(folder), "--speaker", "service"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)


def _ray_address(playground: Any) -> str:
    """The address of the playground's Ray, as its own processes are told it."""
    for process in psutil.Process(playground.process.pid).children(recursive=True):
        for argument in process.cmdline():
            if argument.startswith("--gcs-address="):
                return argument.partition("=")[2]
    raise AssertionError("no process of Ray has its address")
