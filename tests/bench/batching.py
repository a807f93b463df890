"""Measure what sharing calls brings: many callers of one engine that speaks several segments in a call.

Write docs/benchmarks-batching.md; exit with 1 if a target is missed.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import kokoro_batches
import numpy as np
import paths
from parts import Findings, Part, measure, options_of
from tables import figure

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, Segment, Size
from tts_app.engines.pool import EnginePool
from tts_app.sources.base import cache_folder

PAGE = paths.ROOT / "docs" / "benchmarks-batching.md"
ABOUT = (
    "`make bench-batching` writes this page: how much more an engine speaks that gives several callers' "
    "segments to the model in one call."
)
FIXED, EACH = 0.020, 0.001
"""Seconds of a simulated call, and of each segment in it: a GPU's time hardly grows with a small batch."""
MOST = 32
LOAD = 0.8
"""Part of its limit to which the engine that speaks one at a time is loaded."""
TIMES = 6
STEPS = (1, 2, 4, 6, 8, 10, 12)


def main() -> int:
    """Measure, write the page, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long segments arrive at each rate")
    parser.add_argument("--rounds", type=int, default=3, help="of Kokoro's sentences")
    return measure("Benchmarks of batches", ABOUT, PARTS, options_of(parser, PARTS, PAGE))


class SimulatedGpuEngine:
    """Computes nothing: a call takes a fixed time and a little for each segment."""

    def __init__(self, most: int) -> None:
        self.capabilities = Capabilities(24_000, "text", 1000, (1.0, 1.0), parallel=False, max_batch=most)
        self.calls: list[int] = []
        """Segments of each call."""

    @classmethod
    def load(cls, files: Path, quantization: str, parameters: Mapping[str, Any]) -> Self:
        """Return one that speaks MOST segments at a time."""
        return cls(MOST)

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """Return nothing: it has no files."""
        return []

    def check_speaker(self, speaker: str) -> None:
        """Accept any."""

    def size(self, segment: Segment) -> Size:
        """Return the length of the text."""
        return Size(float(len(segment.text)))

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        """Wait as long as a GPU would compute."""
        self.calls.append(len(segments))
        time.sleep(FIXED + EACH * len(segments))
        return [np.zeros(1, np.float32) for _ in segments]

    def close(self) -> None:
        """Release nothing."""


def measure_simulated(findings: Findings, options: argparse.Namespace) -> None:
    """Measure how many segments a second arrive before the slowest wait as long as without batches."""
    findings.note = (
        f"A simulated GPU: a call takes {FIXED * 1000:g} ms and {EACH * 1000:g} ms for each segment. "
        "Segments of 20 to 140 characters arrive at random. The first row is the engine with one segment a "
        f"call, at {LOAD:.0%} of its limit; the others give up to {MOST} segments to a call."
    )
    findings.rows = [["Batches", "Segments a second", "p50, ms", "p95, ms", "Segments a call"]]
    rate = LOAD / (FIXED + EACH)
    limit = asyncio.run(_arriving(1, rate, options.seconds, findings))
    reached = 0.0
    for times in STEPS:
        if asyncio.run(_arriving(MOST, times * rate, options.seconds, findings)) <= limit:
            reached = times
    findings.targets.append(
        (
            "Segments a second at the p95 of one at a time",
            f"at least {TIMES} times",
            f"{reached:g} times",
            reached >= TIMES,
        )
    )


async def _arriving(most: int, rate: float, seconds: float, findings: Findings) -> float:
    """Have segments arrive at `rate` a second; return the p95 of their milliseconds until they are spoken."""
    engine = SimulatedGpuEngine(most)
    pool = EnginePool(engine)
    chance = random.Random(f"{rate}")  # noqa: S311
    waits: list[float] = []

    async def speak() -> None:
        began = time.perf_counter()
        text = "a" * chance.randint(20, 140)
        await pool.synthesise(Segment(text, "", "en-US", "", first=chance.random() < 0.3))
        waits.append(1000 * (time.perf_counter() - began))

    start = time.perf_counter()
    due = 0.0
    async with asyncio.TaskGroup() as tasks:
        while (due := due + chance.expovariate(rate)) < seconds:
            await asyncio.sleep(max(0.0, start + due - time.perf_counter()))
            tasks.create_task(speak())
    spoken = len(waits) / (time.perf_counter() - start)
    pool.close()
    p50, p95 = (float(np.percentile(waits, share)) for share in (50, 95))
    mean = sum(engine.calls) / len(engine.calls)
    findings.rows.append(
        ["no" if most == 1 else "yes", figure(spoken, 1), figure(p50, 1), figure(p95, 1), figure(mean, 1)]
    )
    print(findings.rows[-1], flush=True)
    return p95


def measure_kokoro(findings: Findings, options: argparse.Namespace) -> None:
    """Measure the seconds of audio a second of the real Kokoro on this machine, by batches."""
    models = cache_folder() / "models" / "kokoro-82m"
    rows = kokoro_batches.measure(models / "fp32", models / "int8", options.rounds)
    findings.note = (
        f"The real Kokoro-82M on this machine's cores, without a GPU. {len(kokoro_batches.TEXTS)} sentences "
        f"of about 70 characters; the best of {options.rounds} rounds, in which all take turns."
    )
    findings.rows = [["How", "Seconds of audio a second"]]
    findings.rows += [[row.way, figure(row.audio_a_second)] for row in rows]


def measure_vits(findings: Findings, options: argparse.Namespace) -> None:
    """Measure VITS of random weights, by the segments of a call."""
    import vits_batches

    findings.note = (
        "VITS in the sizes of MMS-TTS with random weights, on this machine's cores: what it says is noise, "
        f"of random lengths. The best of {options.rounds} rounds, in which all take turns."
    )
    findings.rows = [["How", "Seconds of audio a second"]]
    findings.rows += [[row.way, figure(row.audio_a_second)] for row in vits_batches.measure(options.rounds)]


PARTS: dict[str, Part] = {
    "simulated-gpu": ("Many callers of a simulated GPU", measure_simulated),
    "kokoro": ("Kokoro in torch on a CPU", measure_kokoro),
    "vits": ("VITS of random weights on a CPU", measure_vits),
}

if __name__ == "__main__":
    sys.exit(main())
