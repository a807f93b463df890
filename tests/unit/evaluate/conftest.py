"""A simulated service of OpenAI's speech API: it answers what a test tells it to."""

import io
import json
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
import pytest

RATE = 24_000


@dataclass(frozen=True)
class SimulatedAnswer:
    """One answer to a request for speech."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class SimulatedService:
    """Where it is, what it still answers (the last one again and again), and what it was asked."""

    url: str
    answers: list[SimulatedAnswer]
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    def answer(self, *answers: SimulatedAnswer) -> None:
        self.answers[:] = answers


def wav(samples: np.ndarray) -> bytes:
    """Return a WAV file, mono, of 16 bits."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return out.getvalue()


def hum(seconds: float) -> np.ndarray:
    """Return a hum of 120 Hz."""
    time = np.arange(int(seconds * RATE)) / RATE
    return 0.3 * np.sin(2 * np.pi * 120 * time)


SPEECH = SimulatedAnswer(200, wav(hum(1.5)), {"Content-Type": "audio/wav"})


@pytest.fixture
def simulated_service() -> Iterator[SimulatedService]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/audio/speech"
            service.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            service.keys.append(self.headers["Authorization"])
            given = service.answers.pop(0) if len(service.answers) > 1 else service.answers[0]
            self.send_response(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            self.wfile.write(given.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = SimulatedService(f"http://127.0.0.1:{server.server_port}", [SPEECH])
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield service
    server.shutdown()
    thread.join()
    server.server_close()
