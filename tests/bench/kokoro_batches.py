"""Seconds of audio a second that Kokoro makes on this machine's cores: in torch by batches, and in ONNX.

What is compared is measured in turns in one process, so the machine's other work falls on all alike.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tts_app.engines.base import BatchingEngine, Segment, SpeechEngine
from tts_app.engines.kokoro.engine import SAMPLE_RATE, KokoroEngine
from tts_app.language import front_end

BATCHES = (1, 2, 4, 8)
TEXTS = (
    "Welcome back to the old harbour, where breakfast is served until eleven.",
    "Our rooftop pool opens at eight, and towels are waiting for you there.",
    "Two nights for the price of one, from Sunday to Thursday, all through May.",
    "Ask for a table by the window when you book; the sunset is worth it.",
    "The chef cooks what the boats bring in, so no two evenings are alike.",
    "Bring the children: the garden has swings, a slide and a very patient dog.",
    "From the station it is a walk of ten minutes, or we pick you up for free.",
    "Late arrivals are no trouble at all, as somebody is always at the desk.",
)
"""About as long as each other, as the segments of one batch are."""

Speak = Callable[[Sequence[Segment]], float]
"""Speaks segments; returns the seconds of audio."""


class Batching(BatchingEngine, SpeechEngine, Protocol):
    """An engine that speaks several segments in a call."""


@dataclass(frozen=True)
class Row:
    """How fast one way is."""

    way: str
    audio_a_second: float


def measure(fp32: Path, int8: Path, rounds: int) -> list[Row]:
    """Measure each way `rounds` times, in turns; return its best."""
    segments = _segments()
    in_torch = KokoroEngine.load(fp32, "none", {"runtime": "torch", "max_batch": max(BATCHES)})
    engines = {
        "onnxruntime, fp32": KokoroEngine.load(fp32, "none", {}),
        "onnxruntime, int8": KokoroEngine.load(int8, "int8", {}),
    }
    ways: dict[str, Speak] = {
        **{f"torch, fp32, {batch} a call": batched(in_torch, batch) for batch in BATCHES},
        **{f"{name}, a call for each core": _side_by_side(engine) for name, engine in engines.items()},
    }
    rows = in_turns(ways, segments, rounds)
    for engine in (in_torch, *engines.values()):
        engine.close()
    return rows


def in_turns(ways: Mapping[str, Speak], segments: Sequence[Segment], rounds: int) -> list[Row]:
    """Measure each way `rounds` times, in turns; return its best."""
    best = dict.fromkeys(ways, 0.0)
    for number in range(rounds + 1):
        for way, speak in ways.items():
            start = time.perf_counter()
            audio = speak(segments)
            if number:  # the first round warms up
                best[way] = max(best[way], audio / (time.perf_counter() - start))
    return [Row(way, found) for way, found in best.items()]


def _segments() -> list[Segment]:
    front = front_end("en-US")
    normal = [front.normalise(text) for text in TEXTS]
    spoken = zip(normal, front.phonemise(normal), strict=True)
    return [Segment(text, phonemes, "en-US", "af_heart") for text, phonemes in spoken]


def batched(engine: Batching, batch: int) -> Speak:
    """Return what speaks with `batch` segments a call, those of about one length together."""
    rate = engine.capabilities.sample_rate

    def speak(segments: Sequence[Segment]) -> float:
        ordered = sorted(segments, key=lambda segment: engine.size(segment).frames)
        calls = (ordered[start : start + batch] for start in range(0, len(ordered), batch))
        return sum(audio.size for call in calls for audio in engine.synthesise(call)) / rate

    return speak


def _side_by_side(engine: KokoroEngine) -> Speak:
    threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def speak(segments: Sequence[Segment]) -> float:
        spoken = threads.map(lambda segment: engine.synthesise([segment])[0], segments)
        return sum(audio.size for audio in spoken) / SAMPLE_RATE

    return speak
