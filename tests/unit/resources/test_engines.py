"""The table of engines, and what is made from it."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from tts_app.engines.registry import ADAPTERS
from tts_app.resources import TextModel, VoiceModel
from tts_app.resources.crd import definition
from tts_app.resources.engines import ENGINES, IMAGES, default_images, engines_of
from tts_app.resources.engines.spec import EngineSpec, Parameters
from tts_operator.settings import Settings


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_engine_has_its_adapter(engine: EngineSpec) -> None:
    module, _, name = engine.adapter.partition(":")
    assert find_spec(module) is not None
    if engine.name != "vllm":  # it needs a GPU to be imported
        assert hasattr(import_module(module), name)
    assert ADAPTERS[engine.name] == engine.adapter


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_engine_spec_is_complete(engine: EngineSpec) -> None:
    assert engine.runtimes
    assert "none" in engine.quantizations
    assert engine.licenses
    assert bool(engine.voice_kinds) == (engine.task == "speech")
    assert all(field.description for field in engine.parameters.model_fields.values())
    assert engine.parameter_faults({}) == []
    assert engine.voice_faults({}) == []


@pytest.mark.parametrize(("kind", "task"), [(VoiceModel, "speech"), (TextModel, "text")])
def test_schema_lists_the_engines_of_its_task(kind, task) -> None:
    (version,) = definition(kind)["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert spec["properties"]["engine"]["enum"] == list(engines_of(task))


def test_default_images_are_those_that_are_built() -> None:
    assert default_images("1.2.3") == {
        "kokoro": "tts-playground-kokoro:1.2.3",
        "llamacpp": "tts-playground-llamacpp:1.2.3",
    }
    assert Settings().engine_images.keys() == default_images("1.2.3").keys()


KOKORO = "runtime, alphabet, threads, max_batch, cuda_graphs"


def test_parameter_faults_name_each_wrong_parameter_and_the_known_ones() -> None:
    found = ENGINES["kokoro"].parameter_faults({"threads": "two", "heads": 1})
    assert found == [
        f"parameters.threads: Input should be a valid integer; kokoro has: {KOKORO}",
        f"parameters.heads: Extra inputs are not permitted; kokoro has: {KOKORO}",
    ]


@pytest.mark.parametrize(
    ("engine", "locale", "speaks"),
    [
        ("kokoro", "sw-KE", True),
        ("voxcpm", "ar-EG", True),
        ("voxcpm", "ur-PK", False),
        ("omnivoice", "ar-EG", True),
        ("omnivoice", "ar-MA", False),
        ("omnivoice", "en-IN", True),
    ],
)
def test_locale_faults(engine: str, locale: str, speaks: bool) -> None:
    found = ENGINES[engine].locale_faults(locale)
    assert bool(found) != speaks
    assert all(fault.startswith(f"engine {engine} does not speak {locale}; it speaks: ") for fault in found)


CODE = {
    "reasoning_parser_plugin": "/claims/mine/evil.py",
    "tool_parser_plugin": "/claims/mine/evil.py",
    "worker_cls": "evil.Worker",
    "worker_extension_cls": "evil.Extension",
    "scheduler_cls": "evil.Scheduler",
    "logits_processors": ["evil.Processor"],
    "logits_processor_pattern": ".*",
    "kv_transfer_config": {"kv_connector": "Mine", "kv_connector_module_path": "evil"},
    "compilation_config": {"backend": "evil.backend"},
    "hf_overrides": {"architectures": ["Evil"]},
    "hf_config_path": "/claims/other",
    "tokenizer": "https://evil.example/tokenizer",
    "allowed_local_media_path": "/",
    "trust_remote_code": True,
    "model_loader_extra_config": {"tensorizer_uri": "s3://evil/model"},
    "download_dir": "/claims",
    "middleware": ["evil.Middleware"],
    "lora_modules": [{"name": "a", "path": "/claims/other"}],
    "default_mm_loras": {"image": "/claims/other"},
    "otlp_traces_endpoint": "http://evil.example",
    "env": {"LD_PRELOAD": "/claims/mine/evil.so"},
}
"""Arguments of vLLM that name code to run, a path, an address or somebody's own loader."""


@pytest.mark.parametrize("name", CODE)
def test_vllm_has_no_parameter_that_names_code_or_a_place(name: str) -> None:
    (found,) = ENGINES["vllm"].parameter_faults({name: CODE[name]})
    assert found.startswith(f"parameters.{name}: Extra inputs are not permitted; vllm has: nodes, ")


@pytest.mark.parametrize(
    ("parameters", "where"),
    [
        ({"load_format": "pt"}, "load_format"),
        ({"load_format": "tensorizer"}, "load_format"),
        ({"model_impl": "evil.Model"}, "model_impl"),
        ({"generation_config": "/claims/other"}, "generation_config"),
        ({"attention_backend": "evil.Backend"}, "attention_backend"),
        ({"tool_call_parser": "/claims/mine/evil.py"}, "tool_call_parser"),
        ({"reasoning_parser": "evil.Parser"}, "reasoning_parser"),
        ({"chat_template": "/claims/other/secret"}, "chat_template"),
        ({"lora": "/claims/other"}, "lora"),
        ({"lora": "../other"}, "lora"),
        ({"lora": "mine/../../other"}, "lora"),
        ({"lora": "s3://evil/adapter"}, "lora"),
        ({"lora": ""}, "lora"),
        ({"limit_mm_per_prompt": {"evil": 1}}, "limit_mm_per_prompt.evil"),
        ({"structured_outputs_config": {"reasoning_parser_plugin": "/evil.py"}}, "structured_outputs_config"),
        ({"gpu_memory_utilization": float("nan")}, "gpu_memory_utilization"),
    ],
)
def test_vllm_parameters_are_checked_by_value(parameters: dict[str, Any], where: str) -> None:
    (found,) = ENGINES["vllm"].parameter_faults(parameters)
    assert found.startswith(f"parameters.{where}")


@pytest.mark.parametrize(
    ("guess", "says"),
    [
        ({"method": "custom_class", "model": "evil.Drafter"}, "speculative_config.method: Input should be"),
        ({"method": "draft_model", "model": "/claims/other"}, "speculative_config.model: "),
        ({"method": "draft_model", "model": "https://evil.example/model"}, "speculative_config.model: "),
        ({"method": "draft_model"}, "method draft_model needs a `model`"),
        ({"method": "ngram", "model": "draft"}, "method ngram has no `model`"),
        ({"method": "ngram", "draft_load_config": {}}, "speculative_config.draft_load_config: Extra inputs"),
    ],
)
def test_vllm_guesses_by_its_own_methods_and_models_of_the_source(guess: dict[str, Any], says: str) -> None:
    (found,) = ENGINES["vllm"].parameter_faults(
        {"speculative_config": {"num_speculative_tokens": 3, **guess}}
    )
    assert says in found


def test_vllm_takes_what_a_platform_engineer_needs() -> None:
    needed = {
        "nodes": 1,
        "tensor_parallel_size": 4,
        "enable_expert_parallel": True,
        "dtype": "bfloat16",
        "load_format": "runai_streamer",
        "seed": 7,
        "gpu_memory_utilization": 0.92,
        "kv_cache_dtype": "fp8",
        "kv_offloading_size": 16,
        "cpu_offload_gb": 4.5,
        "max_num_batched_tokens": 8192,
        "enable_chunked_prefill": True,
        "speculative_config": {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 3},
        "chat_template": "{% for message in messages %}{{ message.content }}{% endfor %}",
        "tool_call_parser": "granite-20b-fc",
        "reasoning_parser": "deepseek_r1",
        "structured_outputs_config": {"backend": "xgrammar"},
        "lora": "adapters/mine",
        "max_lora_rank": 32,
        "limit_mm_per_prompt": {"image": 2},
    }
    assert ENGINES["vllm"].parameter_faults(needed) == []


def test_parameter_faults_name_the_field_that_says_it_already() -> None:
    found = ENGINES["vllm"].parameter_faults({"max_num_seqs": 4})
    assert found == ["parameters.max_num_seqs is said by replicas.targetOngoingRequests: remove it"]


def test_voice_faults_of_an_engine_without_voice_parameters() -> None:
    found = ENGINES["llamacpp"].voice_faults({"speed": 1})
    assert Parameters.model_fields == {}
    assert found == ["parameters.speed: Extra inputs are not permitted; a voice of llamacpp has: none"]


@pytest.mark.parametrize(
    ("parameters", "quantization", "gpus", "runtime"),
    [
        ({}, "none", 0, "onnxruntime"),
        ({}, "none", 1, "torch"),
        ({"runtime": "auto"}, "fp16", 0.5, "torch"),
        ({}, "int8", 1, "onnxruntime"),
        ({"runtime": "onnxruntime"}, "none", 1, "onnxruntime"),
        ({"runtime": "torch"}, "none", 0, "torch"),
    ],
)
def test_kokoro_runs_in_torch_where_it_has_a_gpu_or_says_so(
    parameters: dict[str, Any], quantization: str, gpus: float, runtime: str
) -> None:
    kokoro = ENGINES["kokoro"]
    assert kokoro.runtime_of(parameters, quantization, gpus).name == runtime
    loaded = kokoro.loaded_parameters({"threads": 2, **parameters}, quantization, gpus)
    assert loaded == ({"threads": 2, "runtime": "torch"} if runtime == "torch" else {"threads": 2})


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_each_runtime_has_a_name_of_its_own_among_the_images(engine: EngineSpec) -> None:
    keys = [engine.image_key(runtime) for runtime in engine.runtimes]
    assert keys[0] == engine.name
    assert [IMAGES[key] for key in keys] == list(engine.runtimes)


def test_an_engine_with_one_runtime_has_it_on_gpus_too() -> None:
    transformers = ENGINES["transformers"]
    assert transformers.runtime_of({}, "none", 2) is transformers.runtime
    assert transformers.loaded_parameters({"threads": 2}, "none", 2) == {"threads": 2}
