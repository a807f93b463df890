"""vLLM's adapter without vLLM: its config by Ray's own classes, its answers from a simulated LLM server."""

import asyncio
import json
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tts_app.engines.text import (
    ContextLengthError,
    Delta,
    EngineError,
    EngineStoppedError,
    TextCapabilities,
    TextRequest,
    TokenLogprob,
    Usage,
)
from tts_app.engines.vllm.engine import LOGPROBS, VllmEngine, _capabilities, body_for_vllm, llm_config
from tts_app.resources import TextModel
from tts_app.serve_config import serve_config

HELLO = TextRequest(messages=({"role": "user", "content": "Hello"},), max_tokens=8)


def checkpoint(folder: Path, method: str | None = None) -> Path:
    config = {"model_type": "llama"} | ({"quantization_config": {"quant_method": method}} if method else {})
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def config_of(folder, quantization="none", parameters=None, bundles=None):
    return llm_config("big", folder, quantization, 8192, 64, parameters or {}, bundles)


class TestConfig:
    """What Ray is told."""

    def test_llm_config_is_accepted_by_the_classes_of_ray(self, tmp_path):
        from ray.llm._internal.common.placement import PlacementGroupConfig
        from ray.llm._internal.serve.core.configs.llm_config import LLMConfig

        resources = {"cpu": "16", "memory": "128Gi", "gpu": "8"}
        spec = {
            "engine": "vllm",
            "source": {"uri": "pvc://models/big"},
            "license": {"spdx": "MIT", "commercialUse": True},
            "resources": resources,
            "parameters": {"nodes": 2, "gpu_memory_utilization": 0.92, "tool_call_parser": "hermes"},
        }
        model = TextModel.model_validate({"metadata": {"name": "big"}, "spec": spec})
        app = serve_config([model], placement={"big": "big-1"})["applications"][1]
        args, (deployment,) = app["args"], app["deployments"]
        bundles = deployment["placement_group_bundles"]
        found = LLMConfig(
            **llm_config(
                args["model"],
                checkpoint(tmp_path),
                args["quantization"],
                args["context_length"],
                args["slots"],
                args["parameters"],
                bundles,
            )
        )
        assert found.model_id == "big"
        assert found.model_loading_config.model_source == str(tmp_path)
        assert found.max_request_context_length == args["context_length"]
        assert found.accelerator_config.kind == "gpu"
        assert found.log_engine_metrics  # so VllmEngine.load_now is None
        assert found.engine_kwargs == {
            "enable_auto_tool_choice": True,
            "enable_prefix_caching": True,
            "enable_prompt_tokens_details": True,
            "gpu_memory_utilization": 0.92,
            "load_format": "safetensors",
            "max_model_len": 4096,
            "max_num_seqs": 2,
            "pipeline_parallel_size": 2,
            "tensor_parallel_size": 4,
            "tool_call_parser": "hermes",
        }
        group = PlacementGroupConfig(**found.placement_group_config)
        assert [bundle.GPU for bundle in group.bundles] == [1.0] * 8
        workers = found.engine_kwargs["tensor_parallel_size"] * found.engine_kwargs["pipeline_parallel_size"]
        assert workers == len(group.bundles)

    @pytest.mark.parametrize(
        ("method", "quantization", "said"),
        [
            (None, "none", None),
            (None, "fp8", "fp8"),
            ("fp8", "fp8", None),
            ("compressed-tensors", "fp8", None),
            ("gptq", "gptq-int4", None),
            ("awq", "awq-int4", None),
        ],
    )
    def test_quantization_is_set_only_for_an_uncompressed_checkpoint(
        self, tmp_path, method, quantization, said
    ):
        found = config_of(checkpoint(tmp_path, method), quantization)
        assert found["engine_kwargs"].get("quantization") == said

    @pytest.mark.parametrize(
        ("method", "quantization", "says"),
        [
            (
                "gptq",
                "none",
                "quantization is none, but the model's files are compressed by gptq: say gptq-int4",
            ),
            ("awq", "gptq-int4", "compressed by awq: say awq-int4"),
            (None, "awq-int4", "are not compressed: say none or fp8"),
            ("bitsandbytes", "none", "compressed by bitsandbytes: say another"),
        ],
    )
    def test_checkpoint_of_another_quantization_is_refused(self, tmp_path, method, quantization, says):
        with pytest.raises(EngineError, match=says):
            config_of(checkpoint(tmp_path, method), quantization)

    def test_folder_without_a_model_is_refused(self, tmp_path):
        with pytest.raises(EngineError, match=r"config\.json"):
            config_of(tmp_path)

    def test_prefix_caching_can_be_turned_off_and_an_adapter_on(self, tmp_path):
        found = config_of(checkpoint(tmp_path), parameters={"enable_prefix_caching": False, "lora": "mine"})
        arguments = found["engine_kwargs"]
        assert arguments["enable_prefix_caching"] is False
        assert (arguments["enable_lora"], arguments["max_loras"]) == (True, 1)
        assert "lora" not in arguments

    def test_an_adapter_that_is_not_there_is_refused_before_anything_starts(self, tmp_path):
        with pytest.raises(EngineError, match=r"lora names no folder of the model's files: 'mine'"):
            VllmEngine.load(checkpoint(tmp_path), "none", 1024, 4, {"lora": "mine"})

    @pytest.mark.parametrize(
        ("files", "lacks"),
        [
            (["adapter_model.bin"], "adapter_config.json"),
            (["adapter_config.json"], "adapter_model.safetensors"),
        ],
    )
    def test_an_adapter_is_safetensors_with_a_config(self, tmp_path, files, lacks):
        (checkpoint(tmp_path) / "mine").mkdir()
        for name in files:
            (tmp_path / "mine" / name).touch()
        with pytest.raises(EngineError, match=rf"no adapter: 'mine' has no {lacks}"):
            VllmEngine.load(tmp_path, "none", 1024, 4, {"lora": "mine"})

    def test_a_link_out_of_the_source_is_no_adapter(self, tmp_path):
        source, other = tmp_path / "source", tmp_path / "other"
        source.mkdir()
        other.mkdir()
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (other / name).touch()
        (checkpoint(source) / "mine").symlink_to(other)
        with pytest.raises(EngineError, match="names no folder of the model's files"):
            VllmEngine.load(source, "none", 1024, 4, {"lora": "mine"})

    def test_a_model_that_guesses_is_inside_the_source(self, tmp_path):
        guess = {"method": "eagle3", "model": "draft", "num_speculative_tokens": 3}
        with pytest.raises(EngineError, match=r"speculative_config\.model names no folder"):
            config_of(checkpoint(tmp_path), parameters={"speculative_config": guess})
        (tmp_path / "draft").mkdir()
        found = config_of(tmp_path, parameters={"speculative_config": guess})["engine_kwargs"]
        assert found["speculative_config"] == {**guess, "model": str(tmp_path / "draft")}

    def test_a_chat_template_is_no_path_to_vllm(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "{{x}}").write_text("a file")
        found = config_of(checkpoint(tmp_path), parameters={"chat_template": "{{x}}"})["engine_kwargs"]
        assert not Path(found["chat_template"]).exists()
        assert found["chat_template"] == "{##}{{x}}", "a comment, which writes nothing"

    def test_a_parameter_that_an_older_version_let_in_is_refused(self, tmp_path):
        with pytest.raises(EngineError, match="Wrong parameters of vllm: worker_cls: Extra inputs"):
            config_of(checkpoint(tmp_path), parameters={"worker_cls": "evil.Worker"})

    def test_load_without_vllm_says_what_is_missing(self, tmp_path):
        pytest.importorskip("pyarrow")
        with pytest.raises(EngineError, match="vLLM cannot run this model"):
            VllmEngine.load(checkpoint(tmp_path), "none", 1024, 4, {})


class TestBody:
    """What vLLM is asked."""

    def test_body_of_a_chat(self):
        request = TextRequest(
            messages=HELLO.messages,
            max_tokens=8,
            temperature=0.0,
            seed=7,
            stop=("END",),
            n=2,
            logprobs=3,
            schema={"type": "object"},
            tools=({"type": "function", "function": {"name": "f"}},),
            tool_choice="auto",
        )
        assert body_for_vllm(request, "big") == {
            "model": "big",
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
            "n": 2,
            "temperature": 0.0,
            "top_p": 1.0,
            "frequency_penalty": 0.0,
            "presence_penalty": 0.0,
            "seed": 7,
            "max_tokens": 8,
            "stop": ["END"],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
            },
            "messages": [{"role": "user", "content": "Hello"}],
            "logprobs": True,
            "top_logprobs": 3,
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "tool_choice": "auto",
        }

    def test_body_of_a_completion(self):
        body = body_for_vllm(TextRequest(prompt="Once", logprobs=2, schema={}), "big")
        assert (body["prompt"], body["logprobs"], body["response_format"]) == (
            "Once",
            2,
            {"type": "json_object"},
        )
        assert body["max_tokens"] is None, "vLLM would end after 16 tokens"
        assert "messages" not in body


def event(choices, **more):
    return f"data: {json.dumps({'choices': choices, **more})}\n\n"


def choice(text, index=0, finish=None, **more):
    return {"index": index, "delta": {"content": text}, "finish_reason": finish, **more}


def counted(tokens):
    return {"usage": {"prompt_tokens": 5, "completion_tokens": tokens}}


class SimulatedServer:
    """An LLMServer's two methods: yields `events`, then waits for ever where `hangs`."""

    def __init__(self, events, hangs=False):
        self.events, self.hangs = events, hangs
        self.asked, self.given_up, self.thread = [], 0, None

    async def chat(self, request):
        self.asked.append(request)
        self.thread = threading.current_thread().name
        return self._stream()

    completions = chat

    async def _stream(self):
        try:
            for events in self.events:
                yield events
            if self.hangs:
                await asyncio.sleep(3600)
        except (asyncio.CancelledError, GeneratorExit):
            self.given_up += 1
            raise


@pytest.fixture
def engine_of():
    loops = []

    def build(events, hangs=False, slots=1, form=dict):
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="vllm", daemon=True)
        thread.start()
        loops.append((loop, thread))
        can = TextCapabilities(context_length=100, slots=slots)
        server = SimulatedServer(events, hangs)
        return server, VllmEngine(server, loop, "big", can, (form, form))

    yield build
    for loop, thread in loops:
        if thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        assert not thread.is_alive()


async def all_of(engine, request=HELLO):
    return [delta async for delta in engine.generate(request)]


def test_capabilities_without_a_limit_allow_all_logprobs_of_the_api(tmp_path):
    reported = [_capabilities(tmp_path, 100, 2, {"max_logprobs": most}).logprobs for most in (-1, 0, 5)]
    assert reported == [LOGPROBS, 0, 5]
    assert _capabilities(tmp_path, 100, 2, {}).logprobs == LOGPROBS


async def test_vllm_answer_has_its_tokens_and_usage(engine_of):
    details = {"prompt_tokens_details": {"cached_tokens": 4}}
    server, engine = engine_of(
        [
            [event([{"index": 0, "delta": {"role": "assistant", "content": ""}}], **counted(0))],
            [event([choice("مرحبا", 0)], **counted(2)), event([choice(" 👋")], **counted(3))],
            [event([choice("", finish="stop")], **counted(4))],
            [event([], usage={"prompt_tokens": 5, "completion_tokens": 4, **details}), "data: [DONE]\n\n"],
        ]
    )
    assert await all_of(engine) == [
        Delta(text="مرحبا", tokens=2),
        Delta(text=" 👋", tokens=1),
        Delta(tokens=1, finish="stop"),
        Delta(usage=Usage(5, 4, 4)),
    ]
    assert server.asked == [body_for_vllm(HELLO, "big")]
    assert server.thread == "vllm"
    assert engine.load_now is None


async def test_vllm_counts_the_tokens_of_several_answers_apart(engine_of):
    events = [
        event([choice("a", 0)], **counted(1)),
        event([choice("b", 1)], **counted(2)),
        event([choice("c", 0, "length")], **counted(3)),
        event([choice("d", 1, "tool_calls")], **counted(3)),
    ]
    _, engine = engine_of([events])
    found = await all_of(engine)
    assert [(d.index, d.tokens, d.finish) for d in found] == [
        (0, 1, None),
        (1, 2, None),
        (0, 2, "length"),
        (1, 1, "tool_calls"),
    ]


async def test_vllm_separates_reasoning_from_text(engine_of):
    thought = {"index": 0, "delta": {"reasoning": "Hm."}}
    _, engine = engine_of([[event([thought], **counted(2)), event([choice("Yes.")], **counted(4))]])
    assert await all_of(engine) == [Delta(reasoning="Hm.", tokens=2), Delta(text="Yes.", tokens=2)]


async def test_vllm_passes_on_tool_calls_and_logprobs(engine_of):
    called = {"index": 0, "function": {"name": "f", "arguments": "{}"}}
    item = {"token": "a", "logprob": -0.1, "bytes": [97]}
    logprobs = {"content": [{**item, "top_logprobs": [item, {"token": "b", "logprob": -2.0}]}]}
    completion = {
        "index": 0,
        "text": "a",
        "logprobs": {"tokens": ["a"], "token_logprobs": [-0.1], "top_logprobs": [{"a": -0.1, "é": -3.0}]},
    }
    _, engine = engine_of(
        [
            [
                event(
                    [
                        {"index": 0, "delta": {"tool_calls": [called]}},
                        choice("a", logprobs=logprobs),
                        completion,
                    ]
                )
            ]
        ]
    )
    tools, chat, plain = await all_of(engine)
    assert tools.tool_calls == (called,)
    a = TokenLogprob("a", -0.1, (97,))
    assert chat.logprobs == (TokenLogprob("a", -0.1, (97,), (a, TokenLogprob("b", -2.0))),)
    assert plain.text == "a"
    assert plain.logprobs == (TokenLogprob("a", -0.1, (97,), (a, TokenLogprob("é", -3.0, (195, 169)))),)


@pytest.mark.parametrize(
    ("item", "kind", "says"),
    [
        (SimpleNamespace(error=SimpleNamespace(message="bad tool", code=400)), EngineError, "bad tool"),
        (
            SimpleNamespace(
                error=SimpleNamespace(message="This model's maximum context length is 100 tokens.", code=400)
            ),
            ContextLengthError,
            "100 tokens",
        ),
        (
            ['data: {"error": {"message": "EngineCore died", "code": 500}}\n\n'],
            EngineStoppedError,
            "failed: EngineCore",
        ),
        (['data: {"error": {"message": "no such tool", "code": 400}}\n\n'], EngineError, "no such tool"),
        ([event([choice("", finish="abort")])], EngineStoppedError, "ended for an unknown reason: abort"),
        (["data: not json\n\n"], EngineStoppedError, "failed: Expecting value"),
    ],
)
async def test_vllm_reports_errors_of_the_server(engine_of, item, kind, says):
    _, engine = engine_of([item])
    with pytest.raises(kind, match=says):
        await all_of(engine)


class Form(BaseModel):
    """A form that is as strict as vLLM's."""

    model_config = ConfigDict(extra="allow")

    temperature: Annotated[float, Field(le=2)]

    @model_validator(mode="before")
    @classmethod
    def _tools(cls, data):
        if data.get("tool_choice"):
            raise ValueError("The tool in tool_choice is none of the tools")
        return data


SECRET = TextRequest(messages=({"role": "user", "content": "a secret"},))


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (replace(SECRET, tool_choice="f"), "refuses the request: Value error, The tool"),
        (replace(SECRET, temperature=3.0), "refuses the request: temperature: Input should be less"),
        (TextRequest(prompt="a secret", temperature=3.0), "refuses the request: temperature"),
    ],
)
async def test_vllm_blames_the_request_for_what_its_form_refuses(engine_of, request_, says):
    server, engine = engine_of([], form=Form)
    with pytest.raises(EngineError, match=says) as refused:
        await all_of(engine, request_)
    assert not isinstance(refused.value, EngineStoppedError)
    assert "secret" not in "".join(traceback.format_exception(refused.value))
    assert server.asked == []


async def until(holds):
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_vllm_stops_writing_when_the_caller_leaves(engine_of):
    server, engine = engine_of([[event([choice("a")], **counted(1))]], hangs=True)
    answers = [engine.generate(HELLO) for _ in range(3)]
    for answer in answers:
        assert (await anext(answer)).text == "a"
    for answer in answers:
        await answer.aclose()
    await until(lambda: server.given_up == 3)


async def test_vllm_close_ends_answers_and_refuses_more(engine_of):
    server, engine = engine_of([[event([choice("a")], **counted(1))]], hangs=True)
    answer = engine.generate(HELLO)
    await anext(answer)
    engine.close()
    engine.close()
    with pytest.raises(EngineStoppedError, match="closed"):
        await anext(answer)
    assert server.given_up == 1
    with pytest.raises(EngineError, match="closed"):
        await all_of(engine)
