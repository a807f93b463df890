"""What the engine `transformers` writes on a GPU, where its steps are recorded and replayed.

The small weights are computed in 32 bits: what is written must be the same token for token in every way.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tts_app.engines.registry import text_engine
from tts_app.engines.text import TextEngine, TextRequest

SEA = TextRequest(prompt="the sea is", max_tokens=60, temperature=0)
PROMPTS = ["the sea", "one two three four " * 12, "words of", ".", "is vast and the words " * 5, "few"]


@pytest.fixture(scope="module")
def folder(gpu: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny_model

    return tiny_model.make(tmp_path_factory.mktemp("tiny"), context=2304)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[TextEngine]:
    engine = loaded(folder)
    yield engine
    engine.close()


def loaded(folder: Path, context: int = 256, **parameters: Any) -> TextEngine:
    engine: TextEngine = text_engine("transformers").load(folder, "none", context, 6, parameters)
    return engine


async def written(engine: TextEngine, request: TextRequest) -> str:
    async with asyncio.timeout(60):
        return "".join([delta.text async for delta in engine.generate(request)])


async def test_cuda_graphs_write_what_is_written_without_them(engine: TextEngine, folder: Path) -> None:
    requests = [replace(SEA, prompt=prompt) for prompt in PROMPTS]
    together = await asyncio.gather(*(written(engine, request) for request in requests))
    one_by_one = [await written(engine, request) for request in requests]
    without = loaded(folder, cuda_graphs=False)
    alone = loaded(folder, continuous_batching=False)
    for other in (without, alone):
        assert [await written(other, request) for request in requests] == together == one_by_one
        other.close()
    assert len(set(together)) == len(together)


async def test_transformers_writes_logprobs_requests_beside_the_batch(engine: TextEngine) -> None:
    asks = replace(SEA, logprobs=1)
    expected, long = await written(engine, asks), await written(engine, replace(SEA, max_tokens=200))
    for _ in range(5):
        beside = await asyncio.gather(
            written(engine, replace(SEA, max_tokens=200)), written(engine, asks), written(engine, asks)
        )
        assert beside == [long, expected, expected]


async def test_transformers_caller_who_leaves_changes_no_other_answer(engine: TextEngine) -> None:
    requests = [replace(SEA, prompt=prompt) for prompt in PROMPTS[:5]]
    expected = [await written(engine, request) for request in requests]
    for _ in range(5):
        leaves = asyncio.create_task(written(engine, replace(SEA, max_tokens=200)))
        others = asyncio.gather(*(written(engine, request) for request in requests))
        await asyncio.sleep(0.02)
        leaves.cancel()
        assert await others == expected
    async with asyncio.timeout(60):
        while engine.load_now.running:  # noqa: ASYNC110 - a thread ends by itself
            await asyncio.sleep(0.01)
    assert engine.load_now.cache == 0


async def test_transformers_survives_a_hundred_callers_who_leave(folder: Path) -> None:
    """The next step is prepared while one is computed: who leaves may be in both, and half read."""
    engine = loaded(folder, context=2304)
    long = " ".join(f"word {number}" for number in range(1000))[:2500]  # about 1,900 tokens
    expected = await written(engine, SEA)
    for number in range(100):
        prompt = f"{number} {long if number % 2 else 'one two three four ' * 12}"
        leaves = asyncio.create_task(written(engine, TextRequest(prompt=prompt, max_tokens=200)))
        stays = asyncio.create_task(written(engine, SEA))
        await asyncio.sleep(0.001 * (number % 25))
        leaves.cancel()
        assert await stays == expected
    assert engine.broken is None
    async with asyncio.timeout(60):
        while engine.load_now.running:  # noqa: ASYNC110 - a thread ends by itself
            await asyncio.sleep(0.01)
    engine.close()


async def test_transformers_seeds_reproduce_and_unseeded_answers_vary(engine: TextEngine) -> None:
    warm = replace(SEA, temperature=1.0, seed=3)
    assert await written(engine, warm) == await written(engine, warm)
    unseeded = replace(SEA, temperature=1.0)
    assert len({await written(engine, unseeded) for _ in range(4)}) > 1
    narrow = replace(unseeded, top_p=1e-6)
    assert await written(engine, narrow) == await written(engine, SEA)
