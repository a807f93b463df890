"""Thousands of chat streams at a time, from a simulated engine through the real service: what we add.

    python tests/bench/text_load.py --streams 2000 --seconds 60

The engine writes the time at which it wrote each token, so the delay of every token on its way to the caller
is measured, with the client's own.
"""

import argparse
import asyncio
import gc
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import uvloop

from tts_app.resources import TextModel
from tts_app.serve_config import serve_config
from tts_app.serving import embedded
from tts_app.settings import Settings

SIMULATED = Path(__file__).parents[1] / "app" / "simulated"
STEP = 0.1
RAMP = 30.0
"""Seconds in which all streams begin."""
PORT = 18124
_STAMP = re.compile(rb"\d{10}\.\d{3}")
_BODY = (
    b'{"model": "writer", "stream": true, "max_tokens": %d, "messages": [{"role": "user", "content": "Hi"}]}'
)


@dataclass
class Seen:
    """What the callers saw; of delays and chunks those while all streams were there."""

    window: tuple[float, float]
    """When the last stream began and the first one ended."""
    delays: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    chunks: int = 0
    failures: list[str] = field(default_factory=list)


def config(models: Any, **where: Any) -> dict[str, Any]:
    """The Serve config, with the simulated engine."""
    made = serve_config(models, **where)
    for application in made["applications"]:
        if "context_length" in application["args"]:
            application["args"]["engine"] = "simulated_text:SimulatedTextEngine"
            application["args"]["parameters"] = {"step": STEP, "stamps": True}
    return made


def model(streams: int, folder: str) -> TextModel:
    return TextModel.model_validate(
        {
            "metadata": {"name": "writer"},
            "spec": {
                "engine": "llamacpp",
                "source": {"uri": f"file://{folder}"},
                "license": {"spdx": "Apache-2.0", "commercialUse": True},
                "replicas": {"min": 1, "max": 1, "targetOngoingRequests": streams},
            },
        }
    )


async def call(seen: Seen, port: int, tokens: int, after: float) -> None:
    """One caller: a raw HTTP request, read as it comes."""
    await asyncio.sleep(after)
    body = _BODY % tokens
    began = time.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    got = 0
    tail = b""
    while data := await reader.read(1 << 16):
        now = time.time()
        stamps = [float(stamp) for stamp in _STAMP.findall(data)]
        if stamps and not got:
            seen.first.append(now - began - STEP)
        got += len(stamps)
        if seen.window[0] <= now < seen.window[1]:
            seen.chunks += data.count(b"data: ")
            seen.delays.extend(now - stamp for stamp in stamps)
        tail = (tail + data)[-400:]
    writer.close()
    if got < tokens * 0.99 or b"[DONE]" not in tail:  # a stamp may be cut by the client's own reading
        seen.failures.append(f"{got} of {tokens} tokens, then {tail[-200:]!r}")


async def load(port: int, streams: int, seconds: float, ramp: float) -> tuple[Seen, dict[str, float]]:
    """Have streams begin one after another, all be there for so many seconds, and end together.

    Return what was seen, and the cores that each kind of process used while all were there.
    """
    opened = time.time() + ramp
    seen = Seen((opened, opened + seconds))
    begins = [ramp * number / streams for number in range(streams)]
    calls = [call(seen, port, int((ramp + seconds - begin) / STEP), begin) for begin in begins]
    _, cores = await asyncio.gather(asyncio.gather(*calls), used(seen.window))
    return seen, cores


async def used(window: tuple[float, float]) -> dict[str, float]:
    """Return the cores that each kind of process used in a time to come."""
    await asyncio.sleep(window[0] - time.time())
    before, began = cpu_seconds(), time.perf_counter()
    await asyncio.sleep(window[1] - time.time())
    wall = time.perf_counter() - began
    return {name: (cpu - before.get(name, 0)) / wall for name, cpu in cpu_seconds().items()}


def cpu_seconds() -> dict[str, float]:
    """CPU seconds by what a process is."""
    used: dict[str, float] = {}
    for process in psutil.Process().children(recursive=True):
        try:
            words = " ".join(process.cmdline())
            times = process.cpu_times()
        except psutil.Error:
            continue
        name = next(
            (n for n in ("Gateway", "writer:Text", "ProxyActor", "ServeController") if n in words), "rest"
        )
        used[name] = used.get(name, 0) + times.user + times.system
    own = psutil.Process().cpu_times()
    return used | {"this client": own.user + own.system}


@dataclass(frozen=True, slots=True)
class Result:
    """What so many streams at a time showed."""

    streams: int
    failures: list[str]
    tokens_a_second: float
    chunks_a_second: float
    delay_ms: tuple[float, float]
    """Of a token on its way, p50 and p99."""
    first_ms: tuple[float, float]
    """To the first token, the engine's own step left out, p50 and p99."""
    cores: dict[str, float]
    """How many each kind of process used."""

    @property
    def cores_told(self) -> str:
        """The cores, in words."""
        return ", ".join(f"{name} {share:.2f}" for name, share in self.cores.items() if share > 0.02)


def measure_streams(streams: Sequence[int], seconds: float, ramp: float) -> Iterator[Result]:
    """Yield what each number of streams shows, with one playground for all."""
    os.environ["PYTHONPATH"] = f"{SIMULATED}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    embedded.serve_config = config  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            state_dir=Path(folder), audio_output=f"{folder}/out", port=PORT, metrics_port=None, queue=100_000
        )
        with embedded.Playground(settings) as playground:
            playground.start()
            playground.deploy([model(max(streams), folder)])
            playground.wait(timeout=500)
            for count in streams:
                gc.disable()  # the client's own pauses are nobody else's delay
                seen, cores = uvloop.run(load(PORT, count, seconds, ramp))
                gc.enable()
                yield _result(count, seen, seconds, cores)


def _result(streams: int, seen: Seen, seconds: float, cores: dict[str, float]) -> Result:
    p50, p99 = (1000 * float(delay) for delay in np.percentile(seen.delays or [0.0], [50, 99]))
    first50, first99 = (1000 * float(delay) for delay in np.percentile(seen.first or [0.0], [50, 99]))
    rates = len(seen.delays) / seconds, seen.chunks / seconds
    return Result(streams, seen.failures, *rates, (p50, p99), (first50, first99), cores)


def main() -> None:
    """Print a line for each number of streams."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[2000])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--ramp", type=float, default=RAMP, help="seconds in which they begin")
    arguments = parser.parse_args()
    for result in measure_streams(arguments.streams, arguments.seconds, arguments.ramp):
        (p50, p99), (first50, first99) = result.delay_ms, result.first_ms
        print(
            f"{result.streams} streams: {len(result.failures)} failed, "
            f"{result.tokens_a_second:.0f} tokens/s, {result.chunks_a_second:.0f} chunks/s, "
            f"delay p50 {p50:.0f} ms p99 {p99:.0f} ms, "
            f"first p50 {first50:.0f} ms p99 {first99:.0f} ms; cores: {result.cores_told}",
            *result.failures[:3],
            sep="\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
