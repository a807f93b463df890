"""A TextModel of the engine `transformers` behind the API, with small random weights: its noise is exact."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tts_app.resources import TextModel

PROMPTS = ["the sea is", "one two three four", "words of"]
TOKENS = 24


@pytest.fixture(scope="module")
def tiny(playground: Any) -> Iterator[Any]:
    """The playground with the model; `folder` has its files."""
    import tiny_model  # it imports PyTorch, which takes seconds

    folder = playground.folder / "tiny"
    folder.mkdir()
    tiny_model.make(folder)
    model = TextModel.model_validate(
        {
            "metadata": {"name": "tiny"},
            "spec": {
                "engine": "transformers",
                "source": {"uri": f"file://{folder}"},
                "license": {"spdx": "Apache-2.0", "commercialUse": True},
                "contextLength": 256,
                "replicas": {"min": 1, "max": 1, "targetOngoingRequests": 4},
                "resources": {"cpu": "1", "memory": "1Gi"},
                "parameters": {"threads": 1},
            },
        }
    )
    with playground.serving(model, lambda config: config):
        yield playground


@pytest.fixture
def client(tiny: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{tiny.url}/v1", api_key="none needed", max_retries=3, timeout=60)


def write(client: openai.OpenAI, prompt: str, **more: Any) -> str:
    asked = {"max_tokens": TOKENS, "temperature": 0, **more}
    return client.completions.create(model="tiny", prompt=prompt, **asked).choices[0].text


def test_transformers_greedy_answers_match_the_bare_library(tiny: Any, client: openai.OpenAI) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer  # takes seconds

    folder = tiny.folder / "tiny"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    for prompt in PROMPTS:
        tokens = tokenizer(prompt, return_tensors="pt").input_ids
        own = model.generate(tokens, max_new_tokens=TOKENS, do_sample=False)[0, tokens.shape[1] :]
        # A character that the last token cuts is left out.
        expected = tokenizer.decode(own, skip_special_tokens=True).rstrip("\ufffd")
        assert write(client, prompt) == expected
        stream = client.completions.create(
            model="tiny", prompt=prompt, max_tokens=TOKENS, temperature=0, stream=True
        )
        assert "".join(chunk.choices[0].text for chunk in stream) == expected


def test_transformers_seeds_reproduce_answers(client: openai.OpenAI) -> None:
    first, again, other = (write(client, PROMPTS[0], temperature=1, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_transformers_stop_strings_never_leak(client: openai.OpenAI) -> None:
    whole = write(client, PROMPTS[0])
    stop = whole[6:9]
    assert write(client, PROMPTS[0], stop=[stop]) == whole[: whole.index(stop)]


def test_transformers_stops_writing_when_the_caller_leaves(tiny: Any, client: openai.OpenAI) -> None:
    stream = client.completions.create(model="tiny", prompt=PROMPTS[0], max_tokens=240, stream=True)
    next(iter(stream))
    stream.close()
    tiny.wait_idle("tiny")
