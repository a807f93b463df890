"""An engine in torch speaks in a pod, on the CPU. In no tier: its image has gigabytes (`make e2e-torch`)."""

from typing import Any

import pytest
import yaml
from simulated_hub import COMMIT, REPOSITORY, simulated_hub
from tests.e2e.conftest import cannot_run
from tests.e2e.test_playground import SAMPLES, Speech, seconds_of

from cluster import network
from cluster.node import Cluster
from images.build import places
from images.levels import version
from tts_app.resources import Source
from tts_app.sources import fetch

IMAGE = "kokoro-torch"
PATIENCE = 900.0
"""Seconds until Ready: weights of 330 MB are fetched, and PyTorch starts in each of the pod's processes."""
WORDS = {
    "female_en-US": "Welcome! Your room is ready from 3pm.",
    "male_en-US": "Breakfast is served until eleven.",
}


@pytest.fixture
def with_torch(installed: Cluster) -> Cluster:
    """Return the cluster with the chart installed, and with the image of torch on the node."""
    if not isinstance(installed, Cluster):
        pytest.skip("the simulated hub listens on the node form's bridge")
    (layout,) = places([IMAGE])
    if not layout.is_dir():
        cannot_run(f"Build the image of 7 GB first: .venv/bin/python hack/images {IMAGE}, or make e2e-torch.")
    installed.import_image(layout)
    return installed


@pytest.fixture
def speech(with_torch: Cluster, proxy: str, namespace: str) -> Speech:
    return Speech(with_torch, proxy, namespace)


def resources() -> list[Any]:
    """Return the laptop's service, with the image of torch and the simulated hub's address, and a model."""
    service, model = yaml.safe_load_all((SAMPLES / "laptop.yaml").read_text(encoding="utf-8"))
    service["spec"]["images"] = {"engines": {IMAGE: f"tts-playground-{IMAGE}:{version()}"}}
    service["spec"]["storage"]["credentialsSecret"] = "hub"
    model["spec"] |= {
        "source": {"uri": f"hf://{REPOSITORY}", "revision": COMMIT},
        "quantization": "none",
        "parameters": {"runtime": "torch"},
        "resources": {"cpu": "500m", "memory": "3Gi"},
        "voices": [
            {"locale": "en-US", "gender": "female", "speaker": "af_heart", "gain": 6.3},
            {"locale": "en-US", "gender": "male", "speaker": "af_bella"},
        ],
    }
    return [service, model]


def test_pod_of_an_engine_in_torch_speaks(speech: Speech) -> None:
    """Its weights are those of the fp32 graph, which the loader fetches from a simulated hub."""
    with simulated_hub(network.GATEWAY, fetch(Source(uri="package://kokoro-82m/fp32"))) as (endpoint, _):
        speech.kubectl("create", "secret", "generic", "hub", f"--from-literal=HF_ENDPOINT={endpoint}")
        speech.apply(*resources())
        speech.wait_ready("kokoro", patience=PATIENCE)
    (worker,) = [name for name in speech.pods() if "-kokoro-" in name]
    containers = speech.get("pod", worker)["spec"]["containers"]
    assert f"tts-playground-{IMAGE}:{version()}" in {container["image"] for container in containers}
    for voice, text in WORDS.items():
        response = speech.say(voice, text)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "audio/mpeg"
        assert 1 < seconds_of(response.content) < 10, voice
