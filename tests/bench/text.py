"""Measure text generation through HTTP, beside the bare engine.

Write docs/benchmarks-text.md; exit with 1 if a target is missed.
"""

import argparse
import http.client
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import paths  # noqa: F401 - before what is imported by it
import yaml
from parts import Findings, Part, measure, options_of
from server import Server
from subjects import Worker
from tables import figure
from text_load import RAMP, STEP, measure_streams

from tts_app.engines.loading import fetch_model
from tts_app.language.split import Sentences
from tts_app.manifests import load_models, samples_folder
from tts_app.resources import TextModel

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-text.md"
SAMPLE = samples_folder() / "textmodel-smollm.yaml"
CALLERS = (1, 2, 4, 8, 16)
TARGET_CALLERS = 8
ABOUT = (
    "`make bench-text` writes this page: text through HTTP beside the bare engine in a process of its own, "
    "in turns, the one suspended while the other is measured. Both answer the same prompts greedily."
)
_TOPICS = ("the spa", "a late breakfast", "the roof terrace", "a rainy day", "our loyalty club", "a wedding",
           "the wine cellar", "a family room", "the early ferry", "a quiet desk", "New Year's Eve", "the gym",
           "a lost key", "the tea lounge", "our gardener", "a pillow menu")  # fmt: skip


def main() -> int:
    """Measure, write the page, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds, in which each has its turn")
    parser.add_argument("--tokens", type=int, default=96, help="most tokens of an answer")
    parser.add_argument("--streams", type=int, nargs="+", default=[300, 1000, 2000], help="at a time")
    parser.add_argument("--seconds", type=float, default=60, help="seconds that a stream lasts")
    options = options_of(parser, PARTS, PAGE)
    return measure("Benchmarks of text generation", ABOUT, PARTS, options)


def measure_all_cores(findings: Findings, options: argparse.Namespace) -> None:
    """Measure with an engine that computes on every core, as it does by itself."""
    findings.note = (
        "llama.cpp's threads wait for each other after every step, spinning. So where it has every core, "
        "what anybody else computes stops all of it, and costs as many times as much as there are threads."
    )
    _measure_http(findings, options, os.cpu_count() or 1)


def measure_spared_core(findings: Findings, options: argparse.Namespace) -> None:
    """Measure with an engine that leaves a core to the rest, bare and here."""
    findings.note = "`parameters: {n_threads: ...}`, one less than there are cores, bare and here."
    _measure_http(findings, options, max(1, (os.cpu_count() or 1) - 1))


def _measure_http(findings: Findings, options: argparse.Namespace, threads: int) -> None:
    """Have the same prompts answered by the playground and by the bare engine, in turns."""
    (model,) = (model for model in load_models([SAMPLE]) if isinstance(model, TextModel))
    slots = int(model.spec.replicas.target_ongoing_requests)
    context = model.spec.context_length
    bare = Worker("worker_text.py", str(fetch_model(model)), str(slots), str(context), str(threads))
    findings.rows = [["Callers", "Bare, tokens/s", "HTTP, tokens/s", "Share", "Bare: to the first token, ms",
                      "HTTP, ms", "Added, ms"]]  # fmt: skip
    different = asked = 0
    try:
        with _manifest(model, threads) as manifest, Server("-f", manifest) as server:
            for callers in CALLERS:
                reported: dict[str, list[dict[str, Any]]] = {"bare": [], "http": []}
                for number in range(options.rounds + 1):
                    bodies = bodies_of(number, max(2, callers), options.tokens)
                    waking = bodies_of(-number, 1, 4)  # whoever stood still is slow at first
                    turns = ("bare", "http") if number % 2 else ("http", "bare")
                    for turn in turns:
                        if turn == "bare":
                            with server.standing_still():
                                bare.ask(bodies=waking, callers=1)
                                found = bare.ask(bodies=bodies, callers=callers)
                        else:
                            over_http(server.url, waking, 1)
                            found = over_http(server.url, bodies, callers)
                        if number:  # the first round warms up
                            reported[turn].append(found)
                    if number and callers == 1:  # beside others the order of sums is another one
                        pairs = zip(reported["bare"][-1]["texts"], reported["http"][-1]["texts"], strict=True)
                        different += sum(ours != theirs for ours, theirs in pairs)
                        asked += len(bodies)
                _record(findings, callers, reported, threads)
    finally:
        bare.close()
    findings.targets.append(
        (f"Greedy answers that differ from the bare engine's, one caller, {threads} threads", "none",
         f"{different} of {asked}", not different)
    )  # fmt: skip


@contextmanager
def _manifest(model: TextModel, threads: int) -> Iterator[str]:
    """The path of the model's manifest, with an engine of so many threads."""
    manifest: dict[str, Any] = dict(model.written())
    manifest["spec"]["parameters"] = {"n_threads": threads}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(manifest, file)
        file.flush()
        yield file.name


def measure_load(findings: Findings, options: argparse.Namespace) -> None:
    """Stream to thousands of callers at a time what a simulated engine writes."""
    findings.note = (
        f"A simulated engine writes a token of each stream every {STEP * 1000:.0f} ms. All streams begin "
        f"within {RAMP:g} seconds; what is told of tokens and cores is of the {options.seconds:g} s after "
        "that, in which all are there. The delay is a token's on its way from the engine to the client, "
        "which shares the cores; that of first tokens is of all streams, while they begin."
    )
    findings.rows = [["Streams", "Failed", "Tokens/s", "Chunks/s", "Delay p50, ms", "p99, ms",
                      "First token p50, ms", "p99, ms", "Cores"]]  # fmt: skip
    for result in measure_streams(options.streams, options.seconds, RAMP):
        times = [figure(value, 0) for value in (*result.delay_ms, *result.first_ms)]
        row = [figure(result.streams, 0), str(len(result.failures)), figure(result.tokens_a_second, 0),
               figure(result.chunks_a_second, 0), *times, result.cores_told]  # fmt: skip
        findings.rows.append(row)
        print(row, *result.failures[:3], flush=True)
    delay = result.delay_ms[1]
    findings.targets += [
        (f"{result.streams:,} streams: failed", "none", str(len(result.failures)), not result.failures),
        (f"{result.streams:,} streams: p99 of the delay", "under 250 ms", f"{delay:,.0f} ms", delay < 250),
    ]


def measure_spoken(findings: Findings, options: argparse.Namespace) -> None:
    """Have answers spoken while they are written, and each first sentence spoken by itself, in turns."""
    findings.note = (
        "Seconds, medians. An answer can be heard no sooner than its first sentence is whole and its first "
        "words are spoken: the share is that limit's of the time that a caller waits. Speaking shares the "
        "cores with the writing of what follows."
    )
    reported: list[tuple[float, float, float]] = []
    with Server() as server:
        for number in range(2 * options.rounds + 1):
            (body,) = bodies_of(number, 1, options.tokens)
            sentence, whole, heard = _ask_spoken(server.url, body)
            alone = _first_audio(server.url, sentence)
            if number:  # the first one warms up
                reported.append((whole, alone, heard))
    whole, alone, heard = (float(np.median([times[n] for times in reported])) for n in range(3))
    share = float(np.median([(whole + alone) / heard for whole, alone, heard in reported]))
    findings.rows = [
        ["Answers", "First sentence whole", "First audio of it alone", "First audio of the answer", "Share"],
        [str(len(reported)), figure(whole), figure(alone), figure(heard), figure(share)],
    ]
    print(findings.rows[1], flush=True)


def measure_engines(findings: Findings, options: argparse.Namespace) -> None:
    """Measure the engines without HTTP."""
    findings.note = (
        "llama.cpp with SmolLM2-135M-Instruct Q4_1, ours and bare; transformers with random weights (8 "
        "layers, 512 wide, float32), for no small checkpoint for it is to be had here: compare within each."
    )
    import text_engines
    import tiny_model

    (model,) = (model for model in load_models([SAMPLE]) if isinstance(model, TextModel))
    callers, tokens = (1, 4, 8), options.tokens // 3
    rows = text_engines.llamacpp_rows(fetch_model(model), callers, tokens, options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        dense = tiny_model.make(Path(folder), width=512, layers=8)
        quantised = tiny_model.quantise(dense, Path(folder) / "gptq")
        variants = text_engines.transformers_variants(dense, quantised)
        rows += text_engines.transformers_rows(variants, callers, tokens, options.rounds)
    findings.rows = [["Engine", "Callers", "Tokens/s", "To the first token, ms"]]
    findings.rows += [
        [row.subject, str(row.callers), figure(row.tokens_a_second, 1), figure(row.first_token_ms, 1)]
        for row in rows
    ]
    print(*findings.rows, sep="\n", flush=True)


def _ask_spoken(url: str, body: Mapping[str, Any]) -> tuple[str, float, float]:
    """Return the first sentence, the seconds until it was whole, and those to the first audio."""
    spoken = {
        "model": "smollm",
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "mp3"},
    }
    began = time.perf_counter()
    sentences = Sentences()
    sentence, whole, heard = "", 0.0, 0.0
    for event in _events(url, {**body, **spoken}):
        for choice in event["choices"]:
            audio = choice["delta"].get("audio") or {}
            for text in sentences.push(audio.get("transcript", "")):
                sentence, whole = sentence or text, whole or time.perf_counter() - began
            if audio.get("data"):
                heard = heard or time.perf_counter() - began
    if not (sentence and heard):
        raise RuntimeError("no whole sentence was written and spoken")
    return sentence, whole, heard


def _first_audio(url: str, text: str) -> float:
    """Return the seconds to the first audio of `text`, spoken by itself."""
    began = time.perf_counter()
    with _post(url, "/v1/audio/speech", {"input": text, "voice": "alloy"}) as answer:
        answer.read(1)
        first = time.perf_counter() - began
        answer.read()
    return first


@contextmanager
def _post(url: str, path: str, body: Mapping[str, Any]) -> Iterator[http.client.HTTPResponse]:
    """The answer to a request, whose body is being read. A client that takes little of the two cores."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise RuntimeError(f"HTTP {answer.status}: {answer.read()[:500]!r}")
        yield answer
    finally:
        connection.close()


def _record(
    findings: Findings, callers: int, reported: Mapping[str, Sequence[Mapping[str, Any]]], threads: int
) -> None:
    speeds = {who: [one["tokens"] / one["seconds"] for one in found] for who, found in reported.items()}
    share = float(np.median(np.array(speeds["http"]) / np.array(speeds["bare"])))
    first = {who: 1000 * float(np.median([f for one in found for f in one["first"]]))
             for who, found in reported.items()}  # fmt: skip
    added = first["http"] - first["bare"]
    rates = [figure(float(np.median(speeds[who])), 1) for who in ("bare", "http")]
    times = [figure(value, 1) for value in (first["bare"], first["http"], added)]
    row = [str(callers), *rates, figure(share), *times]
    findings.rows.append(row)
    print(row, flush=True)
    if callers == 1:
        findings.targets.append(
            (f"Time to the first token that HTTP adds, p50, one caller, {threads} threads", "under 15 ms",
             f"{added:.1f} ms", added < 15)
        )  # fmt: skip
    if callers == TARGET_CALLERS:
        findings.targets.append(
            (f"Tokens a second, of the bare engine's, {callers} callers, {threads} threads", "at least 0.97",
             figure(share), share >= 0.97)
        )  # fmt: skip


def bodies_of(number: int, count: int, tokens: int) -> list[dict[str, Any]]:
    """Return requests that no earlier one shares more than a few tokens with."""
    return [
        {
            "messages": [
                {
                    "role": "user",
                    "content": f"{number}.{n} Write a long post about {_TOPICS[n % len(_TOPICS)]}.",
                }
            ],
            "max_tokens": tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        for n in range(count)
    ]


def over_http(url: str, bodies: Sequence[Mapping[str, Any]], callers: int) -> dict[str, Any]:
    """Have prompts answered by so many callers at a time; return tokens, texts and seconds."""
    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as threads:
        reported = list(threads.map(lambda body: _ask(url, {**body, "model": "smollm"}), bodies))
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "tokens": sum(tokens for tokens, _, _ in reported),
        "first": [first for _, first, _ in reported],
        "texts": [text for _, _, text in reported],
    }


def _ask(url: str, body: Mapping[str, Any]) -> tuple[int, float, str]:
    """Return the tokens, the seconds to the first of them, and the text."""
    began = time.perf_counter()
    first, tokens = 0.0, 0
    texts: list[str] = []
    for chunk in _events(url, body):
        for choice in chunk["choices"]:
            if text := choice["delta"].get("content"):
                first = first or time.perf_counter() - began
                texts.append(text)
        if chunk.get("usage"):
            tokens = chunk["usage"]["completion_tokens"]
    return tokens, first, "".join(texts)


def _events(url: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the events of a streamed answer."""
    with _post(url, "/v1/chat/completions", body) as answer:
        while line := answer.readline():
            if not line.startswith(b"data: {"):
                continue
            event: dict[str, Any] = json.loads(line[6:])
            if "error" in event:
                raise RuntimeError(f"broken off: {event}")
            yield event


_SUBJECT = "llama.cpp, SmolLM2-135M-Instruct Q4_1"
PARTS: dict[str, Part] = {
    "load": ("Thousands of streams, simulated engine", measure_load),
    "all-cores": (f"Through HTTP and bare, on every core: {_SUBJECT}", measure_all_cores),
    "spared-core": (f"Through HTTP and bare, a core left to the rest: {_SUBJECT}", measure_spared_core),
    "engines": ("The engines without HTTP", measure_engines),
    "spoken": ("Spoken while it is written, SmolLM2-135M-Instruct and Kokoro", measure_spoken),
}


if __name__ == "__main__":
    sys.exit(main())
