"""A text engine that says what a test has it say: simulated, and so called."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any, Self

from tts_app.engines.text import Delta, TextCapabilities, TextLoad, TextRequest, Usage

Script = Callable[[TextRequest], str]
INTERRUPT = "\0"
"""In an answer: the user types Ctrl-C there."""


class SimulatedTextEngine:
    """Writes a word a step, and counts a token a word. `script` gives the answers; it may raise."""

    script: Script = staticmethod(lambda request: f"You said: {request.messages[-1]['content']}")

    def __init__(self, script: Script | None = None, context: int = 1000, **capabilities: Any) -> None:
        if script is not None:
            self.script = script
        self.capabilities = TextCapabilities(context, **{"slots": 2, "json": True} | capabilities)
        self.requests: list[TextRequest] = []
        self.stopped = 0
        self.running = self.most_running = 0
        self.closed = False

    @classmethod
    def load(
        cls, files: Path, quantization: str, context_length: int, slots: int, parameters: Mapping[str, Any]
    ) -> Self:
        assert files.is_dir()
        return cls(context=context_length, slots=slots)

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        return ["*.gguf"]

    @property
    def load_now(self) -> TextLoad:
        return TextLoad(self.running, 0, 0.0)

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        ended = False
        try:
            prompt = sum(len(message["content"].split()) for message in request.messages or ())
            words = self.script(request).split(" ")
            for number, word in enumerate(words[: request.max_tokens]):
                if INTERRUPT in word:
                    signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(0)
                yield Delta(text=word if number == 0 else f" {word}", tokens=1)
            cut = request.max_tokens is not None and len(words) > request.max_tokens
            yield Delta(finish="length" if cut else "stop", usage=Usage(prompt, len(words)))
            ended = True
        finally:
            self.running -= 1
            self.stopped += not ended

    @property
    def broken(self) -> str | None:
        return None

    def close(self) -> None:
        self.closed = True


def as_json(text: str) -> str:
    """Return the answer of an engine that is held to the schema of a draft."""
    return json.dumps({"post": text}, ensure_ascii=False)
