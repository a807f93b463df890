"""A TextModel that nobody asks has no replica, and the first who asks starts one."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
import simulated_text

from tts_app.resources import TextModel

SOON = {
    "downscale_delay_s": 1.0,
    "upscale_delay_s": 0.1,
    "look_back_period_s": 1.0,
    "metrics_interval_s": 0.5,
}
"""Serve's own defaults let it go after ten minutes."""


@pytest.fixture(scope="module")
def sleeper(playground: Any) -> Iterator[Any]:
    """The playground with a model that may scale to zero."""
    folder = playground.folder / "sleeper"
    folder.mkdir()
    model = TextModel.model_validate(
        {
            "metadata": {"name": "sleeper"},
            "spec": {
                "engine": "llamacpp",
                "source": {"uri": f"file://{folder}"},
                "license": {"spdx": "Apache-2.0", "commercialUse": True},
                "replicas": {"min": 0, "max": 1, "targetOngoingRequests": 2},
            },
        }
    )

    def soon(config: dict[str, Any]) -> dict[str, Any]:
        (application,) = [app for app in config["applications"] if app["name"] == "sleeper"]
        application["deployments"][0]["autoscaling_config"] |= SOON
        return simulated_text.config(config)

    with playground.serving(model, soon):
        yield playground


def replicas(playground: Any) -> int:
    """How many replicas Serve says that the model has."""
    return len(playground.applications()["sleeper"]["deployments"]["Text"]["replicas"])


def eventually(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 90
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def test_text_model_scales_to_zero_and_back(sleeper: Any) -> None:
    client = openai.OpenAI(base_url=f"{sleeper.url}/v1", api_key="none needed", max_retries=8, timeout=60)

    def ready() -> bool:
        return httpx.get(f"{sleeper.url}/readyz", timeout=30).status_code == 200

    def asked_and_gone() -> bool:
        return ready() and replicas(sleeper) == 0

    for _ in range(2):
        eventually(asked_and_gone, "it does not scale to zero while /readyz is asked")
        eventually(ready, "/readyz does not answer 200 without a replica")
        assert replicas(sleeper) == 0, "/readyz starts none"
        answer = client.completions.create(model="sleeper", prompt="Hello", max_tokens=9)
        assert answer.choices[0].text == simulated_text.whole(9)
        assert replicas(sleeper) == 1
