"""Ray is started again where its raylet is late, and nothing is left of what was begun."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "simulated_late_raylet.py"
SUPPORT = Path(__file__).parents[2] / "support"


@pytest.fixture
def simulated_late_raylets(tmp_path: Path):
    """Start a Ray of whose raylets so many are late; return what came of it."""

    def start(late: int) -> dict[str, Any]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "TTSP_"))}
        environment["PYTHONPATH"] = str(SUPPORT)
        command = [sys.executable, str(SCRIPT), str(tmp_path), str(late)]
        done = subprocess.run(
            command, check=False, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr[-4000:]
        reported: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return reported

    return start


def test_embedded_ray_gives_up_after_three_tries_and_leaves_nothing(simulated_late_raylets) -> None:
    found = simulated_late_raylets(3)
    assert [step.rpartition("; ")[2] for step in found["told"]] == [
        "starting it again, 2 of 3",
        "starting it again, 3 of 3",
    ]
    assert all(step.startswith("Ray has not started (The current node timed") for step in found["told"])
    assert found["error"] == (
        "Ray does not start, tried 3 times: The current node timed out during startup. Where other programs "
        "keep this machine busy, or its memory is full, end some and start again."
    )
    assert (found["up"], found["left"]) == (False, [])


def test_embedded_ray_works_after_a_later_try(simulated_late_raylets) -> None:
    found = simulated_late_raylets(1)
    assert (found["up"], found["answer"], found["error"], found["left"]) == (True, 42, "", [])
    assert len(found["told"]) == 1
    assert found["seen"] == [], "Ray opens its folder to everybody; the one around it is closed"


def test_embedded_ray_is_not_tried_again_after_a_stop(simulated_late_raylets) -> None:
    found = simulated_late_raylets(0)
    assert (found["up"], found["told"], found["error"], found["left"]) == (False, [], "", [])
