"""A process that speaks on demand: JSON lines in, JSON lines out."""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import psutil


class Speaker(Protocol):
    """What a worker speaks with."""

    def throughput(self, texts: list[str], callers: int) -> float:
        """Speak all texts with so many callers at a time; return seconds of audio."""
        ...

    def first_audio(self, text: str) -> dict[str, float]:
        """Speak one text; return seconds to the first audio, to the last, and others by name."""
        ...


def serve(load: Callable[[], Speaker]) -> None:
    """Load, tell how long that took, then answer requests until standard input ends."""
    # Libraries print; only answers may reach the process that asks.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(content: dict[str, Any]) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({**content, "peak": peak}), file=answers, flush=True)

    began = time.perf_counter()
    speaker = load()
    process = psutil.Process()
    answer(
        {
            "load": time.perf_counter() - began,
            "start": time.time() - process.create_time(),
            "rss": process.memory_info().rss,
        }
    )
    for line in sys.stdin:
        request = json.loads(line)
        began = time.perf_counter()
        if request["do"] == "throughput":
            audio = speaker.throughput(request["texts"], request["callers"])
            answer({"seconds": time.perf_counter() - began, "audio": audio})
        else:
            answer(speaker.first_audio(request["text"]))
