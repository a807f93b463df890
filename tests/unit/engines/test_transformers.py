"""The engine with random weights: what it writes is noise, which must be the same noise every way."""

import asyncio
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_model
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.generation.continuous_batching.cache import PagedAttentionCache
from trials import ALL

from tts_app.engines.registry import text_engine
from tts_app.engines.text import (
    ContextLengthError,
    Delta,
    EngineError,
    EngineStoppedError,
    TextRequest,
    TokenLogprob,
)
from tts_app.engines.transformers.answer import Answer
from tts_app.engines.transformers.choice import Choice
from tts_app.engines.transformers.engine import TransformersEngine
from tts_app.engines.transformers.model import LoadedModel, TransformersParameters, load_model
from tts_app.engines.transformers.writing import PAGE, can_batch, start_batching

SEA = TextRequest(prompt="the sea is", max_tokens=12, temperature=0)
CHAT = TextRequest(messages=({"role": "user", "content": "one two"},), max_tokens=4, temperature=0)
LONG = replace(SEA, max_tokens=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module", params=[True, False], ids=["batched", "alone"])
def engine(request: pytest.FixtureRequest, folder: Path) -> Iterator[TransformersEngine]:
    parameters = {"threads": 1, "continuous_batching": request.param}
    engine = TransformersEngine.load(folder, "none", 256, 3, parameters)
    yield engine
    engine.close()


async def written(engine: TransformersEngine, request: TextRequest) -> list[Delta]:
    async with asyncio.timeout(60):
        return [delta async for delta in engine.generate(request)]


def text(deltas: list[Delta], index: int = 0) -> str:
    return "".join(delta.text for delta in deltas if delta.index == index)


async def idle(engine: TransformersEngine) -> None:
    async with asyncio.timeout(60):
        while engine.load_now.running:  # noqa: ASYNC110 - a thread ends by itself
            await asyncio.sleep(0.01)


def test_transformers_is_registered() -> None:
    assert text_engine("transformers") is TransformersEngine
    assert "*.safetensors" in TransformersEngine.hub_patterns("none")
    assert not any(pattern.endswith((".py", ".bin")) for pattern in TransformersEngine.hub_patterns("none"))


def test_transformers_capabilities_are_those_of_the_model(engine: TransformersEngine) -> None:
    capabilities = engine.capabilities
    assert (capabilities.context_length, capabilities.slots, capabilities.logprobs) == (256, 3, 20)
    assert capabilities.chat
    assert capabilities.json
    assert not capabilities.tools


async def test_transformers_writes_what_the_bare_library_writes(
    engine: TransformersEngine, folder: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer(SEA.prompt, return_tensors="pt").input_ids
    model = AutoModelForCausalLM.from_pretrained(folder)
    expected = model.generate(prompt, max_new_tokens=12, do_sample=False)[0, prompt.shape[1] :]
    deltas = await written(engine, SEA)
    assert text(deltas) == tokenizer.decode(expected, skip_special_tokens=True)
    assert sum(delta.tokens for delta in deltas) == len(expected)
    usage = deltas[-1].usage
    assert usage is not None
    assert (usage.prompt, usage.completion) == (prompt.shape[1], len(expected))
    assert [delta.finish for delta in deltas if delta.finish] == ["length"]


async def test_transformers_writes_many_at_once_as_each_alone(engine: TransformersEngine) -> None:
    requests = [
        replace(SEA, prompt=prompt) for prompt in ("the sea", "one two three four", "words of", ".", "is")
    ]
    alone = [text(await written(engine, request)) for request in requests]
    together = await asyncio.gather(*(written(engine, request) for request in requests))
    assert [text(deltas) for deltas in together] == alone
    assert len(set(alone)) == len(alone)


async def test_transformers_applies_the_chat_template(engine: TransformersEngine) -> None:
    parts = replace(CHAT, messages=({"role": "user", "content": [{"type": "text", "text": "one two"}]},))
    raw = replace(CHAT, messages=None, prompt="<s>user: one two<s>assistant:")
    assert text(await written(engine, CHAT)) == text(await written(engine, parts))
    assert text(await written(engine, CHAT)) == text(await written(engine, raw))


async def test_transformers_seeds_reproduce_answers(engine: TransformersEngine) -> None:
    sampled = replace(SEA, temperature=1.0, seed=3)
    first, again, other = [text(await written(engine, replace(sampled, seed=seed))) for seed in (3, 3, -4)]
    beside, *_ = await asyncio.gather(written(engine, sampled), written(engine, LONG), written(engine, LONG))
    assert first == again == text(beside) != other


async def test_transformers_writes_logprobs_requests_beside_the_batch(engine: TransformersEngine) -> None:
    """Both compute on one model at a time: neither disturbs the other."""
    asks = replace(SEA, logprobs=1)
    alone, long = text(await written(engine, asks)), text(await written(engine, LONG))
    for _ in range(3):
        beside = await asyncio.gather(*(written(engine, request) for request in (LONG, asks, asks)))
        assert [text(deltas) for deltas in beside] == [long, alone, alone]


async def test_transformers_writes_several_answers(engine: TransformersEngine) -> None:
    deltas = await written(engine, replace(SEA, temperature=1.0, n=3))
    assert len({text(deltas, index) for index in range(3)}) == 3
    usage = deltas[-1].usage
    assert usage is not None
    assert usage.completion == sum(delta.tokens for delta in deltas)


async def test_transformers_sampling_follows_the_probabilities(engine: TransformersEngine) -> None:
    """Of 60 answers of one token, the most probable one's share is near its probability."""
    (reported,) = [
        t for delta in await written(engine, replace(SEA, max_tokens=1, logprobs=5)) for t in delta.logprobs
    ]
    expected = float(torch.tensor(reported.logprob).exp())
    sampled = replace(SEA, max_tokens=1, temperature=1.0, n=3)
    answers = [
        text(deltas, i) for deltas in [await written(engine, sampled) for _ in range(20)] for i in range(3)
    ]
    share = answers.count(text(await written(engine, replace(SEA, max_tokens=1)))) / len(answers)
    assert abs(share - expected) < 4 * (expected * (1 - expected) / len(answers)) ** 0.5 + 1e-9
    narrow = [text(await written(engine, replace(sampled, n=1, top_p=1e-6))) for _ in range(3)]
    assert set(narrow) == {text(await written(engine, replace(SEA, max_tokens=1)))}


async def test_transformers_stop_string_does_not_leak(engine: TransformersEngine) -> None:
    whole = text(await written(engine, SEA))
    for length in (1, 3):
        stop = whole[4 : 4 + length]
        deltas = await written(engine, replace(SEA, stop=(stop,)))
        assert text(deltas) == whole[: whole.index(stop)]
        assert [delta.finish for delta in deltas if delta.finish] == ["stop"]
        reported = await written(engine, replace(SEA, stop=(stop,), logprobs=0))
        assert text(reported) == text(deltas)
        assert sum(len(delta.logprobs) for delta in reported) < sum(delta.tokens for delta in reported)
    await idle(engine)


async def test_transformers_logprobs_match_the_text(engine: TransformersEngine) -> None:
    deltas = await written(engine, replace(SEA, logprobs=4))
    tokens = [token for delta in deltas for token in delta.logprobs]
    assert len(tokens) == sum(delta.tokens for delta in deltas)
    for token in tokens:
        assert len(token.top) == 4
        assert token.top[0].logprob == token.logprob == max(top.logprob for top in token.top) <= 0
    assert text(deltas) == text(await written(engine, SEA))
    chosen = await written(engine, replace(SEA, logprobs=0))
    assert all(not token.top for delta in chosen for token in delta.logprobs)


async def test_transformers_follows_a_schema(engine: TransformersEngine) -> None:
    """Random weights love white space; the penalty for repeating brings them on."""
    schema = {"enum": [{"a": 1}, {"b": "ع"}]}
    request = replace(SEA, max_tokens=200, schema=schema, frequency_penalty=2.0)
    assert json.loads(text(await written(engine, request))) in schema["enum"]
    assert text(await written(engine, replace(SEA, schema={}))).lstrip().startswith("{")
    reported = [t for delta in await written(engine, replace(request, logprobs=5)) for t in delta.logprobs]
    assert min(len(token.top) for token in reported) < 5, "a schema lets few tokens through"
    assert all(math.isfinite(p.logprob) for token in reported for p in (token, *token.top))


async def test_transformers_ignores_the_sampling_settings_of_the_files(folder: Path, tmp_path: Path) -> None:
    """A penalty of theirs would hold for an answer that is written alone, and not for one in the batch."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    suggested = {"repetition_penalty": 5.0, "no_repeat_ngram_size": 1, "eos_token_id": 2}
    (tmp_path / "generation_config.json").write_text(json.dumps(suggested))
    engine = TransformersEngine.load(tmp_path, "none", 256, 3, {"threads": 1})
    plain = TransformersEngine.load(folder, "none", 256, 3, {"threads": 1})
    greedy = replace(SEA, max_tokens=40)
    try:
        batched, alone = await written(engine, greedy), await written(engine, replace(greedy, logprobs=0))
        assert text(batched) == text(alone) == text(await written(plain, greedy))
    finally:
        engine.close()
        plain.close()


async def test_transformers_penalties_change_the_answer(engine: TransformersEngine) -> None:
    greedy = replace(SEA, max_tokens=60)
    for penalty in ({"frequency_penalty": 2.0}, {"presence_penalty": 2.0}):
        assert text(await written(engine, replace(greedy, **penalty))) != text(await written(engine, greedy))


async def test_transformers_stops_writing_when_the_client_leaves(engine: TransformersEngine) -> None:
    writing = engine.generate(LONG)
    async for delta in writing:
        if delta.tokens:
            break
    (running,) = engine._running
    await writing.aclose()
    await idle(engine)
    assert running.cached_tokens < 40
    load = engine.load_now
    assert (load.running, load.waiting, load.cache) == (0, 0, 0)


async def test_transformers_queue_lets_waiting_clients_leave(engine: TransformersEngine) -> None:
    tasks = [asyncio.create_task(written(engine, LONG)) for _ in range(5)]
    async with asyncio.timeout(30):
        while engine.load_now.waiting < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert engine.load_now.running == 3
    assert 0 < engine.load_now.cache <= 1
    for task in tasks[1:]:
        task.cancel()
    assert text(await tasks[0])
    await asyncio.gather(*tasks, return_exceptions=True)
    await idle(engine)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (TextRequest(), "either messages or a prompt"),
        (TextRequest(prompt=""), "nothing to answer"),
        (TextRequest(messages=()), "nothing to answer"),
        (replace(SEA, max_tokens=0), "max_tokens must be at least 1"),
        (replace(SEA, n=0), "n must be at least 1"),
        (replace(SEA, n=4), "4 answers at a time are too many: this model writes 3"),
        (replace(SEA, logprobs=21), "from 0 to 20"),
        (replace(CHAT, tools=({"type": "function"},)), "cannot call tools"),
        (replace(SEA, schema={"type": "banana"}), "schema cannot be followed"),
        (TextRequest(prompt="\ud83d"), "not valid Unicode"),
        (TextRequest(messages=({"role": "user", "content": [{"type": "image_url"}]},)), "type image_url"),
    ],
)
async def test_transformers_refuses_what_it_cannot_write(
    engine: TransformersEngine, request_: TextRequest, message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        await written(engine, request_)
    await idle(engine)


async def test_transformers_refuses_a_long_prompt_with_both_numbers(engine: TransformersEngine) -> None:
    with pytest.raises(ContextLengthError, match=r"takes \d{3,} tokens.*context has only 256"):
        await written(engine, TextRequest(prompt="xyz" * 200))


async def test_transformers_answer_ends_with_the_context(engine: TransformersEngine) -> None:
    usage = (await written(engine, LONG))[-1].usage
    assert usage is not None
    assert usage.prompt + usage.completion <= 256


@pytest.mark.parametrize("batching", [True, False])
async def test_transformers_close_ends_all_answers_with_an_error(folder: Path, batching: bool) -> None:
    parameters = {"threads": 1, "continuous_batching": batching}
    engine = TransformersEngine.load(folder, "none", 256, 1, parameters)
    tasks = [asyncio.create_task(written(engine, LONG)) for _ in range(3)]
    async with asyncio.timeout(30):
        while engine.load_now.waiting < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    engine.close()
    engine.close()
    for end in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(end, EngineStoppedError)
        assert "closed" in str(end)
    with pytest.raises(EngineStoppedError, match="closed"):
        await written(engine, SEA)


@pytest.mark.parametrize(
    ("words", "stop", "reported"),
    [
        ("the sea END of it", "END", "the sea "),
        ("the sea END", "ENDS", "the sea END"),
        ("a नमस्ते", "म", "a न"),
        ("a नमस्ते", "नम!", "a नमस्ते"),
    ],
)
def test_answer_logprobs_leave_out_a_stop_string(folder: Path, words: str, stop: str, reported: str) -> None:
    """Here they are told of tokens that are the bytes of the text."""
    tokenizer = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    vocabulary = loaded_tokens(folder).token_bytes
    answer = Answer(0, tokenizer, {2}, (stop,), [])
    text, data = "", b""
    for token in [*tokenizer.encode(words).ids, None]:
        tokens, logprobs = (
            ([], []) if token is None else ([token], [TokenLogprob("", -1.0, tuple(vocabulary[token]))])
        )
        delta = answer.take(tokens, token is None, logprobs)
        if delta is not None:
            text += delta.text
            data += b"".join(bytes(item.bytes) for item in delta.logprobs)
            assert text.encode().startswith(data), "nothing is told before its text"
    assert text == data.decode() == reported


def test_choice_logprob_of_a_partial_character_has_its_bytes(folder: Path) -> None:
    loaded = loaded_tokens(folder)
    choice = Choice(replace(SEA, logprobs=0), 0, 0, loaded)
    for token in loaded.tokenizer.encode("a م"):
        choice(torch.zeros((1, 0), dtype=torch.int64), torch.eye(384)[None, token] * 100)
    assert [(item.token, bytes(item.bytes)) for item in choice.logprobs] == [
        ("a", b"a"),
        (" ", b" "),
        ("\\xd9", b"\xd9"),
        ("\\x85", b"\x85"),
    ]


def loaded_tokens(folder: Path) -> LoadedModel:
    """The tokeniser alone, without weights."""
    model = SimpleNamespace(config=AutoConfig.from_pretrained(folder))
    return LoadedModel(model, AutoTokenizer.from_pretrained(folder), TransformersParameters(), frozenset({2}))


async def test_transformers_reports_a_dead_batch_and_frees_each_slot_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TransformersEngine.load(folder, "none", 256, 3, {"threads": 1})
    assert engine.broken is None

    def dies(*_: Any) -> None:
        raise RuntimeError("simulated")

    monkeypatch.setattr(engine._batch, "_generation_step", dies)
    ends = await asyncio.gather(*(written(engine, SEA) for _ in range(4)), return_exceptions=True)
    assert str(ends[0]) == "transformers failed: simulated"
    assert all(isinstance(end, EngineStoppedError) for end in ends), "also who waited for a slot"
    async with asyncio.timeout(10):
        while engine.broken is None:  # noqa: ASYNC110 - the thread tells of it once it has ended all answers
            await asyncio.sleep(0.01)
    assert engine.broken == "transformers failed: simulated"
    for n in (1, 3):
        with pytest.raises(EngineStoppedError, match="simulated"):
            await written(engine, replace(SEA, n=n))
        assert engine.load_now.running == 0
    assert text(await written(engine, replace(SEA, logprobs=0)))
    await idle(engine)
    assert engine.load_now.running == 0
    assert engine.broken is not None
    engine.close()


@pytest.mark.parametrize("pages", [1, 3], ids=["whole", "half_read"])
def test_batching_goes_on_when_a_caller_leaves_while_a_step_is_prepared(
    folder: Path, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    """As on a GPU, by hand and with transformers' own classes: the second step is prepared before the first
    one's tokens are read.
    """
    monkeypatch.setattr(ContinuousBatchingManager, "start", lambda _self: None)
    parameters = {"threads": 1, "batch_tokens": 2 * PAGE}
    manager = start_batching(load_model(folder, "none", 256, parameters), 256, 2)
    batch = manager.batch_processor = manager._create_batch_processor()
    batch.use_async_batching = True
    written: dict[str, list[int]] = {}
    monkeypatch.setattr(
        batch.output_router,
        "deliver_batch",
        lambda outputs: written.update({out.request_id: out.generated_tokens for out in outputs}),
    )
    for name, length in (("stays", 1), ("leaves", pages * PAGE)):
        manager.add_request([3] * length, request_id=name, max_new_tokens=9, streaming=True)
    assert batch.prepare_next_batch()
    manager._generation_step()
    computed = batch.inputs_and_outputs.prepare_batch_update()
    manager.cancel_request("leaves")
    assert batch.prepare_next_batch()
    monkeypatch.setattr(batch.inputs_and_outputs, "prepare_batch_update", lambda: computed)
    batch.update_batch()
    assert {name: len(tokens) for name, tokens in written.items()} == {"stays": 1}
    assert list(batch.scheduler.active_requests) == ["stays"]


async def test_transformers_shares_no_prompt_between_tenants(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, shared = PagedAttentionCache.search_prefix_match, list[int]()

    def note(cache: Any, *given: Any) -> int:
        shared.append(search(cache, *given))
        return shared[-1]

    monkeypatch.setattr(PagedAttentionCache, "search_prefix_match", note)
    engine = TransformersEngine.load(folder, "none", 256, 3, {"threads": 1})
    hotel = TextRequest(prompt="the sea is vast " * 40, max_tokens=2, temperature=0, tenant="hotel")
    plain = [text(await written(engine, hotel)) for _ in range(2)]
    assert shared[-1] >= PAGE, "a tenant uses what was kept of its own"
    shared.clear()
    others = [replace(hotel, tenant="clinic"), hotel, replace(hotel, tenant="clinic"), hotel]
    assert [text(await written(engine, request)) for request in others] == plain * 2
    assert not any(shared)
    engine.close()


async def test_transformers_keeps_nothing_of_a_stopped_answer(folder: Path) -> None:
    engine = TransformersEngine.load(folder, "none", 256, 3, {"threads": 1})
    for _ in range(5):
        writing = engine.generate(LONG)
        await anext(writing)
        await writing.aclose()
    assert await written(engine, SEA)
    router = engine._batch.output_router
    engine.close()
    assert router.output_queue.empty()
    assert not router.result_handlers


def test_can_batch_is_false_for_a_model_on_several_devices() -> None:
    """The cache of continuous batching is on one."""

    def can(*devices: str, **parameters: Any) -> bool:
        model = SimpleNamespace(parameters=lambda: [torch.empty(0, device=device) for device in devices])
        return can_batch(LoadedModel(model, None, TransformersParameters(**parameters), frozenset()))

    assert can("cpu", "cpu")
    assert not can("cpu", "meta", "cpu")
    assert not can("cpu", continuous_batching=False)


@pytest.mark.parametrize("words", ["مرحبا بالعالم", "नमस्ते दुनिया", "👩‍👩‍👧 👍🏽"])
def test_answer_never_cuts_a_character(folder: Path, words: str) -> None:
    """This tokeniser makes a token of each byte: every delta is whole characters, all tokens are counted."""
    tokenizer = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    tokens = tokenizer.encode(words).ids
    assert len(tokens) == len(words.encode())
    answer = Answer(0, tokenizer, {2}, (), tokenizer.encode("the").ids)
    deltas = [answer.take([token]) for token in tokens]
    assert "".join(delta.text for delta in deltas if delta) == words
    assert {len(delta.text) for delta in deltas if delta} <= {0, 1}
    assert answer.tokens == len(tokens)
    cut = Answer(0, tokenizer, {2}, (), [])
    whole = "".join(delta.text for delta in (cut.take([token]) for token in tokens[:-1]) if delta)
    last = cut.take([], ended=True)
    assert whole == words[:-1]
    assert last is not None
    assert (last.text, last.finish) == ("", "length")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"temperature": 1}, "temperature: Extra inputs are not permitted. It has: device_map, dtype"),
        ({"threads": 0}, "threads: Input should be greater than or equal to 1"),
        ({"dtype": "int3"}, "dtype: Input should be"),
        ({"compile": "yes"}, "compile: Input should be a valid boolean"),
    ],
)
def test_transformers_refuses_wrong_parameters_by_name(
    folder: Path, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        TransformersEngine.load(folder, "none", 256, 1, parameters)


def test_transformers_names_files_that_it_cannot_load(folder: Path, tmp_path: Path) -> None:
    def refused(files: Path, quantization: str, message: str, context: int = 256) -> None:
        with pytest.raises(EngineError, match=message):
            TransformersEngine.load(files, quantization, context, 1, {})

    refused(tmp_path, "none", r"neither config\.json nor a GGUF file\.")
    refused(tmp_path / "none", "none", "holds neither config")
    refused(folder, "none", "context of 512 tokens: contextLength 513", context=513)
    refused(folder, "gptq-int4", "is not quantised")
    if not torch.cuda.is_available():
        refused(folder, "int4", "int4 runs on a GPU only")
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    refused(copy, "none", "cannot load")
    config = json.loads((copy / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (copy / "config.json").write_text(json.dumps(config))
    refused(copy, "none", "set quantization: gptq-int4")
    (copy / "config.json").write_text("{")
    refused(copy, "none", r"config\.json is damaged")


@pytest.mark.parametrize("compiled", [False, True] if ALL else [False])
async def test_transformers_writes_with_a_gptq_model(
    folder: Path, tmp_path: Path, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small weights, quantised here by gptqmodel, without a GPU.

    What is fastest is compiled for minutes; the kernel that is not is told to leave torch.compile alone too.
    """
    if not compiled:
        monkeypatch.setenv("TORCHDYNAMO_DISABLE", "1")
    backend = None if compiled else "gptq_torch"
    quantised = tiny_model.quantise(folder, tmp_path / "quantised")
    size = (quantised / "model.safetensors").stat().st_size
    assert size < (folder / "model.safetensors").stat().st_size
    engine = TransformersEngine.load(quantised, "gptq-int4", 256, 2, {"threads": 1, "gptq_backend": backend})
    together = await asyncio.gather(written(engine, SEA), written(engine, replace(SEA, logprobs=1)))
    assert text(together[0]) == text(together[1])
    assert sum(delta.tokens for delta in together[0]) > 0
    engine.close()
    with pytest.raises(EngineError, match="set quantization: gptq-int4"):
        TransformersEngine.load(quantised, "none", 256, 2, {})


async def test_transformers_writes_with_int8(folder: Path) -> None:
    engine = TransformersEngine.load(folder, "int8", 256, 2, {"threads": 1})
    kind = type(engine._loaded.model.model.layers[0].self_attn.q_proj.weight)  # type: ignore[union-attr]
    assert "Int8" in kind.__name__
    assert sum(delta.tokens for delta in await written(engine, SEA)) > 0
    engine.close()
