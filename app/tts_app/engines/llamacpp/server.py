"""Starts llama.cpp's server in this process: its settings, its file, and what it reports about itself."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import xllamacpp

from tts_app.engines.base import EngineError
from tts_app.engines.gguf import find_gguf, read_metadata
from tts_app.engines.parameters import checked_parameters
from tts_app.resources.engines.llamacpp import LlamaCppParameters

_CACHE_TYPES = {
    "f32": xllamacpp.ggml_type.GGML_TYPE_F32,
    "f16": xllamacpp.ggml_type.GGML_TYPE_F16,
    "bf16": xllamacpp.ggml_type.GGML_TYPE_BF16,
    "q8_0": xllamacpp.ggml_type.GGML_TYPE_Q8_0,
    "q5_1": xllamacpp.ggml_type.GGML_TYPE_Q5_1,
    "q5_0": xllamacpp.ggml_type.GGML_TYPE_Q5_0,
    "q4_1": xllamacpp.ggml_type.GGML_TYPE_Q4_1,
    "q4_0": xllamacpp.ggml_type.GGML_TYPE_Q4_0,
}
_FLASH = {
    "auto": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}


@dataclass(frozen=True)
class LlamaCppServer:
    """A running server, and what it reported about itself."""

    server: Any
    parameters: LlamaCppParameters
    context_length: int
    """Tokens per slot: the requested number, rounded up by llama.cpp."""
    chat: bool
    tools: bool


def start_server(
    files: Path, context_length: int, slots: int, parameters: Mapping[str, Any], key: str | None = None
) -> LlamaCppServer:
    """Start a server of `slots` answers at a time with `context_length` tokens each. Blocking.

    It opens no port: it listens on a socket in a folder of its own. The folder is deleted once the server has
    reported what the model can do; from then on only this process reaches it. HTTP requests need the `key`.

    Raises:
        EngineError: a file is missing or damaged, a parameter is wrong, or the model's context is shorter.
    """
    settings = read_parameters(parameters)
    path = find_gguf(files)
    metadata = read_metadata(path)
    _check_context(path, metadata, context_length)
    key = key or secrets.token_urlsafe(32)
    folder = Path(tempfile.mkdtemp(prefix="ttsp-llama-"))  # readable by this user alone
    try:
        socket = folder / "s.sock"
        server = _start(path, context_length, slots, settings, socket, key)
        props = _ask(socket, key)
    finally:
        shutil.rmtree(folder)
    return LlamaCppServer(
        server=server,
        parameters=settings,
        context_length=int(props["default_generation_settings"]["n_ctx"]),
        chat=settings.chat_template is not None or "tokenizer.chat_template" in metadata,
        tools=bool(props["chat_template_caps"].get("supports_tools")),
    )


def read_parameters(parameters: Mapping[str, Any]) -> LlamaCppParameters:
    """Return the settings, checked.

    Raises:
        EngineError: one is unknown or out of range; the message names each.
    """
    return checked_parameters("llamacpp", LlamaCppParameters, parameters)


def _check_context(path: Path, metadata: Mapping[str, Any], context_length: int) -> None:
    trained = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    if isinstance(trained, int) and context_length > trained:
        raise EngineError(
            f"{path.name} was trained on a context of {trained} tokens: "
            f"contextLength {context_length} is too long."
        )


def _start(
    path: Path, context_length: int, slots: int, settings: LlamaCppParameters, socket: Path, key: str
) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {"model"}  # otherwise answers would contain the model's path
    params.n_parallel = slots
    params.n_ctx = slots * context_length
    params.fit_params = False  # else it silently takes a shorter context where memory is short
    params.cpuparams.n_threads = settings.n_threads or len(os.sched_getaffinity(0))
    params.cpuparams_batch.n_threads = params.cpuparams.n_threads
    params.n_batch, params.n_ubatch = settings.n_batch, settings.n_ubatch
    params.n_gpu_layers = settings.n_gpu_layers
    params.flash_attn_type = _FLASH[settings.flash_attn]
    params.cache_type_k = _CACHE_TYPES[settings.cache_type_k]
    params.cache_type_v = _CACHE_TYPES[settings.cache_type_v]
    params.cache_ram_mib = settings.cache_ram_mib
    params.chat_template = settings.chat_template or ""
    params.hostnames = [str(socket)]
    params.api_keys = [key]
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    params.verbosity = 1  # errors; from 2 on it prints what is written
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise EngineError(
            f"llama.cpp cannot load {path}: it is damaged, or {slots} x {context_length} tokens of context "
            f"do not fit in memory. ({error})"
        ) from error


def _ask(socket: Path, key: str) -> dict[str, Any]:
    """Return what the server reports about the model: its context and what its chat template can do."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket))) as client:
        answer = client.get("http://llama/props", headers={"Authorization": f"Bearer {key}"}, timeout=60)
        return dict(answer.raise_for_status().json())
