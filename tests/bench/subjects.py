"""What is measured: a worker process, or a playground over HTTP. Both answer the same two questions."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import httpx

HERE = Path(__file__).parent
_ID3_HEADER = 10
_BITRATES = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""kbit/s of an MPEG-2 Layer III frame, by its index (ISO/IEC 13818-3, 2.4.2.3)."""
_RATES = (22050, 24000, 16000)
FIRST_FRAMES = 3
"""Frames of 24 ms that count as first audio: the encoder's run-in fills the two before."""


class Worker:
    """A worker script in a process of its own, loaded when this returns."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # As the server's: where Linux shares the CPU between sessions, each subject has one of its own.
            start_new_session=True,
        )
        self.loaded = self._answer()

    def throughput(self, texts: Sequence[str], callers: int) -> dict[str, float]:
        """Return `seconds` taken and seconds of `audio` made."""
        return self.ask(do="throughput", texts=list(texts), callers=callers)

    def first_audio(self, text: str) -> dict[str, float]:
        """Return seconds to the `first` audio and to the `whole`, and `peak` memory so far."""
        return self.ask(do="first_audio", text=text)

    def close(self) -> None:
        """End the process."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(60)

    def ask(self, **request: Any) -> dict[str, Any]:
        """Return the answer to a request in the worker's own words."""
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait(60)}")
        content: dict[str, Any] = json.loads(line)
        return content


class Http:
    """A playground, asked for MP3 as its users ask."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=600, limits=httpx.Limits(max_connections=16))

    def throughput(self, texts: Sequence[str], callers: int) -> dict[str, float]:
        """Return `seconds` taken and seconds of `audio` made."""
        began = time.perf_counter()
        with ThreadPoolExecutor(callers) as threads:
            files = list(threads.map(self._fetch, texts))
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "audio": sum(map(_duration, files))}

    def first_audio(self, text: str) -> dict[str, float]:
        """Return seconds to the `first` audio (FIRST_FRAMES whole frames) and to the `whole` file."""
        began = time.perf_counter()
        received = b""
        first = 0.0
        with self._request(text) as response:
            _check(response)
            for data in response.iter_raw():
                received += data
                if not first and count_frames(received) >= FIRST_FRAMES:
                    first = time.perf_counter() - began
        return {"first": first, "whole": time.perf_counter() - began, "audio": _duration(received)}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _fetch(self, text: str) -> bytes:
        with self._request(text) as response:
            _check(response)
            return response.read()

    def _request(self, text: str) -> Any:
        body = {"model": "kokoro", "voice": "female_en-US", "input": text, "response_format": "mp3"}
        return self._client.stream("POST", "/v1/audio/speech", json=body)


def count_frames(data: bytes) -> int:
    """Count the whole MPEG-2 Layer III frames in the beginning of a file, after its ID3 tag."""
    if len(data) < _ID3_HEADER:
        return 0
    at = 0
    if data[:3] == b"ID3":
        size = 0
        for byte in data[6:10]:
            size = size << 7 | byte
        at = _ID3_HEADER + size
    frames = 0
    while at + 4 <= len(data):
        if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF2:
            raise ValueError(f"no frame at byte {at}: {data[at : at + 4].hex()}")
        bitrate, rate = _BITRATES[data[at + 2] >> 4], _RATES[data[at + 2] >> 2 & 3]
        at += 72_000 * bitrate // rate + (data[at + 2] >> 1 & 1)
        frames += at <= len(data)
    return frames


def _check(response: httpx.Response) -> None:
    if response.status_code != httpx.codes.OK:
        raise RuntimeError(f"HTTP {response.status_code}: {response.read()[:500]!r}")


def _duration(file: bytes) -> float:
    """Return the seconds of audio in an encoded file."""
    with av.open(io.BytesIO(file)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def warm_up(subjects: Sequence[Worker | Http], texts: Sequence[str]) -> None:
    """Let each subject speak once, one after the other."""
    for subject, text in zip(subjects, texts, strict=True):
        subject.throughput([text], 1)
