"""Tokens a second of the text engines in one process: ours beside bare llama.cpp, and transformers.

Each function returns rows and prints nothing. What is compared is measured in turns in one run: the machine's
other work falls on all alike.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tts_app.engines.registry import text_engine
from tts_app.engines.text import TextEngine, TextRequest

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


Round = Callable[[Sequence[TextRequest]], Awaitable[list[Answer]]]


def llamacpp_rows(
    model: Path,
    callers: Sequence[int] = CALLERS,
    tokens: int = 64,
    rounds: int = 3,
    parameters: Mapping[str, Any] | None = None,
) -> list[Row]:
    """Measure our engine and bare llama.cpp, each with a server of its own and equal settings, in turns."""
    from tts_app.engines.llamacpp_server import start_server  # here: a machine may have one engine alone

    slots, settings = max(callers), dict(parameters or {})
    engine = text_engine("llamacpp").load(model, "none", CONTEXT, slots, settings)
    bare = start_server(model, CONTEXT, slots, settings)
    subjects = {"llamacpp": _through(engine), "llama.cpp, bare": _bare(bare.server, slots)}
    try:
        return asyncio.run(_measure(subjects, callers, tokens, rounds))
    finally:
        engine.close()


def transformers_rows(
    variants: Mapping[str, tuple[Path, str, Mapping[str, Any]]],
    callers: Sequence[int] = CALLERS,
    tokens: int = 64,
    rounds: int = 3,
) -> list[Row]:
    """Measure `variants` of a model in turns: name -> files, quantization, the engine's parameters."""
    engines = {
        name: text_engine("transformers").load(files, quantization, CONTEXT, max(callers), parameters)
        for name, (files, quantization, parameters) in variants.items()
    }
    try:
        subjects = {name: _through(engine) for name, engine in engines.items()}
        return asyncio.run(_measure(subjects, callers, tokens, rounds))
    finally:
        for engine in engines.values():
            engine.close()


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


async def _measure(
    subjects: Mapping[str, Round], callers: Sequence[int], tokens: int, rounds: int
) -> list[Row]:
    """Return a row a subject and number of callers: the medians of its rounds."""
    for write in subjects.values():
        await write(_requests(1, 4, "warm"))
    rows = []
    for count in callers:
        seen: dict[str, list[tuple[float, float]]] = {name: [] for name in subjects}
        for number in range(rounds):
            for name, write in subjects.items():
                start = time.perf_counter()
                answers = await write(_requests(count, tokens, f"{number}"))
                speed = sum(answer.tokens for answer in answers) / (time.perf_counter() - start)
                seen[name].append((speed, statistics.median(answer.first_token for answer in answers)))
        for name, figures in seen.items():
            speed, first = (statistics.median(column) for column in zip(*figures, strict=True))
            rows.append(Row(name, count, speed, first * 1000))
    return rows


def _requests(count: int, tokens: int, salt: str) -> list[TextRequest]:
    """Return requests whose prompts differ from the first word on: nothing of them is in a cache."""
    prompts = [f"{salt}-{caller} travellers came to the town by the sea, and" for caller in range(count)]
    return [replace(ASKS, prompt=prompt, max_tokens=tokens) for prompt in prompts]


def _through(engine: TextEngine) -> Round:
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


def _bare(server: Any, slots: int) -> Round:
    """Return calls of llama.cpp's server as its users write them: a thread each."""
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
