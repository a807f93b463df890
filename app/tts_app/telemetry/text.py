"""Figures of a text replica whose engine does not publish its own, under vLLM's names where vLLM has them.

Ray allows no `:` in a name any more: `vllm:prompt_tokens_total` is `ray_vllm_prompt_tokens_total` here, as it
is where vLLM itself runs on Ray.
"""

import time
from typing import Any, Self

from ray.serve.metrics import Counter, Gauge, Histogram

from tts_app.engines.text import Delta, TextEngine, Usage

_FLUSH = 1.0
"""Seconds between two writes of the counts: one write per token would cost more than sending the token."""
_OBSERVED = 1000
"""Most gaps between tokens that are observed in that time; further ones are left out."""
_FIRST = [
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    20.0,
    40.0,
]
_GAP = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
_LATENCY = [0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0]


class TextEngineMetrics:
    """What one replica's engine writes, and how fast. Make one per replica; for one event loop."""

    def __init__(self, model: str, engine: TextEngine) -> None:
        """Publish the figures of `engine`, which does not publish them itself, as the model's."""
        self._engine = engine
        tags = {"model_name": model}
        keys: Any = ("model_name",)
        self._first = Histogram(
            "vllm_time_to_first_token_seconds",
            "Seconds to the first token.",
            boundaries=_FIRST,
            tag_keys=keys,
        )
        self._gap = Histogram(
            "vllm_inter_token_latency_seconds",
            "Seconds between tokens; at most a thousand gaps a second are observed.",
            boundaries=_GAP,
            tag_keys=keys,
        )
        self._latency = Histogram(
            "vllm_e2e_request_latency_seconds", "Seconds a request.", boundaries=_LATENCY, tag_keys=keys
        )
        self._prompt = Counter("vllm_prompt_tokens", "Tokens read.", tag_keys=keys)
        self._generated = Counter("vllm_generation_tokens", "Tokens written.", tag_keys=keys)
        self._running = Gauge("vllm_num_requests_running", "Answers being written.", tag_keys=keys)
        self._waiting = Gauge("vllm_num_requests_waiting", "Answers that wait in the engine.", tag_keys=keys)
        self._cache = Gauge("vllm_kv_cache_usage_perc", "Share of the cache in use, 0 to 1.", tag_keys=keys)
        self._ended = Counter(
            "vllm_request_success", "Requests by how they ended.", tag_keys=(*keys, "finished_reason")
        )
        for metric in (
            *(self._first, self._gap, self._latency, self._prompt, self._generated),
            *(self._running, self._waiting, self._cache, self._ended),
        ):
            metric.set_default_tags(dict(tags))  # Serve adds its own tags to the dict that it gets
        self._written = 0
        self._observed = 0
        self._due = 0.0

    def first(self, seconds: float) -> None:
        """Record that a first token came after `seconds`."""
        self._first.observe(seconds)

    def tokens(self, number: int, gap: float | None) -> None:
        """Count written tokens, `gap` seconds after the last ones of their answer."""
        self._written += number
        if gap is not None and number and self._observed < _OBSERVED:
            self._observed += 1
            self._gap.observe(gap / number)
        if time.monotonic() >= self._due:
            self.flush()

    def ended(self, usage: Usage | None, seconds: float, reason: str) -> None:
        """Record that a request ended after `seconds`; it has no `usage` where it was cancelled or failed."""
        if usage is not None:
            self._prompt.inc(max(0, usage.prompt))
            self._latency.observe(seconds)
        self._ended.inc(1, tags={"finished_reason": reason})
        self.flush()

    def flush(self) -> None:
        """Send Ray the counts, and how busy the engine is."""
        self._due = time.monotonic() + _FLUSH
        self._observed = 0
        if self._written:
            self._generated.inc(self._written)
            self._written = 0
        if (load := self._engine.load_now) is not None:
            self._running.set(load.running)
            self._waiting.set(load.waiting)
            self._cache.set(load.cache)


class Recorder:
    """A context manager that watches one request's deltas, for `metrics` where there are any."""

    def __init__(self, metrics: TextEngineMetrics | None) -> None:
        self._metrics = metrics
        self._started = time.monotonic()
        self._last: dict[int, float] = {}
        """When something of each answer was last written."""
        self._usage: Usage | None = None
        self._finish: str = "stop"
        self.tokens = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._metrics is not None:
            self._metrics.ended(self._usage, time.monotonic() - self._started, self.reason)

    @property
    def reason(self) -> str:
        """How the request ended: `abort` where it was cancelled or failed."""
        return "abort" if self._usage is None else self._finish

    def delta(self, delta: Delta) -> bool:
        """Record `delta`; return whether it was the first."""
        now = time.monotonic()
        first = not self._last
        last = self._last.get(delta.index)
        if self._metrics is not None:
            if first:
                self._metrics.first(now - self._started)
            self._metrics.tokens(delta.tokens, None if last is None else now - last)
        self._last[delta.index] = now
        self._usage = delta.usage or self._usage
        self._finish = delta.finish or self._finish
        self.tokens += delta.tokens
        return first
