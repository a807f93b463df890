"""A simulated text engine: it writes known words, one a step, in a replica like any other."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

from tts_app.engines.text import (
    ContextLengthError,
    Delta,
    EngineError,
    TextCapabilities,
    TextLoad,
    TextRequest,
    Usage,
)

TEXT = "The harbour is quiet. 🌊🛥️ القارب في الميناء. नाव बंदरगाह में है। Good night to all of you!"
WORDS = TEXT.split()
PAUSE = 13
"""Words that are written before a pause."""
GO_ON = "go on"
PATIENCE = 300.0
"""Seconds after which a model whose file does not come fails: nobody waits for it any more."""


def word(number: int) -> str:
    """The word at `number` of everything that it writes."""
    return f"{WORDS[number % len(WORDS)]} "


def config(serve: dict[str, Any], parameters: Mapping[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """The Serve config with the simulated engine in place of each TextModel's own, with its own `parameters`.

    They are not in the TextModel, whose engine would refuse them.
    """
    for application in serve["applications"]:
        if "context_length" in application["args"]:
            application["args"]["engine"] = f"{__name__}:{SimulatedTextEngine.__name__}"
            application["args"]["parameters"] = (parameters or {}).get(application["name"], {})
    return serve


class SimulatedTextEngine:
    """Writes WORDS over and over, a word a step of `step` seconds.

    With `stamps` each word is the time at which it was written. With `load_until` it is loaded once there is
    a file of that name in the model's folder.

    A prompt that holds `crash` ends the process; one that holds `break` makes the engine break down; one that
    holds `pause` makes it wait, after PAUSE words, for the file `go on` in the model's folder.
    """

    def __init__(self, files: Path, context_length: int, slots: int, step: float, stamps: bool) -> None:
        self._go_on = files / GO_ON
        self._context = context_length
        self._slots = asyncio.Semaphore(slots)
        self._most = slots
        self._step = step
        self._stamps = stamps
        self._running = 0

    @classmethod
    def load(
        cls, files: Path, quantization: str, context_length: int, slots: int, parameters: Mapping[str, Any]
    ) -> Self:
        if unknown := set(parameters) - {"step", "load_until", "stamps"}:
            raise EngineError(f"no such parameter: {', '.join(unknown)}")
        if name := parameters.get("load_until"):
            _wait_for(files / name)
        return cls(
            files, context_length, slots, parameters.get("step", 0.01), parameters.get("stamps", False)
        )

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        return []

    @property
    def capabilities(self) -> TextCapabilities:
        return TextCapabilities(self._context, self._most)

    @property
    def load_now(self) -> TextLoad:
        return TextLoad(self._running, 0, self._running / self._most)

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        messages = request.messages or ({"content": request.prompt},)
        prompt = " ".join(str(message["content"]) for message in messages)
        length = len(prompt.split())
        if length >= self._context:
            raise ContextLengthError(f"The prompt has {length} tokens, and the context {self._context}.")
        if "crash" in prompt:
            os._exit(1)
        most = min(request.max_tokens or self._context, self._context - length)
        async with self._slots:
            self._running += 1
            try:
                for number in range(most):
                    await asyncio.sleep(self._step)
                    if "pause" in prompt and number == PAUSE:
                        while not self._go_on.exists():  # noqa: ASYNC110 - a file has no event
                            await asyncio.sleep(0.02)
                    if "break" in prompt and number == 2:
                        raise RuntimeError("simulated")
                    for index in range(request.n):
                        yield Delta(index, f"{time.time():.3f} " if self._stamps else word(number), tokens=1)
                for index in range(request.n):
                    usage = Usage(length, most * request.n) if index == request.n - 1 else None
                    yield Delta(index, finish="length", usage=usage)
            finally:
                self._running -= 1

    @property
    def broken(self) -> str | None:
        return None

    def close(self) -> None:
        return


def _wait_for(file: Path) -> None:
    """Block until `file` is there."""
    until = time.monotonic() + PATIENCE
    while not file.exists():
        if time.monotonic() > until:
            raise EngineError(f"{file} does not come")
        time.sleep(0.02)


def whole(tokens: int) -> str:
    """What an answer of so many tokens is."""
    *_, text = accumulate(word(number) for number in range(tokens))
    return text
