"""A second VoiceModel is added, changed and removed while requests run, and none of them fails."""

import threading
from typing import Any

import httpx
import pytest
import simulated_voice

from tts_app.manifests import load_voice_models

VOICE = "male_en-GB"


@pytest.fixture
def replica(playground: Any) -> list[str]:
    """The embedded model's replica before anything is changed."""
    return _replicas(playground)["kokoro"]


@pytest.fixture
def traffic(playground: Any, replica: list[str]) -> Any:
    """Requests one after another until it is stopped; returns their statuses."""
    statuses: list[int] = []
    stop = threading.Event()

    def work() -> None:
        with httpx.Client(base_url=playground.url, timeout=60) as client:
            while not stop.is_set():
                body = {"input": "Hello again.", "voice": "alloy", "model": "kokoro"}
                statuses.append(client.post("/v1/audio/speech", json=body).status_code)

    thread = threading.Thread(target=work)
    thread.start()
    yield statuses
    stop.set()
    thread.join(60)
    assert len(statuses) > 3
    assert set(statuses) == {200}


def test_voice_model_is_added_and_removed_in_place(
    playground: Any, client: httpx.Client, replica: list[str], traffic: list[int]
) -> None:
    (kokoro,) = load_voice_models(())
    second = simulated_voice.model("second")
    playground.apply(simulated_voice.config(playground.config([kokoro, second])))
    playground.wait_for(["kokoro", "second"])
    body = {"input": "Spoken by the second model.", "voice": VOICE, "model": "second"}
    assert client.post("/v1/audio/speech", json=body).status_code == 200
    wrong = client.post("/v1/audio/speech", json=body | {"voice": "alloy"})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "voice")
    playground.apply(playground.config([kokoro]))
    playground.wait_for(["kokoro"])
    gone = client.post("/v1/audio/speech", json=body)
    assert (gone.status_code, gone.json()["error"]["param"]) == (400, "model")
    assert _replicas(playground)["kokoro"] == replica, "its replica was never replaced"
    assert len(traffic) > 3


def _replicas(playground: Any) -> dict[str, list[str]]:
    return {
        name: [r["replica_id"] for d in app["deployments"].values() for r in d["replicas"]]
        for name, app in playground.applications().items()
    }
