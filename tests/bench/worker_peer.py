"""kokoro-onnx as its users run it, in its own process (its phonemiser is GPL). Arguments: model, voices."""

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from worker import Speaker, serve

VOICE = "af_heart"
LANGUAGE = "en-us"


def load() -> Speaker:
    """Load the model with the package's defaults."""
    from kokoro_onnx import Kokoro

    kokoro = Kokoro(sys.argv[1], sys.argv[2])

    class Peer:
        def throughput(self, texts: list[str], callers: int) -> float:
            with ThreadPoolExecutor(callers) as threads:
                return sum(threads.map(self._create, texts))

        def first_audio(self, text: str) -> dict[str, float]:
            began = time.perf_counter()
            self._create(text)
            created = time.perf_counter() - began
            return {"create": created, **asyncio.run(self._stream(text))}

        def _create(self, text: str) -> float:
            audio, rate = kokoro.create(text, voice=VOICE, lang=LANGUAGE)
            return len(audio) / rate

        async def _stream(self, text: str) -> dict[str, float]:
            began = time.perf_counter()
            first = seconds = 0.0
            async for audio, rate in kokoro.create_stream(text, voice=VOICE, lang=LANGUAGE):
                first = first or time.perf_counter() - began
                seconds += len(audio) / rate
            return {"first": first, "whole": time.perf_counter() - began, "audio": seconds}

    return Peer()


if __name__ == "__main__":
    serve(load)
