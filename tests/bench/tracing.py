"""Measure what traces cost a request, in CPU-seconds of all the playground's processes.

Write docs/benchmarks-tracing.md; exit with 1 if a target is missed.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, aclosing, contextmanager
from functools import partial
from pathlib import Path
from random import Random

import httpx
import numpy as np
import paths
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from otel_collector import OtelCollector, otlp_to_files
from parts import Findings, Part, measure, options_of
from server import Server
from simulated_voice import SimulatedVoiceEngine
from tables import figure

from cluster.process import free_port
from tts_app.catalogue import Catalogue
from tts_app.engines.pool import EnginePool
from tts_app.manifests import load_voice_models
from tts_app.serving.admission import Admission
from tts_app.speech import Utterance, speak
from tts_app.telemetry import traces
from tts_app.telemetry.trace_recorder import Recorder, WithoutText

PAGE = paths.ROOT / "docs" / "benchmarks-tracing.md"
VOICES = paths.ROOT / "manifests" / "samples" / "embedded.yaml"
PROGRAM = paths.ROOT / "tests" / "bench" / "serve_simulated.py"
ABOUT = (
    "`make bench-tracing` writes this page: how much more processor time a request takes with "
    "[traces](observability.md#traces)."
)
RATIOS = {"off": None, "on, 1% recorded (the default)": 0.01, "on, all recorded": 1.0}
OFF, DEFAULT, ALL = RATIOS
MOST_MS = {DEFAULT: 2.0, ALL: 20.0}
"""Milliseconds of processor time that traces may add to a request."""
WARM_UP = 20
SAMPLES = 10_000
"""Of the bootstrap."""
TEXT = "The quiet rooms overlook the old harbour."
BODY = {"input": TEXT, "voice": "female_en-US", "response_format": "mp3"}


def main() -> int:
    """Measure, write the page, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="rounds in which the services take turns")
    parser.add_argument("--requests", type=int, default=10, help="requests of a service in a round")
    return measure("Benchmarks of traces", ABOUT, PARTS, options_of(parser, PARTS, PAGE))


def measure_pipeline(findings: Findings, options: argparse.Namespace) -> None:
    """Measure what our own spans cost in one process."""
    with _collector() as port:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{port}"
        recorders = {name: _recorder(ratio) for name, ratio in RATIOS.items()}
        pool = EnginePool(SimulatedVoiceEngine())
        (model,) = load_voice_models([VOICES])
        utterance = Utterance(TEXT, Catalogue([model]).find("female_en-US"))
        with asyncio.Runner() as runner:
            for recorder in recorders.values():
                _cost_in_process(runner, recorder, utterance, pool, WARM_UP)
            taken = _in_turns(
                options.rounds,
                {
                    name: partial(_cost_in_process, runner, recorder, utterance, pool, options.requests)
                    for name, recorder in recorders.items()
                },
            )
        pool.close()
    findings.note = (
        f"{len(TEXT)} characters, in one process: front-end, admission, a simulated engine, a tone, as MP3, "
        "with our own spans and the export to a collector; without HTTP, Ray and Serve's spans. Off and on "
        f"take turns in a random order, {options.rounds} rounds of {options.requests} texts each. {_INTERVAL}"
    )
    _report(findings, taken)


def measure_speech(findings: Findings, options: argparse.Namespace) -> None:
    """Measure a short speech without traces, with the default's share of them, and with all."""
    with _services() as services:
        for service in services.values():
            _ask(service, WARM_UP)
        taken = _in_turns(
            options.rounds,
            {
                name: partial(_cost, service, services.values(), options.requests)
                for name, service in services.items()
            },
        )
    findings.note = (
        f"`POST /v1/audio/speech` of {len(TEXT)} characters, one after the other, with a simulated engine: "
        "a tone, which takes no time. A real one takes far more than all the rest, and from call to call "
        "differs by more than traces cost. Three services take turns in a random order, "
        f"{options.rounds} rounds of {options.requests} requests each; those that are not asked stand still. "
        "Processor time is that of all processes of a service, Ray's included; the collector is not counted. "
        f"{_INTERVAL}"
    )
    _report(findings, taken)


_INTERVAL = (
    "What traces add is the mean over the rounds, each beside the same round without traces, with its "
    "95% interval (bootstrap)."
)


def _in_turns(rounds: int, costs: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Return the costs by their names, a figure a round, taken in a random order in each."""
    taken: dict[str, list[float]] = {name: [] for name in costs}
    order, random = list(costs), Random(1)  # noqa: S311 - of the turns
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            taken[name].append(costs[name]())
    return taken


def _report(findings: Findings, taken: Mapping[str, list[float]]) -> None:
    """Write down what was measured; `taken` are processor seconds a request, by what is traced."""
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
        told = (
            f"{findings.title}: processor time that traces add, {name}",
            f"at most {MOST_MS[name]:g} ms a request",
        )
        findings.targets.append((*told, f"{mean:.1f} ms ({low:.1f} to {high:.1f})", mean <= MOST_MS[name]))


PARTS: dict[str, Part] = {
    "pipeline": ("In one process", measure_pipeline),
    "speech": ("A whole request", measure_speech),
}


@contextmanager
def _collector() -> Iterator[int]:
    """Yield the port of a collector."""
    with tempfile.TemporaryDirectory(prefix="bench-traces-") as folder:
        port = free_port("127.0.0.1")
        with OtelCollector(Path(folder), otlp_to_files(port, Path(folder))):
            yield port


@contextmanager
def _services() -> Iterator[Mapping[str, Server]]:
    """Yield the services by what they trace."""
    with ExitStack() as stack:
        port = stack.enter_context(_collector())
        yield {
            name: stack.enter_context(
                Server("-f", str(VOICES), settings=_settings(port, ratio), program=[str(PROGRAM)])
            )
            for name, ratio in RATIOS.items()
        }


def _settings(port: int, ratio: float | None) -> dict[str, str]:
    """Return the variables of a service."""
    simulated = {"PYTHONPATH": str(paths.ROOT / "tests" / "app" / "simulated")}
    if ratio is None:
        return {"OTEL_SDK_DISABLED": "true", **simulated}
    return {
        **simulated,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": f"{ratio:g}",
    }


def _cost(service: Server, services: Iterable[Server], requests: int) -> float:
    """Return the processor seconds of a request, the mean of some, while the other services stand still."""
    with ExitStack() as others:
        for other in services:
            if other is not service:
                others.enter_context(other.standing_still())
        before = service.processor_seconds()
        _ask(service, requests)
        return (service.processor_seconds() - before) / requests


def _recorder(ratio: float | None) -> Recorder | None:
    exporter = WithoutText(OTLPSpanExporter())
    return None if ratio is None else Recorder("bench", ratio, BatchSpanProcessor(exporter))


def _cost_in_process(
    runner: asyncio.Runner, recorder: Recorder | None, utterance: Utterance, pool: EnginePool, texts: int
) -> float:
    """Return the processor seconds of a text, the mean of some, with what sending their spans takes."""
    traces.use(recorder)
    before = time.process_time()
    runner.run(_speak(utterance, pool, texts))
    traces.flush()
    taken = time.process_time() - before
    traces.use(None)
    return taken / texts


async def _speak(utterance: Utterance, pool: EnginePool, texts: int) -> None:
    admission = Admission(1, 0)
    for _ in range(texts):
        with traces.entry("request", serves=True):
            chunks = speak(utterance, pool.capabilities, pool.synthesise)
            async with admission.slot("default"), aclosing(chunks):
                async for _chunk in chunks:
                    pass


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
