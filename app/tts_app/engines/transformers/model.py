"""Loads a model for the engine `transformers`: its settings, its files, how its weights are compressed."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import xgrammar
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, TorchAoConfig

from tts_app.engines.base import EngineError
from tts_app.engines.gguf import find_gguf
from tts_app.engines.parameters import checked_parameters
from tts_app.resources.engines.transformers import TransformersParameters

QUANTIZED = {"gptq-int4": "gptq", "awq-int4": "awq"}
"""Quantizations that the files must have already, and what their config.json calls them."""


@dataclass(frozen=True)
class LoadedModel:
    """A model with its tokeniser and the settings that it was loaded with."""

    model: Any
    tokenizer: Any
    parameters: TransformersParameters
    ends: frozenset[int]
    """Tokens that end an answer."""

    @cached_property
    def token_bytes(self) -> Sequence[bytes]:
        """The bytes that each token stands for."""
        size = self.model.config.get_text_config().vocab_size
        info = xgrammar.TokenizerInfo.from_huggingface(self.tokenizer, vocab_size=size)
        vocabulary: list[bytes] = info.decoded_vocab
        return vocabulary


def load_model(
    files: Path, quantization: str, context_length: int, parameters: Mapping[str, Any]
) -> LoadedModel:
    """Load a folder of safetensors, or a GGUF file, which is unpacked. Runs no code from the files. Blocking.

    Raises:
        EngineError: a file is missing or damaged, a parameter is wrong, the files' quantization is another
            one or cannot run here, or the model's context is shorter.
    """
    settings = read_parameters(parameters)
    source = _source(files)
    if "gguf_file" not in source:
        _check_quantization(files, quantization)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    try:
        tokenizer = AutoTokenizer.from_pretrained(**source)
        model = _load(source, quantization, settings)
    except Exception as error:  # transformers, safetensors and torchao have no other common base
        raise EngineError(f"transformers cannot load {files} ({quantization}): {error}") from error
    if not tokenizer.is_fast:
        raise EngineError(f"{files} has no tokenizer.json, which this engine needs.")
    trained = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if trained is not None and context_length > trained:
        raise EngineError(
            f"{files.name} was trained on a context of {trained} tokens: "
            f"contextLength {context_length} is too long."
        )
    if settings.chat_template is not None:
        tokenizer.chat_template = settings.chat_template
    if settings.compile:
        model.compile(dynamic=True)
    ends = _ends(model, tokenizer)
    # The request alone says how to write. Other settings in the files, such as a repetition penalty,
    # would apply to a `generate()` and not to continuous batching.
    model.generation_config = GenerationConfig(eos_token_id=sorted(ends) or None)
    return LoadedModel(model.eval(), tokenizer, settings, ends)


def read_parameters(parameters: Mapping[str, Any]) -> TransformersParameters:
    """Return the settings, checked.

    Raises:
        EngineError: one is unknown or out of range; the message names each.
    """
    return checked_parameters("transformers", TransformersParameters, parameters)


def _source(files: Path) -> dict[str, Any]:
    """Return where the files are, as `from_pretrained` takes it."""
    local = {"local_files_only": True, "trust_remote_code": False}
    if files.is_dir() and (files / "config.json").is_file():
        return {"pretrained_model_name_or_path": str(files), **local}
    if files.is_file() or any(files.rglob("*.gguf")):
        path = find_gguf(files)
        return {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name, **local}
    raise EngineError(f"{files} holds neither config.json nor a GGUF file.")


def _check_quantization(files: Path, quantization: str) -> None:
    try:
        config = (
            json.loads((files / "config.json").read_text(encoding="utf-8")).get("quantization_config") or {}
        )
    except ValueError as error:
        raise EngineError(f"{files / 'config.json'} is damaged: {error}.") from error
    method, bits = config.get("quant_method"), config.get("bits")
    wanted = QUANTIZED.get(quantization)
    if wanted is not None and (method, bits) != (wanted, 4):
        is_what = f"{method} with {bits} bits" if method else "not quantised"
        raise EngineError(
            f"{quantization} takes files that were quantised so before; {files.name} is {is_what}."
        )
    if wanted is None and method is not None:
        fitting = next((name for name, kind in QUANTIZED.items() if kind == method and bits == 4), None)
        hint = f"set quantization: {fitting}" if fitting else "this engine cannot run it"
        raise EngineError(f"{files.name} is quantised already ({method}, {bits} bits): {hint}.")


def _load(source: Mapping[str, Any], quantization: str, settings: TransformersParameters) -> Any:
    gpu = torch.cuda.is_available()
    device_map = settings.device_map or ("auto" if gpu else "cpu")
    if quantization in QUANTIZED:
        # Not through transformers: that needs `optimum` too.
        # Where there are two cores it takes one, and then asks for two.
        os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")
        from gptqmodel import BACKEND, GPTQModel  # noqa: PLC0415 - takes seconds, and only these need it

        device = {"device_map": device_map} if gpu else {"device": "cpu"}
        return GPTQModel.load(
            source["pretrained_model_name_or_path"],
            backend=BACKEND(settings.gptq_backend or "auto"),
            trust_remote_code=False,
            **device,
        ).model
    dtype = settings.dtype or ("auto" if gpu else "float32")
    options: dict[str, Any] = {"device_map": device_map, "use_safetensors": True, "dtype": dtype}
    if quantization != "none":
        options["quantization_config"] = TorchAoConfig(_torchao(quantization, gpu))
    return AutoModelForCausalLM.from_pretrained(**source, **options)


def _torchao(quantization: str, gpu: bool) -> Any:
    from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig  # noqa: PLC0415 - as above

    if quantization == "int8":
        return Int8WeightOnlyConfig()
    if quantization == "int4" and gpu:
        return Int4WeightOnlyConfig(group_size=32, int4_packing_format="tile_packed_to_4d")
    if quantization == "int4":
        raise EngineError("int4 runs on a GPU only: torchao has no such kernel for a CPU. int8 does.")
    raise EngineError(f"transformers has no quantization {quantization}.")


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    token_ids = model.generation_config.eos_token_id
    ends = token_ids if isinstance(token_ids, list) else [token_ids, tokenizer.eos_token_id]
    return frozenset(end for end in ends if end is not None)
