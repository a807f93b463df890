"""The embedded TextModel, SmolLM2 by llama.cpp, behind the API: held against llama.cpp itself, and spoken."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import jiwer
import openai
import pytest

from tts_app.audio.decode import decode
from tts_app.engines.llamacpp.server import start_server
from tts_app.engines.loading import fetch_model
from tts_app.evaluate.judge import RECOGNISER, Judge
from tts_app.manifests import load_models, load_text_models
from tts_app.sources import fetch

PROMPTS = [
    "Describe a quiet hotel room in two short sentences.",
    "Repeat exactly: أهلا وسهلا بكم في فندقنا 🌴",
    "Repeat exactly: नमस्ते, आपका कमरा तैयार है 🙏🏽",
]
TOKENS = 40


@pytest.fixture(scope="module")
def client(playground: Any) -> openai.OpenAI:
    if "smollm" not in playground.models:
        playground.apply(playground.config(load_models()))
        playground.wait_for(["kokoro", "smollm"])
    return openai.OpenAI(base_url=f"{playground.url}/v1", api_key="none needed", max_retries=0, timeout=120)


@pytest.fixture(scope="module")
def bare() -> Iterator[Any]:
    """llama.cpp's own server, in this process."""
    (model,) = load_text_models()
    yield start_server(fetch_model(model), 512, 1, {}).server


def ask(prompt: str) -> list[Any]:
    return [{"role": "user", "content": prompt}]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_llamacpp_greedy_answers_match_bare_llama_cpp(client: openai.OpenAI, bare: Any, prompt: str) -> None:
    reported: list[Any] = []
    bare.handle_chat_completions(
        {"messages": ask(prompt), "max_tokens": TOKENS, "temperature": 0}, reported.append
    )
    own = reported[-1]["choices"][0]["message"]["content"]
    whole = client.chat.completions.create(
        model="smollm", messages=ask(prompt), max_completion_tokens=TOKENS, temperature=0
    )
    assert whole.choices[0].message.content == own
    assert whole.usage is not None
    assert whole.usage.completion_tokens == reported[-1]["usage"]["completion_tokens"]
    stream = client.chat.completions.create(
        model="smollm", messages=ask(prompt), max_completion_tokens=TOKENS, temperature=0, stream=True
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert "".join(pieces) == own
    assert not any("\ufffd" in piece for piece in pieces), "no piece ends inside a character"


def test_llamacpp_seeds_reproduce_answers(client: openai.OpenAI) -> None:
    answers = [
        client.chat.completions.create(
            model="smollm", messages=ask(PROMPTS[0]), max_completion_tokens=TOKENS, temperature=1, seed=seed
        )
        .choices[0]
        .message.content
        for seed in (1, 1, 2)
    ]
    assert answers[0] == answers[1] != answers[2]


def test_llamacpp_stop_strings_never_leak(client: openai.OpenAI) -> None:
    free = client.completions.create(model="smollm", prompt="One, two, three,", max_tokens=24, temperature=0)
    stop = free.choices[0].text[8:12]
    stream = client.completions.create(
        model="smollm", prompt="One, two, three,", max_tokens=24, temperature=0, stop=[stop], stream=True
    )
    text, finish = "", None
    for chunk in stream:
        text += chunk.choices[0].text
        finish = chunk.choices[0].finish_reason or finish
    assert text == free.choices[0].text[: free.choices[0].text.index(stop)]
    assert finish == "stop"


def test_llamacpp_answer_follows_a_json_schema(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"room": {"enum": ["single", "double"]}, "guests": {"type": "integer"}},
        "required": ["room", "guests"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="smollm",
        messages=ask("A room for two guests, please."),
        max_completion_tokens=60,
        temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "booking", "schema": schema}},
    )
    found = json.loads(answer.choices[0].message.content or "")
    assert found["room"] in ("single", "double")
    assert isinstance(found["guests"], int)


def test_llamacpp_stream_never_splits_a_character(client: openai.OpenAI) -> None:
    """The model writes these letters in several tokens each, and no piece has a part of one."""
    words = "مرحبا नमस्ते 👍🏽"
    stream = client.chat.completions.create(
        model="smollm",
        messages=ask(PROMPTS[0]),
        max_completion_tokens=200,
        temperature=0,
        stream=True,
        response_format={"type": "json_schema", "json_schema": {"name": "words", "schema": {"const": words}}},
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert json.loads("".join(pieces)) == words
    assert words in "".join(pieces), "as letters, and not as escapes"
    assert not any("\ufffd" in piece for piece in pieces)
    assert len(pieces) > 3, "it came in pieces"


def test_llamacpp_refuses_a_prompt_longer_than_the_context(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="smollm", messages=ask("room " * 3000))
    assert refused.value.code == "context_length_exceeded"
    assert re.search(r"30\d\d tokens.* 2048", refused.value.message)


def test_spoken_chat_completion_says_what_is_written(client: openai.OpenAI) -> None:
    """Whisper hears what the model wrote."""
    answer = client.chat.completions.create(
        model="smollm",
        messages=ask(PROMPTS[0]),
        max_completion_tokens=TOKENS,
        temperature=0,
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "wav"},
    )
    audio = answer.choices[0].message.audio
    assert audio is not None
    file = b64decode(audio.data)
    assert int.from_bytes(file[40:44], "little") == len(file) - 44, "a whole WAV file says how long it is"
    heard = Judge(fetch(RECOGNISER)).transcribe(*decode(file), "en")
    assert jiwer.wer(_words(audio.transcript), _words(heard)) < 0.2, (audio.transcript, heard)


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))
