"""Our pipeline in a process of its own, without HTTP: text in, levelled 16-bit samples out."""

import asyncio
import time
from collections.abc import Iterator

from worker import Speaker, serve

VOICE = "female_en-US"


def load() -> Speaker:
    """Load the embedded model."""
    from tts_app.catalogue import Catalogue
    from tts_app.engines.loading import load_model
    from tts_app.manifests import load_voice_models
    from tts_app.speech import SpeechOptions, Utterance, speak

    models = load_voice_models()
    voice = Catalogue(models).find(VOICE)
    pool = load_model(next(model for model in models if model.name == voice.model))

    class Ours:
        def throughput(self, texts: list[str], callers: int) -> float:
            return asyncio.run(self._speak_all(iter(texts), callers))

        def first_audio(self, text: str) -> dict[str, float]:
            return asyncio.run(self._speak(text))

        async def _speak_all(self, texts: Iterator[str], callers: int) -> float:
            async def call() -> float:
                return sum([(await self._speak(text))["audio"] for text in texts])

            return sum(await asyncio.gather(*(call() for _ in range(callers))))

        async def _speak(self, text: str) -> dict[str, float]:
            began = time.perf_counter()
            first = audio = 0.0
            utterance = Utterance(text, voice, SpeechOptions("pcm"))
            async for chunk in speak(utterance, pool.capabilities, pool.synthesise):
                first = first or time.perf_counter() - began
                audio += chunk.seconds
            return {"first": first, "whole": time.perf_counter() - began, "audio": audio}

    return Ours()


if __name__ == "__main__":
    serve(load)
