"""Measure Kokoro in torch on a GPU: seconds of audio a second, by batch, with CUDA graphs and without.

One command, in 8 minutes at most:

    PYTHONPATH=app python tests/gpu/kokoro_speed.py --report kokoro.md

It needs torch, numpy, pydantic and pyyaml. The weights are random, from a seed, in the shape of Kokoro-82M,
and the durations are forced: what is made is noise, at the real speed. Each figure is printed, and added to
the report, as soon as it is known. `--device cpu --quick` tries the command on a machine without a GPU.

Exit status: 1 where a recorded call gives another sound than the same call without a recording.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from report import Report

from tts_app.audio.samples import Audio
from tts_app.engines.kokoro.model import FRAME, SAMPLE_RATE, Phrase
from tts_app.engines.kokoro.network.network import Network, NetworkSettings, Reading
from tts_app.engines.kokoro.torch_model import TorchModel, halve

BATCHES = (1, 2, 4, 8, 16, 32, 64)
COMPILED = (8, 32)
"""Batches that torch.compile is tried with: each is compiled for a minute or more."""
FRAMES_A_TOKEN = 3
TOKENS = 60
"""Of a phrase: 180 frames, which is 4.5 s."""
WORK = 55.4e9
"""Operations for a second of audio (counted on the ONNX graph)."""
PUBLISHED = 698
"""Seconds of audio a second on an H100, as told of another batched Kokoro (mstar, pull request 278)."""
SECONDS = 440
"""After which nothing new is begun."""
CELL = 2.0
"""Seconds that a figure is measured for."""


class ForcedDurations(Network):
    """Kokoro's network in which each phoneme lasts as many frames as the next."""

    def read(self, *arguments: torch.Tensor) -> Reading:
        """Return how phonemes are spoken, FRAMES_A_TOKEN frames each."""
        reading = super().read(*arguments)
        return reading._replace(durations=(reading.durations > 0).long() * FRAMES_A_TOKEN)


def main() -> int:
    """Measure, tell, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="two small batches, no torch.compile")
    parser.add_argument("--report", type=Path, help="file that the figures are added to")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("this machine has no GPU that torch can use; try --device cpu --quick")
    device = torch.device(options.device)
    report = Report(options.report)
    tell(
        report,
        f"\nKokoro-82M's shape, random weights of seed 0, {TOKENS} phonemes of {FRAMES_A_TOKEN} frames",
    )
    tell(report, f"{_name(device)}, torch {torch.__version__}; published for an H100: {PUBLISHED}\n")
    tell(report, "| way | batch | audio seconds a second | ms a call | of the products' limit |")
    tell(report, "|---|---:|---:|---:|---:|")
    ends = time.monotonic() + SECONDS
    halves = (False,) if device.type == "cpu" else (False, True)
    finished = all(_measure(report, device, half, options.quick, ends) for half in halves)
    if not finished:
        tell(report, f"\nStopped after {SECONDS} s: what is missing was not measured.")
    return 0 if all(_compare(report, device, half) for half in halves) else 1


def _measure(report: Report, device: torch.device, half: bool, quick: bool, ends: float) -> bool:
    """Tell the speed of each way; return whether the time sufficed for all."""
    limit = _products_a_second(device, half) / WORK
    batches = (1, 2) if quick else BATCHES
    for name, model, sizes in _ways(device, half, batches, compiles=not quick):
        for batch in sizes:
            if time.monotonic() > ends:
                return False
            seconds = _seconds_a_call(partial(model.speak, _phrases(batch)), 0.2 if quick else CELL)
            rate = batch * _frames() * FRAME / SAMPLE_RATE / seconds
            share = f"{rate / limit:.0%} of {limit:,.1f}"
            tell(report, f"| {name} | {batch} | {rate:,.1f} | {1000 * seconds:,.1f} | {share} |")
    return True


def tell(report: Report, line: str) -> None:
    """Print a line and add it to the report."""
    print(line, flush=True)
    report.add(line)


def _network(device: torch.device, half: bool) -> Network:
    torch.manual_seed(0)
    network = ForcedDurations(NetworkSettings()).to(device, torch.float32).requires_grad_(False).eval()
    if half:
        halve(network)
    return network


def _ways(
    device: torch.device, half: bool, batches: tuple[int, ...], compiles: bool
) -> Iterator[tuple[str, TorchModel, tuple[int, ...]]]:
    kind = "fp16" if half else "fp32"
    yield f"{kind}, each kernel started by Python", TorchModel(_network(device, half), device), batches
    if device.type == "cuda":
        yield f"{kind}, CUDA graphs", TorchModel(_network(device, half), device, graphs=True), batches
    if compiles:
        network = _network(device, half)
        network.sound = torch.compile(network.sound, dynamic=False)
        yield f"{kind}, vocoder by torch.compile", TorchModel(network, device), COMPILED


def _compare(report: Report, device: torch.device, half: bool) -> bool:
    """Tell how far recorded calls are from others; return whether that is rounding alone."""
    if device.type != "cuda":
        return True
    plain = TorchModel(_network(device, half), device).speak(_phrases(3))
    recording = TorchModel(_network(device, half), device, graphs=True)
    first, again = recording.speak(_phrases(3)), recording.speak(_phrases(3))
    worst = min(map(_signal_to_noise, plain, again))
    equal = all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True))
    tell(report, f"\nRecorded beside not recorded: {worst:.0f} dB SNR at worst; replayed twice: {equal}.\n")
    return equal and worst > 20


def _signal_to_noise(signal: Audio, other: Audio) -> float:
    noise = float(np.square(signal - other).mean())
    return float(10 * np.log10(np.square(signal).mean() / max(noise, 1e-30)))


def _phrases(batch: int) -> list[Phrase]:
    draw = np.random.default_rng(batch)
    return [
        Phrase(
            tuple(int(token) for token in draw.integers(1, 178, TOKENS)),
            draw.normal(0, 0.1, 256).astype(np.float32),
            1.0,
        )
        for _ in range(batch)
    ]


def _frames() -> int:
    """Frames of a phrase; the padding around it lasts as long as two phonemes."""
    return (TOKENS + 2) * FRAMES_A_TOKEN


def _seconds_a_call(call: Callable[[], object], least: float) -> float:
    """Return the mean seconds of a call. It returns its sound, so the GPU is done when it ends."""
    call()
    call()
    start, calls = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < least or calls < 2:
        call()
        calls += 1
    return spent / calls


def _products_a_second(device: torch.device, half: bool) -> float:
    """Return the operations a second of large matrix products, which no network can exceed."""
    size = 512 if device.type == "cpu" else 8192
    matrix = torch.randn(size, size, device=device, dtype=torch.float16 if half else torch.float32)

    def multiply() -> None:
        torch.mm(matrix, matrix)
        if device.type == "cuda":
            torch.cuda.synchronize()

    seconds = _seconds_a_call(multiply, 0.5)
    return 2 * size**3 / seconds


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(0) if device.type == "cuda" else "CPU, for a trial"


if __name__ == "__main__":
    sys.exit(main())
