"""A Ray without Serve for batches with a simulated speaker, and drivers that are started and killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from drivers import Batch, python_path
from killing import kill_all

_RAY = """
import sys
from tts_app.serving.embedded_ray import EmbeddedRay
from tts_app.settings import Settings
with EmbeddedRay(Settings(metrics_port=None), progress=lambda step: print(step, file=sys.stderr, flush=True)):
    import ray
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="session")
def ray_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A Ray that outlives its drivers; the variables that lead to it."""
    state = tmp_path_factory.mktemp("ray")
    environment = {**os.environ, "TTSP_STATE_DIR": str(state), "PYTHONPATH": python_path()}
    environment.pop("RAY_ADDRESS", None)
    with subprocess.Popen(
        [sys.executable, "-c", _RAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        address = process.stdout.readline().decode().strip()
        assert address, "Ray does not start, tried three times; standard error says why"
        yield {
            "RAY_ADDRESS": address,
            "RAY_AUTH_MODE": "token",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else loopback becomes the machine's own address
            "RAY_AUTH_TOKEN_PATH": str(state / "ray-token"),
        }
        process.stdin.close()
        process.wait(60)


@pytest.fixture
def batch(tmp_path: Path, ray_address: dict[str, str]) -> Iterator[Batch]:
    """A batch whose drivers use the shared Ray."""
    yield from _batch(tmp_path, ray_address)


@pytest.fixture
def lone_batch(tmp_path: Path) -> Iterator[Batch]:
    """A batch whose drivers start a Ray of their own."""
    yield from _batch(tmp_path, {"TTSP_STATE_DIR": str(tmp_path / "state")})


def _batch(folder: Path, environment: dict[str, str]) -> Iterator[Batch]:
    made = Batch(
        folder,
        {
            **{k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"},
            "PYTHONPATH": python_path(),
            **environment,
        },
    )
    try:
        yield made
    finally:
        for driver in made.drivers:
            kill_all(driver)
