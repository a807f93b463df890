"""The two ways to write an answer with transformers: together with others, or by a `generate()` of its own.

Both start in the event loop and return a function that stops them. In the event loop they report what is
written by `emit`, and call `done` once, when they no longer use the machine.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import wraps
from queue import Queue
from threading import Lock
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig, StoppingCriteria
from transformers.generation.continuous_batching.requests import RequestState, RequestStatus
from transformers.generation.continuous_batching.scheduler import SCHEDULER_MAPPING, FIFOScheduler
from transformers.generation.streamers import BaseStreamer

from tts_app.engines.text import EngineStoppedError, TextRequest, TokenLogprob
from tts_app.engines.transformers.choice import Choice
from tts_app.engines.transformers.model import LoadedModel
from tts_app.engines.transformers.sampling import sampling

PAGE = 64
"""Tokens of a page of the cache that continuous batching shares out."""
_GRAPHS = 16
"""Sizes of a step, in computed tokens and in attended tokens, for which a GPU's graphs are recorded."""
_MASK = 64 << 20
"""Bytes of the attention mask that may be copied to a GPU for each step."""
_SCHEDULER = "ttsp"
"""Name of our scheduler among transformers' own."""


@dataclass(frozen=True, slots=True)
class Task:
    """A request that is ready to run."""

    request: TextRequest
    prompt: list[int]
    max_tokens: int
    """Of each answer."""
    grammars: Sequence[Any]
    """What makes each answer follow the request's schema; empty without one."""


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Tokens of an answer, or its failure."""

    index: int
    tokens: Sequence[int] = ()
    logprobs: Sequence[TokenLogprob] = ()
    ended: bool = False
    error: str | None = None
    """The message for its reader."""


Emit = Callable[[TokenBatch], None]
Stop = Callable[[], None]


def can_batch(loaded: LoadedModel) -> bool:
    """Return whether answers may be decoded together: continuous batching keeps its cache on one device."""
    return loaded.parameters.continuous_batching and len(_devices(loaded)) == 1


def _devices(loaded: LoadedModel) -> set[torch.device]:
    return {parameter.device for parameter in loaded.model.parameters()}


def start_batching(loaded: LoadedModel, context_length: int, slots: int) -> Any:
    """Start transformers' continuous batching with room for all slots' contexts, and return its manager.

    From then on only one caller may compute at a time: a `generate()` whose steps overlap those of continuous
    batching writes a different text (24 of 24 times in a trial with small weights, transformers 5.24).
    """
    loaded.model.forward = _one_at_a_time(loaded.model.forward)
    SCHEDULER_MAPPING[_SCHEDULER] = _Scheduler
    defaults = GenerationConfig(
        do_sample=True,
        eos_token_id=sorted(loaded.ends) or [-1],
        pad_token_id=min(loaded.ends, default=0),
    )
    tokens = max(slots, loaded.parameters.batch_tokens)
    pages = slots * -(-context_length // PAGE) + 1
    manager = loaded.model.init_continuous_batching(
        generation_config=defaults,
        continuous_batching_config=ContinuousBatchingConfig(
            page_size=PAGE,
            num_blocks=pages,
            max_batch_tokens=tokens,
            max_requests_per_batch=slots,
            scheduler_type=_SCHEDULER,
            **_graphs(loaded, tokens, pages * PAGE),
        ),
    )
    manager.logit_processor = sampling(loaded.parameters.top_k)
    manager.output_router.output_queue = _Dropped()
    with torch.inference_mode():
        manager.start()
    return manager


def _graphs(loaded: LoadedModel, tokens: int, cache: int) -> dict[str, Any]:
    """Return the options that make one GPU replay recorded steps of up to `tokens`, with a `cache` of tokens.

    A GPU reads a model's weights in a few milliseconds, too few for Python to start all its kernels.
    A step takes as long as the next larger recorded one: few sizes waste time in each step, many take long to
    record (0.1 s each). The next step is prepared meanwhile, unless that needs a copy of a large mask.
    """
    (device,) = _devices(loaded)
    if device.type != "cuda" or not loaded.parameters.cuda_graphs:
        return {"use_cuda_graph": False}
    return {
        "use_cuda_graph": True,
        "q_padding_interval_size": max(16, tokens // (2 * _GRAPHS)),
        "kv_padding_interval_size": max(512, cache // _GRAPHS),
        "use_async_batching": tokens * (cache + tokens) * loaded.model.dtype.itemsize <= _MASK,
    }


def broken(manager: Any) -> str | None:
    """Return the error that ended the manager's thread; None while it runs."""
    error = manager.background_thread_status.fatal_error
    return None if error is None else _failed(error)


def _one_at_a_time(function: Callable[..., Any]) -> Callable[..., Any]:
    lock = Lock()

    @wraps(function)  # generate() reads the names of the arguments
    def locked(*arguments: Any, **options: Any) -> Any:
        with lock:
            return function(*arguments, **options)

    return locked


def is_plain(request: TextRequest) -> bool:
    """Return whether continuous batching can write the answers: it has temperature, top-k and top-p only."""
    special = request.schema is not None or request.logprobs is not None
    penalised = request.frequency_penalty or request.presence_penalty
    return not (special or penalised or (request.seed is not None and request.temperature > 0))


def write_in_batch(
    manager: Any, name: str, loaded: LoadedModel, task: Task, index: int, emit: Emit, done: Callable[[], None]
) -> Stop:
    """Start an answer by continuous batching under a unique `name`; return the function that stops it.

    Raises:
        EngineStoppedError: the manager has broken. Nothing was started, and `done` is not called.
    """
    sent, ended = 0, False

    def end() -> None:
        nonlocal ended
        if not ended:
            ended = True
            manager.output_router.result_handlers.pop(name, None)
            done()

    def take(output: Any) -> None:
        nonlocal sent
        if ended:
            return
        tokens, sent = output.generated_tokens[sent:], len(output.generated_tokens)
        error = None if output.error is None else _failed(output.error)
        emit(TokenBatch(index, tokens, ended=output.is_finished(), error=error))
        if output.is_finished():
            end()

    def stop() -> None:
        if not ended:
            manager.cancel_request(name)
            end()

    manager.register_result_handler(name, take)
    accepted = manager.add_request(
        task.prompt,
        request_id=name,
        max_new_tokens=task.max_tokens,
        streaming=True,
        eos_token_id=sorted(loaded.ends) or [-1],
        temperature=float(task.request.temperature),
        top_p=float(task.request.top_p),
    )
    if accepted is None:
        manager.output_router.result_handlers.pop(name, None)
        raise EngineStoppedError(broken(manager) or _failed("its thread is stopping"))
    return stop


def write_alone(
    threads: Executor, loaded: LoadedModel, task: Task, index: int, emit: Emit, done: Callable[[], None]
) -> Stop:
    """Start an answer by a `generate()` of its own in a thread; return the function that stops it."""
    loop, stopped = asyncio.get_running_loop(), _Stopped()
    choice = Choice(task.request, index, len(task.prompt), loaded)

    def put(token: int) -> None:
        logprobs, choice.logprobs = choice.logprobs, []
        loop.call_soon_threadsafe(emit, TokenBatch(index, [token], logprobs))

    def generate() -> None:
        prompt = torch.tensor([task.prompt], device=loaded.model.device)
        with torch.inference_mode():
            loaded.model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                generation_config=GenerationConfig(
                    max_new_tokens=task.max_tokens,
                    do_sample=False,
                    eos_token_id=sorted(loaded.ends) or None,
                    pad_token_id=min(loaded.ends, default=0),
                ),
                logits_processor=[*task.grammars[index : index + 1], choice],
                stopping_criteria=[stopped],
                streamer=_Streamer(put),
            )

    def end(call: "asyncio.Future[None]") -> None:
        error = None if call.cancelled() else call.exception()
        emit(TokenBatch(index, ended=True, error=None if error is None else _failed(error)))
        done()

    loop.run_in_executor(threads, generate).add_done_callback(end)
    return stopped.set


def _failed(error: object) -> str:
    return f"transformers failed: {error or repr(error)}"


def batch_name(request: TextRequest, number: int) -> str:
    """Return a unique name for an answer of continuous batching, which says whose it is."""
    return f"{request.tenant or ''}/{number}"


class _Scheduler(FIFOScheduler):  # type: ignore[misc]
    """Keeps tenants apart, and ends a cancelled request so that the running step does nothing more with it.

    Pages of a prompt are used for other prompts that begin alike, whoever sent them: transformers 5.24 knows
    no tenants. So once a second tenant has come, no page is looked for, and none is offered.

    Where the next step is prepared meanwhile, transformers 5.24 frees the pages of a cancelled request and
    then looks for them (KeyError), which ends the thread that writes all answers.
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._tenants: set[str] = set()
        """The first two."""

    def _infer_request_tokens(self, state: RequestState, request_ids: set[str]) -> list[int]:
        if len(self._tenants) < 2:
            self._tenants.add(state.request_id.rpartition("/")[0])
        if len(self._tenants) > 1:
            self.cache.use_prefix_sharing = False
        tokens: list[int] = super()._infer_request_tokens(state, request_ids)
        return tokens

    def clear_cancelled_requests(self) -> list[RequestState]:
        cancelled: list[RequestState] = super().clear_cancelled_requests()
        for state in cancelled:
            state.status = RequestStatus.FINISHED
        return cancelled


class _Dropped(Queue[Any]):
    """Keeps nothing: what arrives here is the rest of an answer that was stopped."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Drop it."""


class _Stopped(StoppingCriteria):  # type: ignore[misc]
    """Ends a `generate()` after the current token, once it is set."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._is_set, dtype=torch.bool, device=input_ids.device)


class _Streamer(BaseStreamer):  # type: ignore[misc]
    """Passes each token on; the first value that `generate()` puts is the prompt."""

    def __init__(self, put: Callable[[int], None]) -> None:
        self._put = put
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if self._prompt_seen:
            self._put(int(value))
        self._prompt_seen = True

    def end(self) -> None:
        """Do nothing: the end of the thread is reported elsewhere."""
