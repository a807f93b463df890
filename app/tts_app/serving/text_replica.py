"""The text deployment: one TextModel's engine behind a Ray Serve handle.

A call of `write` is a request and lasts until its answer is written. The text is sent through `listen`, the
connection that each gateway has to this replica, many answers in a message (decision 11).
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from pydantic import BaseModel, ConfigDict

from tts_app.engines.registry import text_engine
from tts_app.engines.text import EngineError, EngineStoppedError, TextCapabilities, TextEngine, TextRequest
from tts_app.resources import Source
from tts_app.serving.frames import Frame, StreamMux, end, frame
from tts_app.serving.gc_tuning import tune
from tts_app.settings import Settings
from tts_app.sources import fetch
from tts_app.telemetry import traces
from tts_app.telemetry.about import Carried, about
from tts_app.telemetry.logs import log, set_up
from tts_app.telemetry.metrics.build import BuildMetrics
from tts_app.telemetry.metrics.engine import MemoryMetrics
from tts_app.telemetry.process import memory_of_process
from tts_app.telemetry.text import Recorder, TextEngineMetrics

CONNECTION_SECONDS = 60.0
"""How long a gateway's connection is kept without a request: far longer than the gateway keeps it."""
FAILURES = 3
"""Requests in a row on which the engine may break down before Serve is asked to restart the replica."""


class TextArgs(BaseModel):
    """What the Serve config passes to a model's application."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    engine: str
    source: Source
    quantization: str
    context_length: int
    slots: int
    parameters: dict[str, Any] = {}
    """The engine's own parameters; it validates them."""


class Text:
    """A replica of a TextModel's engine."""

    def __init__(
        self, given: TextArgs | Mapping[str, Any], connection_seconds: float = CONNECTION_SECONDS
    ) -> None:
        self._connection_seconds = connection_seconds
        args = TextArgs.model_validate(given)
        settings = Settings()
        set_up(f"text-{args.model}", settings.log_level, settings.log_dir, model=args.model)
        started = time.perf_counter()
        self._engine = _load(args)
        tune()
        self._memory, self._build = MemoryMetrics(args.model), BuildMetrics()
        published = self._engine.load_now is None
        self._metrics = None if published else TextEngineMetrics(args.model, self._engine)
        self._muxes: dict[str, StreamMux] = {}
        self._failures = 0
        seconds = round(time.perf_counter() - started, 2)
        log("text model loaded", engine=args.engine, slots=args.slots, seconds=seconds)

    def check_health(self) -> None:
        """Show how busy the engine is, also while it is idle, and the memory of the process.

        Serve calls it every ten seconds. An error makes it restart the replica.

        Raises:
            EngineError: the engine is broken, or breaks down on every request.
        """
        self._memory.show(memory_of_process())
        self._build.show()
        if self._metrics is not None:
            self._metrics.flush()
        if self._engine.broken is not None:
            raise EngineError(f"The engine is broken. {self._engine.broken}")
        if self._failures >= FAILURES:
            raise EngineError(f"The engine has broken down under {self._failures} requests in a row.")

    async def describe(self) -> TextCapabilities:
        """Return what the engine can do."""
        return self._engine.capabilities

    async def listen(self, connection: str) -> AsyncGenerator[list[Frame], None]:
        """Yield what is written for `connection`, until it has had no request for a while."""
        mux = self._muxes.setdefault(connection, StreamMux())
        mux.listened_to = True
        try:
            async for message in mux.messages(self._connection_seconds):
                yield message
        finally:
            self._muxes.pop(connection, None)

    async def write(
        self,
        connection: str,
        number: int,
        request: TextRequest,
        work: Carried | None = None,
        trace: traces.Carrier | None = None,
    ) -> None:
        """Write the answer to the request `number` into `connection`; a cancelled call stops the writing.

        `work` is what the caller works for, for the log; `trace` is the caller's.

        Raises:
            ContextLengthError, EngineError: the engine refuses the request.
            EngineStoppedError: the engine was closed, or broke.
        """
        with about(work), traces.resumed(trace):
            await self._write(connection, number, request)

    async def _write(self, connection: str, number: int, request: TextRequest) -> None:
        mux = self._muxes.setdefault(connection, StreamMux())
        mux.requests += 1
        try:
            with traces.span("engine") as span, Recorder(self._metrics) as recorder:
                async with aclosing(self._engine.generate(request)) as deltas:
                    async for delta in deltas:
                        first = recorder.delta(delta)
                        mux.put(frame(number, delta), urgent=first)
                span.set({"ttsp.tokens": recorder.tokens})
            mux.put(end(number), urgent=True)
            self._failures = 0
        except EngineStoppedError as error:
            self._failed(error)
            raise
        except EngineError:
            raise
        except Exception as error:
            self._failed(error)
            raise
        finally:
            mux.requests -= 1
            if not mux.listened_to:  # its connection has not come yet, or has ended
                asyncio.get_running_loop().call_later(self._connection_seconds, self._forget, connection, mux)
            log("answer ended", tokens=recorder.tokens, reason=recorder.reason)

    def _forget(self, connection: str, mux: StreamMux) -> None:
        """Drop a mux that no connection reads."""
        if not mux.listened_to and self._muxes.get(connection) is mux:
            del self._muxes[connection]

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        log("text engine failed", error=error)

    def __del__(self) -> None:
        """Release the engine when Serve stops the replica."""
        if hasattr(self, "_engine"):
            self._engine.close()


def _load(args: TextArgs) -> TextEngine:
    engine = text_engine(args.engine)
    files = fetch(args.source, engine.hub_patterns(args.quantization))
    return engine.load(files, args.quantization, args.context_length, args.slots, args.parameters)
