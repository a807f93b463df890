"""A game day: a playground with callers and a Prometheus, in which a fault begins; a reader finds it.

`python tests/gameday/play.py NUMBER` prints addresses and never which fault it makes, two minutes after the
start. It ends after `--minutes`, or on Ctrl-C. It mounts a small disk, which needs root.
"""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "hack"), str(ROOT / "tests/support")]

from faster_rules import write_faster  # noqa: E402
from prometheus_server import PrometheusServer, Target  # noqa: E402

from cluster.process import free_port  # noqa: E402

RULES = sorted((ROOT / "charts/tts-playground/files/monitoring/rules").glob("*.yaml"))
FASTER = 5
QUIET = 120.0
DISK = 16 << 20
VOICES = ("female_en-US", "male_en-GB", "female_es-ES")
LONG = "The hotel opens again in spring, with a garden, a pool and a new kitchen. " * 40


class Day:
    """A playground with its own folder and ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.metrics = free_port("127.0.0.1"), free_port("127.0.0.1")
        self.url = f"http://127.0.0.1:{self.port}"
        self.audio, self.state = folder / "audio-output", folder / "state"
        self.over = threading.Event()
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start the playground, and wait until it is ready."""
        environment = os.environ | {
            "TTSP_STATE_DIR": str(self.state),
            "TTSP_AUDIO_OUTPUT": str(self.audio),
            "TTSP_METRICS_PORT": str(self.metrics),
            "TTSP_AUDIT": "true",
            "TTSP_QUEUE": "8",
        }
        command = [sys.executable, "-m", "tts_app.cli", "serve", "--port", str(self.port)]
        with (self.folder / "output.txt").open("ab") as file:
            self.process = subprocess.Popen(
                command, stdout=file, stderr=file, env=environment, start_new_session=True
            )
        while not self._is_ready():
            if self.process.poll() is not None:
                sys.exit((self.folder / "output.txt").read_text())
            time.sleep(1)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """End the playground, as Ctrl-C does."""
        for process in self._processes():
            process.resume()
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(60)

    def _processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def replica(self, name: str) -> psutil.Process:
        """The process of a model's replica."""
        return next(one for one in self._processes() if f"ServeReplica:{name}" in " ".join(one.cmdline()))

    def call(self) -> None:
        """Speak a short text every three seconds, and store a speech every ten, until it is over."""
        with httpx.Client(base_url=self.url, timeout=30) as client:
            for number, voice in enumerate(cycle(VOICES)):
                if self.over.wait(3):
                    return
                body = {"model": "kokoro", "voice": voice, "input": f"Good morning, guest number {number}."}
                _post(client, "/v1/audio/speech", body)
                if number % 3 == 0:
                    stored = {"text": "Breakfast is at eight.", "language": "en"}
                    _post(client, "/v1/speech", stored)


def _post(client: httpx.Client, path: str, body: dict[str, str]) -> None:
    with suppress(httpx.TransportError):  # callers of a faulty service see that, too
        client.post(path, json=body)


@contextmanager
def disk(day: Day) -> Iterator[None]:
    """The disk of the audio is full."""
    (day.audio / "ballast").write_bytes(bytes(DISK * 98 // 100))
    yield


@contextmanager
def stopped(day: Day) -> Iterator[None]:
    """The replica of the voices hangs."""
    day.replica("kokoro").suspend()
    yield


@contextmanager
def flood(day: Day) -> Iterator[None]:
    """One caller wants far more than there is."""

    def want() -> None:
        with httpx.Client(base_url=day.url, timeout=60) as client:
            while not day.over.wait(0.2):
                _post(client, "/v1/audio/speech", {"model": "kokoro", "voice": VOICES[0], "input": LONG})

    for _ in range(20):
        threading.Thread(target=want, daemon=True).start()
    yield


@contextmanager
def locked(day: Day) -> Iterator[None]:
    """Another program keeps the database to itself."""
    database = sqlite3.connect(day.state / "metadata.sqlite")
    database.execute("BEGIN EXCLUSIVE")
    yield
    database.close()


@contextmanager
def busy(_day: Day) -> Iterator[None]:
    """Other programs have the processors."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(8)]
    yield
    for loop in loops:
        loop.kill()


FAULTS: dict[int, Callable[[Day], "contextmanager[None]"]] = {  # type: ignore[type-arg]
    1: busy,
    2: disk,
    3: locked,
    4: stopped,
    5: flood,
}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, choices=sorted(FAULTS))
    parser.add_argument("--minutes", type=float, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        day = Day(Path(name))
        day.audio.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(day.audio)], check=True)
        stack.callback(subprocess.run, ["umount", "-l", str(day.audio)], check=True)
        day.start()
        stack.callback(day.stop)
        data = day.folder / "prometheus"
        data.mkdir()
        target = Target("playground", f"127.0.0.1:{day.metrics}")
        server = stack.enter_context(
            PrometheusServer(data, [target], write_faster(RULES, data, FASTER), interval=5)
        )
        stack.callback(day.over.set)
        threading.Thread(target=day.call, daemon=True).start()
        print(f"API {day.url}  metrics port {day.metrics}  TTSP_STATE_DIR {day.state}", flush=True)
        print(f"Prometheus {server.url} (rules {FASTER} times as fast)", flush=True)
        time.sleep(QUIET)
        stack.enter_context(FAULTS[options.number](day))
        print(f"fault since {time.strftime('%H:%M:%S')}", flush=True)
        time.sleep(60 * options.minutes)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores SIGINT otherwise
        signal.signal(number, signal.default_int_handler)
    main()
