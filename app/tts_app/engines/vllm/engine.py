"""Text by vLLM on GPUs, through Ray Serve's own LLM server (`ray.serve.llm`), which runs inside each replica.

The server is not a deployment of its own. So a token makes no second hop, a model is one deployment like any
other, and the head, which builds the application, needs no vLLM. The replica's placement group holds the
workers of vLLM, on other nodes too (resources/engines/vllm.py). The server has its own event loop, in a
thread: its work between two steps does not delay the replica's loop.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, Self

import ray
from pydantic import ValidationError
from ray import serve
from ray.serve.exceptions import RayServeException
from ray.util import get_current_placement_group

from tts_app.engines.openai_wire import (
    body_of,
    chat_logprobs,
    completion_logprobs,
    delta_of,
    event_data,
    usage_of,
)
from tts_app.engines.parameters import checked_parameters
from tts_app.engines.text import (
    ContextLengthError,
    Delta,
    EngineError,
    EngineStoppedError,
    TextCapabilities,
    TextRequest,
)
from tts_app.resources.engines.vllm import VllmParameters
from tts_app.resources.faults import faults

LOGPROBS = 20
"""Alternatives per token that vLLM reports, by its default of `max_logprobs`."""
BROKEN = 500
"""HTTP statuses from here on are vLLM's own fault."""
_METHODS: Mapping[str, frozenset[str]] = {
    "none": frozenset(),
    "fp8": frozenset({"fp8", "fbgemm_fp8", "compressed-tensors", "modelopt"}),
    "gptq-int4": frozenset({"gptq", "auto_gptq", "gptq_marlin", "compressed-tensors", "auto-round"}),
    "awq-int4": frozenset({"awq", "auto_awq", "awq_marlin", "compressed-tensors", "auto-round"}),
}
"""What a checkpoint of each quantization may call its method."""
_OURS = {"lora", "nodes"}


def llm_config(
    name: str,
    files: Path,
    quantization: str,
    context_length: int,
    slots: int,
    parameters: Mapping[str, Any],
    bundles: Sequence[Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """Return the arguments of Ray's `LLMConfig`. Its only I/O is to look into `files`.

    `bundles` are those of the placement group that the workers run in; without them Ray makes one.

    Raises:
        EngineError: the checkpoint is not one, or is not compressed as `quantization` says; or a parameter
            is not allowed.
    """
    settings = checked_parameters("vllm", VllmParameters, parameters)
    arguments: dict[str, Any] = {
        "enable_prompt_tokens_details": True,  # how many tokens of the prompt were in the cache
        **settings.model_dump(exclude=_OURS, exclude_none=True),
        "max_model_len": context_length,
        "max_num_seqs": slots,
    }
    if _method(files, quantization) is None and quantization != "none":
        arguments["quantization"] = quantization  # compress while loading
    if settings.tool_call_parser is not None:
        arguments.setdefault("enable_auto_tool_choice", True)
    if settings.lora is not None:
        arguments |= {"enable_lora": True, "max_loras": 1}
    if settings.chat_template is not None:
        # vLLM takes a template that is the path of a file for that file; no path begins like this.
        arguments["chat_template"] = f"{{##}}{settings.chat_template}"
    guess = settings.speculative_config
    if guess is not None and guess.model is not None:
        arguments["speculative_config"]["model"] = str(
            _inside(files, guess.model, "speculative_config.model")
        )
    config: dict[str, Any] = {
        "model_loading_config": {"model_id": name, "model_source": str(files)},
        "engine_kwargs": dict(sorted(arguments.items())),
        # Every token goes out at once; the gateway joins those that it has not sent yet.
        "experimental_configs": {"stream_batching_interval_ms": 0},
    }
    if bundles is not None:
        config["placement_group_config"] = {"bundles": [dict(bundle) for bundle in bundles]}
    return config


class VllmEngine:
    """A model that vLLM runs. See TextEngine."""

    def __init__(
        self,
        server: Any,
        loop: asyncio.AbstractEventLoop,
        model: str,
        can: TextCapabilities,
        forms: tuple[Callable[..., Any], Callable[..., Any]],
    ) -> None:
        """Wrap `server`, a started LLMServer whose event loop is `loop`; requests name `model`.

        `forms` are the classes of its requests, for completions and for chat.
        """
        self._server, self._loop, self._model, self._can = server, loop, model, can
        self._completion, self._chat = forms
        self._closed = False

    @classmethod
    def load(
        cls, files: Path, quantization: str, context_length: int, slots: int, parameters: Mapping[str, Any]
    ) -> Self:
        """See TextEngine."""
        # The call would start a Ray of its own.
        group = get_current_placement_group() if ray.is_initialized() else None
        try:
            name = serve.get_replica_context().app_name
        except RayServeException:  # not in a replica
            name = files.name
        bundles = None if group is None else group.bundle_specs
        config = llm_config(name, files, quantization, context_length, slots, parameters, bundles)
        adapter = _adapter(files, parameters["lora"]) if "lora" in parameters else None
        loop = asyncio.new_event_loop()
        Thread(target=loop.run_forever, name="vllm", daemon=True).start()
        try:
            starting = asyncio.run_coroutine_threadsafe(_start(config, adapter), loop)
            server, model = starting.result()
            from ray.serve.llm import openai_api_models as openai  # noqa: PLC0415 - needs vLLM
        except Exception as error:
            # Ray and vLLM raise any exception; its first words are the cause.
            loop.call_soon_threadsafe(loop.stop)
            raise EngineError(f"vLLM cannot run this model: {error}") from error
        forms = (openai.CompletionRequest, openai.ChatCompletionRequest)
        return cls(server, loop, model, _capabilities(files, context_length, slots, parameters), forms)

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """See TextEngine."""
        return ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken"]

    @property
    def capabilities(self) -> TextCapabilities:
        """See TextEngine."""
        return self._can

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        """See TextEngine."""
        if self._closed:
            raise EngineStoppedError("The engine is closed.")
        here = asyncio.get_running_loop()
        written: asyncio.Queue[Delta | Exception | None] = asyncio.Queue()

        def emit(item: Delta | Exception | None) -> None:
            here.call_soon_threadsafe(written.put_nowait, item)

        writing = asyncio.run_coroutine_threadsafe(self._write(request, emit), self._loop)
        try:
            while (item := await written.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            writing.cancel()

    @property
    def load_now(self) -> None:
        """See TextEngine. Ray has vLLM publish its own metrics here (LLMConfig's `log_engine_metrics`)."""
        return None

    @property
    def broken(self) -> str | None:
        """See TextEngine. vLLM reports this only in its answers."""
        return None

    def close(self) -> None:
        """See TextEngine. vLLM's workers end with the replica, whose actors they are."""
        if not self._closed:
            self._closed = True
            asyncio.run_coroutine_threadsafe(_stop(), self._loop)

    async def _write(self, request: TextRequest, emit: Callable[[Delta | Exception | None], None]) -> None:
        try:
            async for delta in deltas(await self._ask(request)):
                emit(delta)
            emit(None)
        except asyncio.CancelledError:
            emit(EngineStoppedError("The engine was closed."))
            raise
        except Exception as error:  # noqa: BLE001 - reported to the caller, whatever it is
            emit(error if isinstance(error, EngineError) else EngineStoppedError(f"vLLM failed: {error}"))

    async def _ask(self, request: TextRequest) -> AsyncIterator[Any]:
        prompt = request.messages is None
        try:
            form = (self._completion if prompt else self._chat)(**body_for_vllm(request, self._model))
        except ValueError as error:
            raise EngineError(f"vLLM refuses the request: {_reasons(error).rstrip('.')}.") from None
        stream: AsyncIterator[Any] = await (self._server.completions if prompt else self._server.chat)(form)
        return stream


async def _start(config: Mapping[str, Any], adapter: Path | None) -> tuple[Any, str]:
    """Return a started LLMServer and the name of its model: the adapter's, where there is one."""
    # These imports need vLLM and take seconds.
    from ray.llm._internal.serve.core.configs.llm_config import DiskMultiplexConfig  # noqa: PLC0415
    from ray.serve.llm import LLMConfig  # noqa: PLC0415
    from ray.serve.llm.deployment import LLMServer  # noqa: PLC0415

    arguments = config["engine_kwargs"]
    if "structured_outputs_config" in arguments:  # the one nested setting that vLLM takes as an object alone
        from vllm.config import StructuredOutputsConfig  # noqa: PLC0415 - needs vLLM

        form = StructuredOutputsConfig(**arguments["structured_outputs_config"])
        config = {**config, "engine_kwargs": {**arguments, "structured_outputs_config": form}}
    wanted = LLMConfig(**config)
    server: Any = LLMServer.sync_init(wanted)
    await server.start()
    if adapter is None:
        return server, wanted.model_id
    name = f"{wanted.model_id}-{adapter.name}"
    await server.engine.resolve_lora(
        DiskMultiplexConfig(
            model_id=name, max_total_tokens=None, local_path=str(adapter), lora_assigned_int_id=1
        )
    )
    return server, name


async def _stop() -> None:
    """Cancel all tasks of the loop, and stop it when they have ended."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.stop)


def body_for_vllm(request: TextRequest, model: str) -> dict[str, Any]:
    """Return `request` as the body of OpenAI's chat completions or completions, as vLLM extends them."""
    body = {
        **body_of(request),
        "model": model,
        # So that each chunk has the number of tokens so far.
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    }
    if request.tenant is not None:
        body["cache_salt"] = request.tenant  # the cache of prompts is shared only where this is the same
    if request.messages is None:
        body.setdefault("max_tokens", None)  # vLLM's default for completions is 16
    return body


async def deltas(stream: AsyncIterator[Any]) -> AsyncGenerator[Delta, None]:
    """Yield what an LLMServer's stream says: lists of server-sent events, or an ErrorResponse.

    Raises:
        ContextLengthError: the prompt is longer than the context.
        EngineError: vLLM refused the request.
        EngineStoppedError: it failed.
    """
    counted: dict[int, int] = {}
    async for batch in stream:
        for event in batch if isinstance(batch, list) else [batch]:
            if not isinstance(event, str):
                raise _refusal(event.error.message, event.error.code)
            for data in event_data(event):
                for delta in _read(json.loads(data), counted):
                    yield delta


def _read(chunk: Mapping[str, Any], counted: dict[int, int]) -> Iterator[Delta]:
    """Yield the deltas of one chunk. `counted` are the tokens of each answer so far."""
    if "error" in chunk:
        raise _refusal(chunk["error"]["message"], chunk["error"].get("code"))
    usage = chunk.get("usage") or {}
    for choice in chunk["choices"]:
        index, logprobs = choice["index"], choice.get("logprobs") or {}
        before = counted.get(index, 0)
        counted[index] = usage.get("completion_tokens", before)
        found = (*chat_logprobs(logprobs), *completion_logprobs(logprobs))
        delta = delta_of(choice, counted[index] - before, found)
        # The first one has the role alone.
        if delta.text or delta.reasoning or delta.tokens or delta.tool_calls or delta.finish:
            yield delta
    if not chunk["choices"] and usage:
        yield Delta(usage=usage_of(usage))


def _reasons(error: ValueError) -> str:
    """Return why vLLM's request class refuses its input, without the text that pydantic's message quotes."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(faults(error))


def _refusal(message: str, code: int | None) -> Exception:
    """Return the exception for an error of vLLM, whose HTTP status is `code`."""
    if code is not None and code >= BROKEN:
        return EngineStoppedError(f"vLLM failed: {message}")
    too_long = "maximum context length" in message or "maximum model length" in message
    return ContextLengthError(message) if too_long else EngineError(message)


def _method(files: Path, quantization: str) -> str | None:
    """Return what a checkpoint calls its compression, None where it has none.

    Raises:
        EngineError: there is no checkpoint, or its compression is not `quantization`.
    """
    path = files / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{files} is no model of vLLM's: it reads config.json there: {error}") from error
    method = (config.get("quantization_config") or {}).get("quant_method")
    if method is None and quantization in ("none", "fp8"):
        return None
    if method is None or method not in _METHODS[quantization]:
        fits = [name for name, methods in _METHODS.items() if method in methods]
        right = " or ".join(fits) if method is not None else "none or fp8"
        raise EngineError(
            f"quantization is {quantization}, but the model's files are "
            f"{'not compressed' if method is None else f'compressed by {method}'}: say {right or 'another'}."
        )
    return str(method)


def _inside(files: Path, path: str, parameter: str) -> Path:
    """Return the folder `path` of the model's files.

    Raises:
        EngineError: there is none, or a link leads out of the files.
    """
    found = (files / path).resolve()
    if not found.is_dir() or not found.is_relative_to(files.resolve()):
        raise EngineError(f"parameters.{parameter} names no folder of the model's files: {path!r}.")
    return found


def _adapter(files: Path, path: str) -> Path:
    """Return the folder of the adapter that `lora` names.

    Raises:
        EngineError: there is none.
    """
    folder = _inside(files, path, "lora")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (folder / name).is_file():
            raise EngineError(f"parameters.lora names no adapter: {path!r} has no {name}.")
    return folder


def _capabilities(
    files: Path, context_length: int, slots: int, parameters: Mapping[str, Any]
) -> TextCapabilities:
    logprobs = int(parameters.get("max_logprobs", LOGPROBS))
    return TextCapabilities(
        context_length=context_length,
        slots=slots,
        chat="chat_template" in parameters or _has_template(files),
        logprobs=LOGPROBS if logprobs < 0 else logprobs,  # a negative number means no limit
        json=True,
        tools="tool_call_parser" in parameters,
    )


def _has_template(files: Path) -> bool:
    if (files / "chat_template.jinja").is_file():
        return True
    config = files / "tokenizer_config.json"
    return config.is_file() and "chat_template" in json.loads(config.read_text(encoding="utf-8"))
