"""The engine with the embedded model. One core a call: what is tested is what it says, not how fast."""

import asyncio
import json
import shutil
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tts_app.engines.gguf import find_gguf
from tts_app.engines.llamacpp.engine import LlamaCppEngine
from tts_app.engines.llamacpp.server import _start, read_parameters, start_server
from tts_app.engines.registry import text_engine
from tts_app.engines.text import (
    ContextLengthError,
    Delta,
    EngineError,
    EngineStoppedError,
    TextRequest,
    UnreadableAnswerError,
)

ONE_CORE = {"n_threads": 1, "n_batch": 64, "n_ubatch": 64}
SEA = TextRequest(
    messages=({"role": "user", "content": "Write one short sentence about the sea."},),
    max_tokens=6,
    temperature=0,
)
CALLS = (
    "{% for tool in tools or [] %}{{ tool | tojson }} {% endfor %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    '{% for call in m.tool_calls or [] %}The{"name": "{{ call.function.name }}", "arguments": '
    "{{ call.function.arguments | tojson }}}Z{% endfor %}{{ m.content or '' }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""A template in which a call of a tool begins with a word that the model begins its answers with."""
IMAGE = {"type": "image_url", "image_url": {"url": "x"}}
STORY = TextRequest(prompt="Once upon a time", max_tokens=400, temperature=0)
COUNTING = TextRequest(
    prompt="one two three four five six seven eight nine ten one two three four", temperature=0
)


@pytest.fixture(scope="module")
def engine(smollm: Path) -> Iterator[LlamaCppEngine]:
    engine = LlamaCppEngine.load(smollm, "none", 512, 2, ONE_CORE)
    yield engine
    engine.close()


async def written(engine: LlamaCppEngine, request: TextRequest) -> list[Delta]:
    async with asyncio.timeout(120):
        return [delta async for delta in engine.generate(request)]


def text(deltas: list[Delta], index: int = 0) -> str:
    return "".join(delta.text for delta in deltas if delta.index == index)


async def idle(engine: LlamaCppEngine) -> None:
    async with asyncio.timeout(60):
        while engine.load_now.running:  # noqa: ASYNC110 - llama.cpp's thread ends by itself
            await asyncio.sleep(0.01)


def bare(engine: LlamaCppEngine, request: dict[str, Any]) -> list[str]:
    """What llama.cpp itself writes, a string a token."""
    pieces: list[str] = []

    def take(chunk: dict[str, Any]) -> bool:
        pieces.extend(choice["delta"].get("content") or "" for choice in chunk["choices"])
        return False

    engine._server.handle_chat_completions(request | {"stream": True}, take)
    return [piece for piece in pieces if piece]


def test_llamacpp_is_registered() -> None:
    assert text_engine("llamacpp") is LlamaCppEngine
    assert LlamaCppEngine.hub_patterns("none") == ["*.gguf"]


def test_llamacpp_capabilities_are_those_of_the_model(engine: LlamaCppEngine) -> None:
    capabilities = engine.capabilities
    assert (capabilities.context_length, capabilities.slots, capabilities.logprobs) == (512, 2, 20)
    assert capabilities.chat
    assert capabilities.json
    assert not capabilities.tools


async def test_llamacpp_writes_what_llama_cpp_writes(engine: LlamaCppEngine) -> None:
    deltas = await written(engine, SEA)
    expected = bare(engine, {"messages": list(SEA.messages or ()), "max_tokens": 6, "temperature": 0})
    assert text(deltas) == "".join(expected)
    assert sum(delta.tokens for delta in deltas) == len(expected) == 6
    assert [delta.finish for delta in deltas if delta.finish] == ["length"]
    usage = deltas[-1].usage
    assert usage is not None
    assert (usage.prompt, usage.completion) == (38, 6)
    assert all(delta.usage is None for delta in deltas[:-1])


async def test_llamacpp_does_not_read_a_prompt_again(engine: LlamaCppEngine) -> None:
    await written(engine, SEA)
    usage = (await written(engine, SEA))[-1].usage
    assert usage is not None
    assert usage.cached == usage.prompt - 1


async def test_llamacpp_uses_no_prompt_of_another_tenant(smollm: Path) -> None:
    engine = LlamaCppEngine.load(smollm, "none", 512, 2, ONE_CORE)

    async def cached(tenant: str | None) -> int:
        usage = (await written(engine, replace(SEA, tenant=tenant)))[-1].usage
        assert usage is not None
        return usage.cached

    assert [await cached("hotel"), await cached("hotel")] == [0, 37], "it uses its own"
    assert [await cached(tenant) for tenant in ("clinic", "hotel", "hotel", "clinic", None)] == [0] * 5
    engine.close()


async def test_llamacpp_ends_by_itself_when_a_schema_is_filled(engine: LlamaCppEngine) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"const": 1}},
        "required": ["a"],
        "additionalProperties": False,
    }
    deltas = await written(engine, replace(SEA, max_tokens=60, schema=schema))
    assert json.loads(text(deltas)) == {"a": 1}
    assert [delta.finish for delta in deltas if delta.finish] == ["stop"]


async def test_llamacpp_writes_json_without_a_schema(engine: LlamaCppEngine) -> None:
    assert text(await written(engine, replace(SEA, max_tokens=14, schema={}))).lstrip().startswith("{")
    prompt = TextRequest(prompt="A cat:", max_tokens=14, temperature=0, schema={})
    assert text(await written(engine, prompt)).lstrip().startswith("{")


async def test_llamacpp_writes_several_answers(engine: LlamaCppEngine) -> None:
    deltas = await written(engine, replace(SEA, n=2, temperature=1.5, seed=1))
    assert text(deltas, 0) != text(deltas, 1)
    assert sorted(delta.index for delta in deltas if delta.finish) == [0, 1]
    usage = deltas[-1].usage
    assert usage is not None
    assert usage.completion == sum(delta.tokens for delta in deltas) == 12


async def test_llamacpp_seeds_reproduce_answers(engine: LlamaCppEngine) -> None:
    first, again, other = [
        text(await written(engine, replace(SEA, temperature=1.5, seed=seed))) for seed in (5, 5, -6)
    ]
    assert first == again != other


@pytest.mark.parametrize("stop", ["four", "ur", "e s", " fo"])
async def test_llamacpp_stop_string_does_not_leak(engine: LlamaCppEngine, stop: str) -> None:
    """In the counting that goes on, each stands within a token or across two."""
    whole = text(await written(engine, replace(COUNTING, max_tokens=14)))
    assert stop in whole
    deltas = await written(engine, replace(COUNTING, max_tokens=14, stop=(stop,)))
    assert text(deltas) == whole[: whole.index(stop)]
    assert [delta.finish for delta in deltas if delta.finish] == ["stop"]


async def test_llamacpp_logprobs_match_the_text(engine: LlamaCppEngine) -> None:
    deltas = await written(engine, replace(SEA, max_tokens=3, logprobs=4))
    tokens = [token for delta in deltas for token in delta.logprobs]
    assert "".join(token.token for token in tokens) == text(deltas)
    for token in tokens:
        assert bytes(token.bytes).decode() == token.token
        assert len(token.top) == 4
        assert token.top[0].logprob == token.logprob == max(top.logprob for top in token.top) <= 0
    assert all(not token.top for d in await written(engine, replace(SEA, logprobs=0)) for token in d.logprobs)
    prompt = await written(engine, TextRequest(prompt="The sea", max_tokens=2, temperature=0, logprobs=1))
    assert len([token for delta in prompt for token in delta.logprobs]) == 2
    assert not any(delta.logprobs for delta in await written(engine, SEA))


@pytest.mark.parametrize(
    ("stop", "whole", "reported"),
    [
        ("eight nine", " five six seven ", " five six seven"),
        ("ight ni", " five six seven e", " five six seven"),
        (" eight", " five six seven", " five six seven"),
        ("eight ninx", " five six seven eight nine one two", " five six seven eight nine one two"),
        ("zzz", " five six seven eight nine one two", " five six seven eight nine one two"),
    ],
)
async def test_llamacpp_logprobs_leave_out_a_stop_string(
    engine: LlamaCppEngine, stop: str, whole: str, reported: str
) -> None:
    deltas = await written(engine, replace(COUNTING, max_tokens=7, stop=(stop,), logprobs=2))
    assert text(deltas) == whole
    tokens = [token for delta in deltas for token in delta.logprobs]
    assert "".join(token.token for token in tokens) == reported
    assert all(token.token for token in tokens)


def tool(name: str) -> dict[str, Any]:
    x = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    return {"type": "function", "function": {"name": name, "parameters": x}}


@pytest.fixture(scope="module")
def caller(smollm: Path) -> Iterator[LlamaCppEngine]:
    engine = LlamaCppEngine.load(smollm, "none", 512, 1, ONE_CORE | {"chat_template": CALLS, "min_p": 0.0})
    yield engine
    engine.close()


async def test_llamacpp_calls_the_named_tool(caller: LlamaCppEngine) -> None:
    assert caller.capabilities.tools
    asks = replace(SEA, max_tokens=60, tools=(tool("weather"), tool("clock")))
    for name in ("clock", "weather"):
        named = replace(asks, tool_choice={"type": "function", "function": {"name": name}})
        calls = [call for delta in await written(caller, named) for call in delta.tool_calls]
        names = [call["function"]["name"] for call in calls if "name" in call["function"]]
        assert names
        assert set(names) == {name}


async def test_llamacpp_refuses_tools_with_logprobs(caller: LlamaCppEngine) -> None:
    with pytest.raises(EngineError, match="gives no probabilities together with tools"):
        await written(caller, replace(SEA, tools=(tool("weather"),), logprobs=0))


async def test_llamacpp_reports_an_unreadable_tool_call(caller: LlamaCppEngine) -> None:
    """Of answers as wild as these some hold the word that a call begins with, and no call."""
    story = ({"role": "user", "content": "Tell me a story about The weather."},)
    wild = TextRequest(messages=story, max_tokens=80, temperature=1.8, tools=(tool("weather"),))
    for seed in range(40):
        try:
            await written(caller, replace(wild, seed=seed))
        except EngineError as error:
            assert isinstance(error, UnreadableAnswerError)
            assert "does not match the expected" in str(error)
            return
    pytest.fail("no call was broken")


@pytest.mark.parametrize("words", ["مرحبا بالعالم", "नमस्ते दुनिया", "👩‍👩‍👧 👍🏽"])
async def test_llamacpp_never_cuts_a_character(engine: LlamaCppEngine, words: str) -> None:
    """Held to a string whose characters are mostly several tokens: deltas are whole ones, tokens counted."""
    deltas = await written(engine, replace(SEA, max_tokens=80, schema={"const": words}))
    assert json.loads(text(deltas)) == words
    usage = deltas[-1].usage
    assert usage is not None
    assert sum(delta.tokens for delta in deltas) == usage.completion > len(words)


async def test_llamacpp_stops_writing_when_the_client_leaves(engine: LlamaCppEngine) -> None:
    writing = engine.generate(STORY)
    async for delta in writing:
        if delta.tokens:
            break
    (answer,) = engine._running
    await writing.aclose()
    await idle(engine)
    assert answer.cached_tokens < 4 + 10  # the prompt, and a few tokens of the 400


async def test_llamacpp_stops_reading_a_prompt_when_the_client_leaves(engine: LlamaCppEngine) -> None:
    writing = asyncio.create_task(written(engine, TextRequest(prompt="word " * 450, temperature=0)))
    while not engine._running:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    (answer,) = engine._running
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await idle(engine)
    assert answer.cached_tokens < 450


async def test_llamacpp_queue_keeps_its_order_when_a_client_leaves(engine: LlamaCppEngine) -> None:
    done: list[str] = []

    async def write(name: str) -> None:
        await written(engine, replace(STORY, max_tokens=16))
        done.append(name)

    tasks = [asyncio.create_task(write(name)) for name in "abcde"]
    async with asyncio.timeout(60):
        while engine.load_now.waiting < 3:  # noqa: ASYNC110 - a number has no event
            await asyncio.sleep(0)
    load = engine.load_now
    assert (load.running, load.waiting) == (2, 3)
    tasks[3].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(done[:2]) == ["a", "b"]
    assert sorted(done) == ["a", "b", "c", "e"]
    load = engine.load_now
    assert (load.running, load.waiting, load.cache) == (0, 0, 0)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (TextRequest(), "either messages or a prompt"),
        (
            TextRequest(messages=({"role": "user", "content": "a"},), prompt="a"),
            "either messages or a prompt",
        ),
        (TextRequest(messages=()), "nothing to answer"),
        (TextRequest(prompt=""), "nothing to answer"),
        (replace(SEA, max_tokens=0), "max_tokens must be at least 1"),
        (replace(SEA, n=0), "n must be at least 1"),
        (replace(SEA, n=3), "3 answers at a time are too many: this model writes 2"),
        (replace(SEA, logprobs=21), "from 0 to 20"),
        (replace(SEA, tools=({"type": "function"},)), "no place for tools"),
        (TextRequest(prompt="a", tools=({"type": "function"},)), "Tools are for messages"),
        (replace(SEA, schema={"type": "banana"}), "unrecognized type banana"),
        (replace(SEA, schema={"$ref": "#/nowhere"}), "nowhere"),
        (
            replace(SEA, schema={"anyOf": [{"type": "string", "pattern": "a+"}]}),
            "from \\^ to \\$, and not 'a\\+'",
        ),
        (TextRequest(prompt="\ud83d"), "not valid Unicode"),
        (TextRequest(messages=({"role": "user", "content": {"a"}},)), "as JSON"),
        (TextRequest(messages=({"content": "no role"},)), "role"),
        (
            TextRequest(
                messages=({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},)
            ),
            "image",
        ),
    ],
)
async def test_llamacpp_refuses_what_it_cannot_write(
    engine: LlamaCppEngine, request_: TextRequest, message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        await written(engine, request_)
    await idle(engine)


async def test_llamacpp_refuses_a_long_prompt_with_both_numbers(engine: LlamaCppEngine) -> None:
    with pytest.raises(ContextLengthError, match=r"takes 6\d\d tokens.*context has only 512"):
        await written(engine, TextRequest(prompt="word " * 600))


async def test_llamacpp_gives_each_answer_the_whole_context(engine: LlamaCppEngine) -> None:
    """Two at a time, 500 tokens each: an answer that reaches the end of the context ends there."""
    request = TextRequest(prompt="word " * 500, temperature=0)
    for deltas in await asyncio.gather(written(engine, request), written(engine, request)):
        usage = deltas[-1].usage
        assert usage is not None
        assert usage.prompt + usage.completion in (512, 513)
        assert [delta.finish for delta in deltas if delta.finish] == ["length"]


async def test_llamacpp_close_ends_all_answers_with_an_error(smollm: Path) -> None:
    engine = LlamaCppEngine.load(smollm, "none", 256, 1, ONE_CORE)

    async def stopped() -> None:
        with pytest.raises(EngineStoppedError, match="closed"):
            await written(engine, STORY)

    writing = [asyncio.create_task(stopped()) for _ in range(3)]
    while not engine._running:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    engine.close()
    engine.close()
    await asyncio.gather(*writing)
    await stopped()
    assert engine.load_now.running == engine.load_now.waiting == 0


def test_llamacpp_server_opens_no_port_and_requires_its_key(smollm: Path, tmp_path: Path) -> None:
    def listening() -> set[int]:
        return {
            c.laddr.port for c in psutil.Process().net_connections("tcp") if c.status == psutil.CONN_LISTEN
        }

    before = listening()
    socket = tmp_path / "s.sock"
    server = _start(find_gguf(smollm), 256, 1, read_parameters(ONE_CORE), socket, "the key")
    assert listening() == before
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://llama") as client:
        for path in ("/props", "/v1/models", "/slots", "/metrics"):
            assert client.get(path).status_code == 401
        body = {"prompt": "a", "max_tokens": 1}
        assert client.post("/v1/completions", json=body).status_code == 401
        wrong = client.post("/v1/completions", json=body, headers={"Authorization": "Bearer a key"})
        assert wrong.status_code == 401
        right = client.post("/v1/completions", json=body, headers={"Authorization": "Bearer the key"})
        assert right.status_code == 200
    del server


def test_llamacpp_without_a_chat_template_only_continues_prompts(smollm: Path, tmp_path: Path) -> None:
    """The same weights, with the template's key renamed."""
    key = b"tokenizer.chat_template"
    content = find_gguf(smollm).read_bytes()
    assert content.count(struct.pack("<Q", len(key)) + key) == 1
    (tmp_path / "plain.gguf").write_bytes(content.replace(key, b"tokenizer.chat_templat_"))
    engine = LlamaCppEngine.load(tmp_path, "none", 256, 1, ONE_CORE)
    assert not engine.capabilities.chat
    with pytest.raises(EngineError, match="no chat template"):
        asyncio.run(written(engine, SEA))
    engine.close()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"threads": 2}, "threads: Extra inputs are not permitted. It has: n_threads, n_batch"),
        ({"n_threads": 0}, "n_threads: Input should be greater than or equal to 1"),
        ({"n_batch": "many"}, "n_batch: Input should be a valid integer"),
        ({"flash_attn": "perhaps"}, "flash_attn: Input should be 'auto', 'on' or 'off'"),
        ({"cache_type_k": "q2"}, "cache_type_k"),
    ],
)
def test_llamacpp_refuses_wrong_parameters_by_name(
    smollm: Path, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        LlamaCppEngine.load(smollm, "none", 256, 1, parameters)


def test_llamacpp_refuses_a_context_longer_than_the_model_has(smollm: Path) -> None:
    with pytest.raises(EngineError, match="trained on a context of 8192 tokens: contextLength 8193"):
        start_server(smollm, 8193, 1, {})
    with pytest.raises(EngineError, match="quantization is none, not int8"):
        LlamaCppEngine.load(smollm, "int8", 256, 1, {})


def test_llamacpp_refuses_a_damaged_file(smollm: Path, tmp_path: Path) -> None:
    whole = find_gguf(smollm)
    with whole.open("rb") as source, (tmp_path / "model.gguf").open("wb") as cut:
        shutil.copyfileobj(source, cut)
        cut.truncate(50_000_000)
    with pytest.raises(EngineError, match=r"cannot load .*it is damaged"):
        LlamaCppEngine.load(tmp_path, "none", 256, 1, ONE_CORE)


def test_llamacpp_accepts_its_settings(smollm: Path) -> None:
    parameters = ONE_CORE | {"flash_attn": "on", "cache_type_k": "q8_0", "cache_type_v": "q8_0", "top_k": 0}
    engine = LlamaCppEngine.load(find_gguf(smollm), "none", 256, 1, parameters)
    assert len(text(asyncio.run(written(engine, replace(SEA, max_tokens=2))))) > 0
    engine.close()
