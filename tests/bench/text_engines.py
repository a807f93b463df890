"""Tokens a second of the text engines without HTTP: ours beside bare llama.cpp, and transformers.

Each function returns rows and prints nothing. What is compared is measured in turns in one run: the machine's
other work falls on all alike. Each has a process of its own, which stands still while others are measured:
in one process they would have more OpenMP threads than there are cores, and OpenMP then waits otherwise.
"""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from tts_app.engines.registry import text_engine
from tts_app.engines.text import TextRequest

CALLERS = (1, 2, 4, 8, 16)
CONTEXT = 512
ASKS = TextRequest(prompt="", temperature=0.0)


@dataclass(frozen=True)
class Row:
    """How fast one subject wrote for so many callers at a time."""

    subject: str
    callers: int
    tokens_a_second: float
    first_token_ms: float
    """Median time from a call to its first token."""


@dataclass(frozen=True)
class Answer:
    """What one caller saw."""

    tokens: int
    first_token: float
    """Seconds."""


Write = Callable[[Sequence[TextRequest]], Coroutine[Any, Any, list[Answer]]]
Load = Callable[[], Write]
Ask = Callable[[Sequence[TextRequest]], tuple[float, list[Answer]]]
"""Has requests written; returns the seconds that all took, and what each caller saw."""


def llamacpp_rows(
    model: Path,
    callers: Sequence[int] = CALLERS,
    tokens: int = 64,
    rounds: int = 3,
    parameters: Mapping[str, Any] | None = None,
) -> list[Row]:
    """Measure our engine and bare llama.cpp with equal settings, in turns."""
    slots, settings = max(callers), dict(parameters or {})
    loads: dict[str, Load] = {
        "llamacpp": partial(_load_engine, "llamacpp", model, "none", slots, settings),
        "llama.cpp, bare": partial(_load_bare, model, slots, settings),
    }
    return _measure(loads, callers, tokens, rounds)


def transformers_rows(
    variants: Mapping[str, tuple[Path, str, Mapping[str, Any]]],
    callers: Sequence[int] = CALLERS,
    tokens: int = 64,
    rounds: int = 3,
) -> list[Row]:
    """Measure `variants` of a model in turns: name -> files, quantization, the engine's parameters."""
    slots = max(callers)
    loads: dict[str, Load] = {
        name: partial(_load_engine, "transformers", files, quantization, slots, dict(parameters))
        for name, (files, quantization, parameters) in variants.items()
    }
    return _measure(loads, callers, tokens, rounds)


def transformers_variants(
    model: Path, gptq: Path | None = None
) -> dict[str, tuple[Path, str, dict[str, Any]]]:
    """Return the variants that the table compares; with GPTQ where there is a checkpoint of it."""
    variants: dict[str, tuple[Path, str, dict[str, Any]]] = {
        "transformers, continuous batching": (model, "none", {}),
        "transformers, one by one": (model, "none", {"continuous_batching": False}),
        "transformers, int8": (model, "int8", {}),
    }
    if gptq is not None:
        variants["transformers, GPTQ 4-bit"] = (gptq, "gptq-int4", {})
    return variants


def _measure(loads: Mapping[str, Load], callers: Sequence[int], tokens: int, rounds: int) -> list[Row]:
    """Return a row a subject and number of callers: the medians of its rounds."""
    rows = []
    with ExitStack() as stack:
        subjects = {name: stack.enter_context(_subject(load)) for name, load in loads.items()}
        for count in callers:
            seen: dict[str, list[tuple[float, float]]] = {name: [] for name in subjects}
            for number in range(rounds):
                for name, ask in subjects.items():
                    seconds, answers = ask(_requests(count, tokens, f"{number}"))
                    speed = sum(answer.tokens for answer in answers) / seconds
                    seen[name].append((speed, statistics.median(answer.first_token for answer in answers)))
            for name, figures in seen.items():
                speed, first = (statistics.median(column) for column in zip(*figures, strict=True))
                rows.append(Row(name, count, speed, first * 1000))
    return rows


@contextmanager
def _subject(load: Load) -> Iterator[Ask]:
    """What asks a process that has loaded a subject; between two questions the process stands still."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_answer, args=(theirs, load), daemon=True)
    process.start()
    theirs.close()  # or its death would not be seen
    ours.recv()
    family = psutil.Process(process.pid)

    def ask(requests: Sequence[TextRequest]) -> tuple[float, list[Answer]]:
        family.resume()
        ours.send(_requests(1, 4, f"{time.monotonic_ns()}"))  # whoever stood still is slow at first
        ours.recv()
        ours.send(requests)
        answer: tuple[float, list[Answer]] = ours.recv()
        family.suspend()
        return answer

    family.suspend()
    try:
        yield ask
    finally:
        process.kill()
        process.join()


def _answer(pipe: Connection, load: Load) -> None:
    """Load a subject, say so, and answer; in a process of its own, until that is killed."""
    with asyncio.Runner() as runner:
        write = load()
        pipe.send(None)
        while True:
            requests = pipe.recv()
            start = time.perf_counter()
            answers = runner.run(write(requests))
            pipe.send((time.perf_counter() - start, answers))


def _requests(count: int, tokens: int, salt: str) -> list[TextRequest]:
    """Return requests whose prompts differ from the first word on: nothing of them is in a cache."""
    prompts = [f"{salt}-{caller} travellers came to the town by the sea, and" for caller in range(count)]
    return [replace(ASKS, prompt=prompt, max_tokens=tokens) for prompt in prompts]


def _load_engine(
    name: str, files: Path, quantization: str, slots: int, parameters: Mapping[str, Any]
) -> Write:
    engine = text_engine(name).load(files, quantization, CONTEXT, slots, parameters)

    async def one(request: TextRequest) -> Answer:
        start, first, tokens = time.perf_counter(), 0.0, 0
        async for delta in engine.generate(request):
            if delta.tokens and not tokens:
                first = time.perf_counter() - start
            tokens += delta.tokens
        return Answer(tokens, first)

    async def write(requests: Sequence[TextRequest]) -> list[Answer]:
        return list(await asyncio.gather(*(one(request) for request in requests)))

    return write


def _load_bare(model: Path, slots: int, settings: Mapping[str, Any]) -> Write:
    """Return calls of llama.cpp's server as its users write them: a thread each."""
    from tts_app.engines.llamacpp.server import start_server  # here: a machine may have one engine alone

    server: Any = start_server(model, CONTEXT, slots, settings).server
    threads = ThreadPoolExecutor(slots)

    def one(request: TextRequest) -> Answer:
        start, firsts, last = time.perf_counter(), [], {}

        def take(chunk: dict[str, Any]) -> bool:
            if not firsts:
                firsts.append(time.perf_counter() - start)
            last.update(chunk)
            return False

        body = {"prompt": request.prompt, "max_tokens": request.max_tokens, "temperature": 0, "stream": True}
        server.handle_completions(body, take)
        return Answer(last["timings"]["predicted_n"], firsts[0])

    async def write(requests: Sequence[TextRequest]) -> list[Answer]:
        loop = asyncio.get_running_loop()
        return list(
            await asyncio.gather(*(loop.run_in_executor(threads, one, request) for request in requests))
        )

    return write
