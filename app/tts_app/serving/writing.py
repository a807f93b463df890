"""Writing as a service: the text models, their admission, and what is recorded about an answer."""

import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace

from tts_app.engines.text import Delta, TextCapabilities, TextRequest, Usage
from tts_app.fair_queue import NO_WEIGHTS
from tts_app.resources import TextModel
from tts_app.serving.client import ModelUnavailableError
from tts_app.serving.failures import failure_of
from tts_app.serving.models import ServedModels
from tts_app.serving.text_client import TextClient
from tts_app.telemetry import traces
from tts_app.telemetry.logs import log
from tts_app.telemetry.metrics.labels import Kind, Priority
from tts_app.telemetry.metrics.queue import QueueMetrics
from tts_app.telemetry.metrics.text import TextMetrics


def _told(_service: object, tenant: str, model: str, _request: TextRequest) -> traces.Attributes:
    """Return what the span of an answer tells."""
    return {"ttsp.tenant": tenant, "ttsp.model": model}


class TextService:
    """What the API writes with. For one event loop."""

    def __init__(self, queue: int, metrics: TextMetrics, weights: Mapping[str, int] = NO_WEIGHTS) -> None:
        self._metrics = metrics
        self.served: ServedModels[TextModel, TextClient] = ServedModels(
            queue, TextClient, metrics, QueueMetrics(Kind.TEXT), weights
        )

    @property
    def models(self) -> list[TextModel]:
        """The models served, by name."""
        return self.served.resources

    def reconfigure(self, resources: Iterable[TextModel]) -> None:
        """Serve these models from now on. What is being written is not disturbed."""
        self.served.reconfigure(resources)
        log("text models", models=[model.name for model in self.models])

    async def capabilities(self, model: str) -> TextCapabilities:
        """Return what a model can do, for a request; without an answer, record that the request failed.

        Raises:
            UnknownModelError: no such model.
            ModelUnavailableError: it does not answer; the message says why.
        """
        served = self.served.find(model)
        try:
            capabilities: TextCapabilities = await served.capabilities()
        except ModelUnavailableError as error:
            self._metrics.failed(model, Priority.INTERACTIVE, failure_of(error))
            raise
        return capabilities

    @traces.traced("text", _told)
    async def write(self, tenant: str, model: str, request: TextRequest) -> AsyncGenerator[Delta, None]:
        """Write for a caller of `tenant` who waits.

        When this ends or is closed, the slot is free and the engine stops.

        Raises:
            UnknownModelError: no such model.
            OverloadedError: the model's queue is full.
            ContextLengthError, EngineError: the engine refuses the request.
            ModelUnavailableError: the model does not answer, or was lost while it wrote.
        """
        served = self.served.find(model)
        started = time.monotonic()
        first: float | None = None
        tokens = 0
        usage: Usage | None = None
        try:
            async with (
                self.served.admitted(tenant, served),
                aclosing(served.client.write(replace(request, tenant=tenant))) as deltas,
            ):
                async for delta in deltas:
                    if first is None:
                        first = time.monotonic() - started
                        self._metrics.first_token(model, first)
                    tokens += delta.tokens
                    usage = delta.usage or usage
                    yield delta
            self._metrics.finished(model, time.monotonic() - started)
        finally:
            log(
                "text written",
                model=model,
                prompt_tokens=usage.prompt if usage else None,
                tokens=tokens,
                finished=usage is not None,
                first=None if first is None else round(first, 4),
                seconds=round(time.monotonic() - started, 4),
            )
