"""Faults on a real playground, and a real Prometheus that fires: a model down, one that hangs, a disk full.

The rules are those of the chart with times ten times shorter (`faster_rules`). The faults are made at one
moment, for each alert needs a minute, and mended at another.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import simulated_text
from faster_rules import write_faster
from prometheus_server import Alert, PrometheusMissingError, PrometheusServer, Target

from tts_app.manifests import load_voice_models
from tts_app.resources import TextModel

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "charts/tts-playground/files/monitoring/rules").glob("*.yaml"))
FASTER = 10
LOADED = "loaded"
"""The simulated engine is loaded once there is a file of this name."""
SLOTS = 2
DISK = 8 << 20


def text_model(name: str, folder: Path) -> TextModel:
    folder.mkdir()
    (folder / LOADED).touch()
    return TextModel.model_validate(
        {
            "metadata": {"name": name},
            "spec": {
                "engine": "llamacpp",
                "source": {"uri": f"file://{folder}"},
                "license": {"spdx": "Apache-2.0", "commercialUse": True},
                "replicas": {"min": 1, "max": 1, "targetOngoingRequests": SLOTS},
            },
        }
    )


@pytest.fixture
def served(playground: Any, tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Two simulated text models beside the embedded voices: the folder of each, by name."""
    folders = {name: tmp_path / name for name in ("stuck", "fallen")}
    (kokoro,) = load_voice_models(())
    models = [kokoro, *(text_model(name, folder) for name, folder in folders.items())]
    parameters = {"fallen": {"load_until": LOADED}}
    playground.apply(simulated_text.config(playground.config(models), parameters))
    playground.wait_for(sorted(model.name for model in models))
    yield folders
    playground.apply(playground.config([kokoro]))
    playground.wait_for([kokoro.name])


@pytest.fixture
def disk(playground: Any) -> Iterator[Path]:
    """A small file system of its own in place of the folder of the audio."""
    if os.geteuid() != 0:
        pytest.skip("it mounts a file system, which needs root")
    folder = Path(playground.environment["TTSP_AUDIO_OUTPUT"])
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def prometheus(playground: Any, tmp_path: Path) -> Iterator[PrometheusServer]:
    folder = tmp_path / "prometheus"
    folder.mkdir()
    target = Target("playground", playground.metrics.removeprefix("http://"))
    try:
        server = PrometheusServer(folder, [target], write_faster(RULES, folder, FASTER), interval=2)
    except PrometheusMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with server:
        yield server


@contextmanager
def stuck(url: str, folder: Path) -> Iterator[None]:
    """Callers have all slots of the model `stuck`, whose engine hangs, and one more waits."""
    from concurrent.futures import ThreadPoolExecutor

    body = {"model": "stuck", "prompt": "Make a pause.", "max_tokens": simulated_text.PAUSE + 2}
    with ThreadPoolExecutor(SLOTS + 1) as pool, httpx.Client(base_url=url, timeout=600) as client:
        asked = [pool.submit(client.post, "/v1/completions", json=body) for _ in range(SLOTS + 1)]
        try:
            yield
        finally:
            (folder / simulated_text.GO_ON).touch()
        assert [one.result().status_code for one in asked] == [200] * (SLOTS + 1)


@contextmanager
def fallen(playground: Any, folder: Path) -> Iterator[None]:
    """The replica of the model `fallen` is dead, and the next one does not get loaded."""
    (folder / LOADED).unlink()
    replicas = [
        process
        for process in psutil.Process(playground.process.pid).children(recursive=True)
        if "ServeReplica:fallen" in " ".join(process.cmdline())
    ]
    assert len(replicas) == 1, replicas
    replicas[0].kill()
    try:
        yield
    finally:
        (folder / LOADED).touch()


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Nearly nothing is free on the disk of the audio."""
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(DISK * 97 // 100))
    yield
    ballast.unlink()


def told(alert: Alert) -> tuple[str, str]:
    """An alert's name, and what it is about."""
    return alert.name, alert.labels.get("model") or alert.labels.get("store", "")


def wait_firing(prometheus: PrometheusServer, wanted: set[tuple[str, str]]) -> None:
    """Wait until exactly these alerts fire."""
    deadline = time.monotonic() + 240
    while True:
        alerts = prometheus.alerts()
        if {told(one) for one in alerts if one.state == "firing"} == wanted:
            return
        assert time.monotonic() < deadline, alerts
        time.sleep(1)


def wait_for_value(prometheus: PrometheusServer, promql: str, holds: Callable[[float], bool]) -> None:
    """Wait until an expression has one value, and it is so."""
    deadline = time.monotonic() + 120
    while not (len(found := prometheus.query(promql)) == 1 and holds(found[0].value)):
        assert time.monotonic() < deadline, found
        time.sleep(1)


def test_faults_fire_their_alerts_and_no_others(
    playground: Any, served: dict[str, Path], disk: Path, prometheus: PrometheusServer
) -> None:
    wait_for_value(prometheus, "min(ray_ttsp_model_ready)", lambda value: value == 1)
    wait_for_value(prometheus, 'ray_ttsp_storage_size_bytes{store="audio"}', lambda value: value == DISK)
    wait_firing(prometheus, set())
    with ExitStack() as faults:
        faults.enter_context(stuck(playground.url, served["stuck"]))
        faults.enter_context(fallen(playground, served["fallen"]))
        faults.enter_context(full(disk))
        wait_firing(
            prometheus,
            {
                ("TTSPModelHangs", "stuck"),
                ("TTSPQueueStuck", "stuck"),
                ("TTSPModelDown", "fallen"),
                ("TTSPDiskFull", "audio"),
            },
        )
    wait_firing(prometheus, set())
