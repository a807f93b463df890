"""Start a Ray whose raylet is late, and print what comes of it as JSON.

Usage: simulated_late_raylet.py FOLDER LATE     LATE: how many raylets are never ready, before real ones.
Simulated are the late raylets, by a program that sleeps, and Ray's 30 s for them: they pass in one.
"""

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
from other_user import AS_ROOT, below, seen_by_nobody
from pydantic import SecretStr

from tts_app.serving.embedded_ray import EmbeddedRay, ServingError, _ray_environment
from tts_app.settings import Settings

HASTE = 30


def main(folder: Path, late: int) -> None:
    """Start, look, stop."""
    settings = Settings(
        state_dir=folder / "state",
        audio_output=str(folder / "audio"),
        metrics_port=None,
        api_key=SecretStr("hush-key-of-16-ch"),
        database_url="postgresql://user:hush-password@host/name",
    )
    # Ray reads it when it is imported. The last is how long it looks for the raylet at a time.
    os.environ["TTSP_API_KEY"] = "hush-key-of-16-ch"
    os.environ.update(_ray_environment(settings), RAY_raylet_start_wait_time_s="1")
    import ray._private.node
    import ray._private.services

    real = ray._private.services.RAYLET_EXECUTABLE
    stopping = threading.Event()
    reported: list[str] = []

    def progress(step: str) -> None:
        reported.append(step)
        if len(reported) == late:
            ray._private.services.RAYLET_EXECUTABLE = real
            ray._private.node.time = time

    sleeper = folder / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 600\n")
    sleeper.chmod(0o700)
    ray._private.services.RAYLET_EXECUTABLE = str(sleeper)
    ray._private.node.time = SimpleNamespace(
        monotonic=lambda: time.monotonic() * HASTE, sleep=time.sleep, time=time.time
    )
    if late == 0:
        stopping.set()
    with tempfile.TemporaryDirectory(prefix="late-", dir="/tmp") as short:
        tempfile.tempdir = short  # a socket's name must be short
        embedded = EmbeddedRay(settings, progress)
        up, error, answer, seen = False, "", None, None
        Path(short).chmod(0o755)
        try:
            up = embedded.start(stopping)
            if up:
                answer = ray.get(ray.remote(num_cpus=1)(lambda: 6 * 7).remote())
                seen = _seen(Path(short)) + _told()
        except ServingError as failed:
            error = str(failed)
        if not up:
            assert not ray.is_initialized()
            left_at_once = _left(short)
        else:
            left_at_once = []
        embedded.stop()
        left = left_at_once + _left(short)
    left += [path.name for path in (folder / "state").glob("gateway-*")]
    found = {"up": up, "error": error, "answer": answer, "told": reported, "left": left, "seen": seen}
    print(json.dumps(found))


def _seen(folder: Path) -> list[str]:
    """Return what another user sees of the folder of a Ray that runs."""
    (ray_folder,) = folder.iterdir()
    assert len(below(ray_folder)) > 20, "Ray's files are there"
    if AS_ROOT:
        return seen_by_nobody(ray_folder)
    return [str(ray_folder)] if ray_folder.stat().st_mode & 0o077 else []


def _told() -> list[str]:
    """Return Ray's processes that have a secret in their environment or their command."""
    processes = psutil.Process().children(recursive=True)
    assert len(processes) >= 4, "Ray's processes, a worker among them, are there"
    return [p.name() for p in processes if "hush" in f"{p.environ()} {p.cmdline()}"]


def _left(folder: str) -> list[str]:
    """Return the processes and the files that are left."""
    return [p.name() for p in psutil.Process().children(recursive=True)] + [
        str(path) for path in Path(folder).iterdir()
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
