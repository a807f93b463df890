"""Text over HTTP from a simulated engine on real replicas, as OpenAI's client asks for it."""

import asyncio
import io
import re
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import av
import httpx
import openai
import pytest
import simulated_text
from metrics_page import Scrape, documented

from tts_app.manifests import load_voice_models
from tts_app.resources import TextModel

CONTEXT = 2000
REPLICAS = 2
SLOTS = 3
QUEUE = 8


PARAMETERS = {"writer": {"step": 0.02}, "slow": {"load_until": "loaded"}}
"""Of the simulated engine, by model."""


def text_model(name: str, folder: Path, replicas: int) -> TextModel:
    return TextModel.model_validate(
        {
            "metadata": {"name": name},
            "spec": {
                "engine": "llamacpp",
                "source": {"uri": f"file://{folder}"},
                "license": {"spdx": "Apache-2.0", "commercialUse": True},
                "contextLength": CONTEXT,
                "replicas": {"min": replicas, "max": replicas, "targetOngoingRequests": SLOTS},
            },
        }
    )


@pytest.fixture(scope="module")
def writer(playground: Any) -> Iterator[Any]:
    """The playground with a model that writes beside the one that speaks, and one that takes long to load."""
    folder = playground.folder / "simulated"
    folder.mkdir()
    simulated = partial(simulated_text.config, parameters=PARAMETERS)
    with playground.serving(text_model("writer", folder, REPLICAS), simulated):
        yield playground


@pytest.fixture
def go_on(writer: Any) -> Iterator[Path]:
    """The file that ends the pause which a prompt asks for; there is none yet."""
    file: Path = writer.folder / "simulated" / simulated_text.GO_ON
    yield file
    file.unlink(missing_ok=True)


@pytest.fixture
def client(writer: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{writer.url}/v1", api_key="none needed", max_retries=0, timeout=60)


def ask(content: str = "Hello there.") -> Any:
    return [{"role": "user", "content": content}]


def test_chat_completion_matches_the_answer_of_the_engine(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="writer", messages=ask(), max_completion_tokens=60)
    (choice,) = answer.choices
    assert choice.message.content == simulated_text.whole(60)
    assert choice.finish_reason == "length"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 60)


def test_chat_completion_stream_arrives_while_it_is_written(client: openai.OpenAI, go_on: Path) -> None:
    stream = client.chat.completions.create(
        model="writer",
        messages=ask("Make a pause."),
        max_completion_tokens=60,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks, text, before = [], "", simulated_text.whole(simulated_text.PAUSE)
    for chunk in stream:
        chunks.append(chunk)
        text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        if text == before:  # all that is written before the pause is here, and the pause is not over
            go_on.touch()
    assert text == simulated_text.whole(60)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 60


def test_completions_of_many_callers_on_two_replicas_are_not_mixed_up(client: openai.OpenAI) -> None:
    def one(number: int) -> str:
        tokens = 20 + number
        stream = client.completions.create(
            model="writer", prompt="a " * (number + 1), max_tokens=tokens, n=2, stream=True
        )
        texts = {0: "", 1: ""}
        for chunk in stream:
            for choice in chunk.choices:
                texts[choice.index] += choice.text
        assert texts == dict.fromkeys((0, 1), simulated_text.whole(tokens))
        return texts[0]

    with ThreadPoolExecutor(12) as pool:
        assert len(list(pool.map(one, range(12)))) == 12


def test_chat_completions_answer_a_flood_with_200_or_429(writer: Any) -> None:
    body = {"model": "writer", "messages": ask(), "max_tokens": 40}
    with (
        httpx.Client(base_url=writer.url, timeout=60, limits=httpx.Limits(max_connections=40)) as client,
        ThreadPoolExecutor(40) as pool,
    ):
        answers = list(pool.map(lambda _: client.post("/v1/chat/completions", json=body), range(40)))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}, statuses
    assert statuses[200] >= REPLICAS * SLOTS + QUEUE
    for answer in answers:
        if answer.status_code == 429:
            assert 1 <= int(answer.headers["retry-after"]) <= 600
            assert answer.json()["error"]["type"] == "rate_limit_error"
    writer.wait_idle("writer")


def ended(playground: Any) -> list[dict[str, Any]]:
    return [line for line in playground.logs("text-writer") if line["event"] == "answer ended"]


def left(playground: Any) -> int:
    """How many callers the gateway has logged who left before there was an answer."""
    return sum(line["event"] == "request" and line["status"] == 499 for line in playground.logs("gateway"))


def wait_until(what: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def test_chat_completion_stops_when_the_caller_leaves(writer: Any, client: openai.OpenAI) -> None:
    before = len(ended(writer))
    stream = client.chat.completions.create(
        model="writer", messages=ask(), max_completion_tokens=1500, stream=True
    )
    pieces = iter(stream)
    next(pieces)
    writer.wait_load("writer", (1, 0))
    stream.close()
    writer.wait_idle("writer")
    wait_until(lambda: len(ended(writer)) > before, "the replica goes on")
    (line,) = ended(writer)[before:]
    assert line["reason"] == "abort"
    assert 1 <= line["tokens"] < 1500, "tokens are counted, and most were never written"


async def test_chat_completion_frees_the_place_of_a_caller_who_leaves_before_the_answer(writer: Any) -> None:
    """Also one who waits in line, and one whose answer is not streamed."""
    body = {"model": "writer", "messages": ask("Make a pause."), "max_tokens": 60}  # and it never ends
    running = REPLICAS * SLOTS
    async with httpx.AsyncClient(base_url=writer.url, timeout=120) as client:

        def call(count: int) -> list[asyncio.Task[httpx.Response]]:
            return [asyncio.create_task(client.post("/v1/chat/completions", json=body)) for _ in range(count)]

        async def leave(callers: list[asyncio.Task[httpx.Response]]) -> None:
            for caller in callers:
                assert caller.cancel(), "there was an answer"
            await asyncio.gather(*callers, return_exceptions=True)

        async def settled(load: tuple[int, int]) -> None:
            await asyncio.to_thread(writer.wait_load, "writer", load)

        await settled((0, 0))
        before, left_before = len(ended(writer)), left(writer)
        served = call(running)
        await settled((running, 0))
        waiting = call(2)
        await settled((running, 2))
        await leave(waiting)
        await settled((running, 0))
        await leave(served)
        await settled((0, 0))
        wait_until(lambda: left(writer) >= left_before + running + 2, "not all are logged as having left")
        assert {line["reason"] for line in ended(writer)[before:]} <= {"abort"}, "none is written to its end"
        body["messages"] = ask()
        answers = await asyncio.gather(*call(running))  # where a replica went on, it would have no room
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"model": "nobody"}, "model", "unknown_model"),
        ({"model": "kokoro"}, "model", "unknown_model"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter"),
        (
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            "tools",
            "unsupported_parameter",
        ),
        ({"messages": ask("word " * CONTEXT)}, None, "context_length_exceeded"),
    ],
)
def test_chat_completion_refuses_bad_requests_with_param_and_code(
    client: openai.OpenAI, change: dict[str, Any], param: str | None, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**({"model": "writer", "messages": ask()} | change))
    assert (refused.value.param, refused.value.code) == (param, code)


def test_chat_completion_stream_ends_with_the_error_of_the_engine(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError) as broken:  # by `create` itself, where it overtakes the first word
        list(
            client.chat.completions.create(
                model="writer", messages=ask("break"), max_completion_tokens=20, stream=True
            )
        )
    assert broken.value.code == "internal_error"
    answer = client.chat.completions.create(model="writer", messages=ask(), max_completion_tokens=5)
    assert answer.choices[0].message.content == simulated_text.whole(5)


def test_text_engine_crash_affects_no_other_model(writer: Any, client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as lost:
        client.chat.completions.create(model="writer", messages=ask("crash"))
    assert lost.value.status_code == 503
    assert int(lost.value.response.headers["retry-after"]) > 0
    spoken = client.audio.speech.create(model="tts-1", voice="alloy", input="Still here.")
    assert len(spoken.content) > 1000
    writer.wait_for(["kokoro", "writer"])
    answer = client.chat.completions.create(model="writer", messages=ask(), max_completion_tokens=5)
    assert answer.choices[0].message.content == simulated_text.whole(5)


def seconds(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def test_chat_completion_is_spoken_while_it_is_written(client: openai.OpenAI, go_on: Path) -> None:
    stream = client.chat.completions.create(
        model="writer",
        messages=ask("Make a pause."),
        max_completion_tokens=16,
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "mp3"},
        stream=True,
        stream_options={"include_usage": True},
    )
    reported, pieces = [], []
    for audio in (choice.delta.audio for chunk in stream for choice in chunk.choices):
        if audio:
            reported.append(audio)
            pieces += [b64decode(audio.data)] if audio.data else []
        if pieces:  # something is spoken, and the rest is not written yet
            go_on.touch()
    spoken, transcript = b"".join(pieces), "".join(audio.transcript or "" for audio in reported)
    assert transcript == simulated_text.whole(16)
    assert reported[-1].expires_at is not None
    assert 4 < seconds(spoken) < 30
    whole = client.chat.completions.create(
        model="writer",
        messages=ask(),
        max_completion_tokens=16,
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "mp3"},
    )
    message = whole.choices[0].message
    assert message.content is None
    assert message.audio is not None
    assert message.audio.transcript == transcript
    assert abs(seconds(b64decode(message.audio.data)) - seconds(spoken)) < 1


def test_text_model_reports_that_it_is_loading(writer: Any) -> None:
    (kokoro,) = load_voice_models(())
    folder = writer.folder / "simulated"
    models = [
        kokoro,
        text_model("writer", folder, REPLICAS),
        text_model("slow", folder, 1),
    ]
    writer.apply(simulated_text.config(writer.config(models), PARAMETERS))
    body = {"model": "slow", "messages": ask(), "max_tokens": 3}
    deadline = time.monotonic() + 30
    while True:
        answer = httpx.post(f"{writer.url}/v1/chat/completions", json=body, timeout=60)
        # It is unknown at first, and a busy Serve may not say what it does.
        if answer.status_code != 400 and "does not say" not in answer.text:
            break
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    error = answer.json()["error"]
    assert error["code"] == "model_unavailable"
    assert "still being loaded" in error["message"]
    others = httpx.post(f"{writer.url}/v1/chat/completions", json=body | {"model": "writer"}, timeout=60)
    assert others.status_code == 200
    (folder / "loaded").touch()
    writer.wait_for(["kokoro", "slow", "writer"])
    assert httpx.post(f"{writer.url}/v1/chat/completions", json=body, timeout=60).status_code == 200


def test_text_metrics_have_the_names_of_vllm(writer: Any, client: openai.OpenAI) -> None:
    client.chat.completions.create(model="writer", messages=ask(), max_completion_tokens=5)
    missing = {
        "vllm_time_to_first_token_seconds_bucket",
        "vllm_inter_token_latency_seconds_bucket",
        "vllm_prompt_tokens_total",
        "vllm_generation_tokens_total",
        "vllm_num_requests_running",
        "vllm_num_requests_waiting",
        "vllm_kv_cache_usage_perc",
        "vllm_request_success_total",
        "ttsp_text_first_token_seconds_bucket",
        "ttsp_text_request_seconds_bucket",
        "ttsp_text_requests_total",
        "ttsp_queue_running",
    }
    deadline = time.monotonic() + 60
    while True:
        text = httpx.get(f"{writer.metrics}/metrics", timeout=30).text
        # Ray exports a gauge only after it was set: what was seen once is not looked for again.
        missing -= {name for name in missing if re.search(rf"^ray_{name}\{{", text, re.MULTILINE)}
        if not missing and re.search(r'vllm_generation_tokens_total\{.*model_name="writer".*\} [1-9]', text):
            break
        assert time.monotonic() < deadline, f"not exported: {missing}"
        time.sleep(1)
    page = documented()
    for name, metric in Scrape([text]).metrics.items():
        assert (metric.type, metric.labels) == (page[name].type, page[name].labels), name


def test_logs_contain_no_text(writer: Any, client: openai.OpenAI) -> None:
    client.chat.completions.create(model="writer", messages=ask("xylophone"), max_completion_tokens=5)
    logs = (writer.folder / "state" / "logs").glob("*.jsonl")
    assert not any("xylophone" in path.read_text() or "harbour" in path.read_text() for path in logs)
