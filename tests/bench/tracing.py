"""Measure what traces cost a request, in CPU-seconds of all the playground's processes.

Write docs/benchmarks-tracing.md; exit with 1 if a target is missed.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import httpx
import numpy as np
import paths
from otel_collector import OtelCollector, otlp_to_files, spans
from parts import Findings, Part, measure, options_of
from server import Server
from tables import figure

from cluster.process import free_port

PAGE = paths.ROOT / "docs" / "benchmarks-tracing.md"
VOICES = paths.ROOT / "manifests" / "samples" / "embedded.yaml"
ABOUT = (
    "`make bench-tracing` writes this page: how much more processor time a request takes with "
    "[traces](observability.md#traces)."
)
RATIOS = {"off": None, "on, 1% recorded (the default)": 0.01, "on, all recorded": 1.0}
OFF, DEFAULT, ALL = RATIOS
MOST_MS = {DEFAULT: 2.0, ALL: 20.0}
"""Milliseconds of processor time that traces may add to a request."""
WARM_UP = 3
SAMPLES = 10_000
"""Of the bootstrap."""
TEXT = "The quiet rooms overlook the old harbour."
BODY = {"input": TEXT, "voice": "female_en-US", "response_format": "mp3"}


def main() -> int:
    """Measure, write the page, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="rounds in which the services take turns")
    parser.add_argument("--requests", type=int, default=4, help="requests of a service in a round")
    return measure("Benchmarks of traces", ABOUT, PARTS, options_of(parser, PARTS, PAGE))


def measure_speech(findings: Findings, options: argparse.Namespace) -> None:
    """Measure a short speech without traces, with the default's share of them, and with all."""
    with _services() as (services, exported):
        for service in services.values():
            _ask(service, WARM_UP)
        taken: dict[str, list[float]] = {name: [] for name in services}
        order, random = list(services), Random(1)  # noqa: S311 - of the turns
        for _ in range(options.rounds):
            random.shuffle(order)
            for name in order:
                with ExitStack() as others:
                    for other in services.values():
                        if other is not services[name]:
                            others.enter_context(other.standing_still())
                    taken[name].append(_cost(services[name], options.requests))
    recorded = len({span["traceId"] for span in spans(exported)}) if exported.exists() else 0
    findings.note = (
        f"`POST /v1/audio/speech` of {len(TEXT)} characters, one after the other. Three services with the "
        f"same model take turns in a random order, {options.rounds} rounds of {options.requests} requests "
        "each; those that are not asked stand still. Processor time is that of all processes of a service, "
        f"Ray's included; the collector is not counted. It got {recorded} traces. What traces add is the "
        "mean over the rounds, each beside the same round without traces, with its 95% interval (bootstrap)."
    )
    findings.rows = [["Traces", "CPU, ms a request (mean)", "More, ms", "95% interval, ms", "More, %"]]
    base = float(np.mean(taken[OFF]))
    findings.rows.append([OFF, figure(1000 * base, 1), "", "", ""])
    for name in (DEFAULT, ALL):
        more = 1000 * (np.array(taken[name]) - np.array(taken[OFF]))
        mean, (low, high) = float(np.mean(more)), _interval(more)
        findings.rows.append(
            [
                name,
                figure(1000 * float(np.mean(taken[name])), 1),
                figure(mean, 1),
                f"{low:.1f} to {high:.1f}",
                figure(mean / (10 * base), 1),
            ]
        )
        told = (f"Processor time that traces add, {name}", f"at most {MOST_MS[name]:g} ms a request")
        findings.targets.append((*told, f"{mean:.1f} ms ({low:.1f} to {high:.1f})", mean <= MOST_MS[name]))


PARTS: dict[str, Part] = {"speech": ("A short speech", measure_speech)}


@contextmanager
def _services() -> Iterator[tuple[Mapping[str, Server], Path]]:
    """Yield the services by what they trace, and the file that their collector writes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-traces-")))
        port = free_port("127.0.0.1")
        stack.enter_context(OtelCollector(folder, otlp_to_files(port, folder)))
        services = {
            name: stack.enter_context(Server("-f", str(VOICES), settings=_settings(port, ratio)))
            for name, ratio in RATIOS.items()
        }
        yield services, folder / "traces.jsonl"


def _settings(port: int, ratio: float | None) -> dict[str, str]:
    """Return the variables of a service."""
    if ratio is None:
        return {"OTEL_SDK_DISABLED": "true"}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": f"{ratio:g}",
    }


def _cost(service: Server, requests: int) -> float:
    """Return the processor seconds of a request, the mean of some."""
    before = service.processor_seconds()
    _ask(service, requests)
    return (service.processor_seconds() - before) / requests


def _ask(service: Server, requests: int) -> None:
    with httpx.Client(base_url=service.url, timeout=120) as client:
        for _ in range(requests):
            answer = client.post("/v1/audio/speech", json=BODY)
            if answer.status_code != httpx.codes.OK:
                raise RuntimeError(f"the service answers {answer.status_code}: {json.dumps(answer.text)}")


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95% interval of the mean of `values`, by bootstrap."""
    drawn = np.random.default_rng(1).choice(values, (SAMPLES, len(values)))
    low, high = np.percentile(drawn.mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
