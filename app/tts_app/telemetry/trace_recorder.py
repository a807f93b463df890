"""Records traces with OpenTelemetry, and sends them to a collector: what `traces` does where they are on."""

import asyncio
import atexit
import os
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from contextvars import Token
from threading import Thread
from typing import Self, TypeVar

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes as AnyAttributes

from tts_app import __version__
from tts_app.telemetry.traces import NOTHING, Attributes, Carrier, Span, Tracing

OUR_SCOPE = "tts_app"
"""Name of our own spans' instrumentation scope."""
SERVE_SCOPE = "ray.serve._private.tracing_utils"
"""That of Ray Serve's spans."""
_SERVE_WITHIN = ("replica_handle_request", "route_to_replica")
"""How the names begin of Serve's spans that are within a request."""
_SERVE_ATTRIBUTES = frozenset(
    {"app", "call_method", "deployment", "is_streaming", "replica_id", "request_method", "request_type"}
)
"""What is kept of Serve's spans: others may hold what a caller wrote, such as the path of a request."""
_SERVE_WORDS = 3
"""Words of a name of Serve's that are kept, as `proxy_http_request Gateway POST`: then the path follows."""
_END_SECONDS = 3.0
"""How long the end of a process waits for its spans to be sent."""
_W3C = TraceContextTextMapPropagator()
_NOTHING_AROUND = Context()

Item = TypeVar("Item")


class Recorder:
    """The spans of one process."""

    def __init__(self, component: str, ratio: float, processor: SpanProcessor) -> None:
        """Record as `component`; `processor` gets the spans that have ended."""
        resource = Resource({"service.namespace": "tts-playground"}).merge(
            Resource.create(
                {
                    "service.name": component,
                    "service.version": __version__,
                    "host.name": socket.gethostname(),
                    "process.pid": os.getpid(),
                }
            )
        )
        self.provider = TracerProvider(_Sampler(ratio), resource, shutdown_on_exit=False)
        self.provider.add_span_processor(processor)
        self._tracer = self.provider.get_tracer(OUR_SCOPE, __version__)

    def entry(
        self,
        name: str,
        carrier: Mapping[str, str],
        attributes: Attributes | None,
        *,
        serves: bool,
        begins: bool,
        cause: Carrier,
    ) -> Span:
        """See `traces.entry`. Serve's own span, where it has one for this request, is the parent."""
        around = contexts.get_current() if _sampled(trace.get_current_span()) else _NOTHING_AROUND
        if around is _NOTHING_AROUND and carrier:
            around = _W3C.extract(carrier, _NOTHING_AROUND)
        if not begins and not _sampled(trace.get_current_span(around)):
            return NOTHING
        links = [Link(trace.get_current_span(_W3C.extract(cause)).get_span_context())] if cause else ()
        kind = SpanKind.SERVER if serves else SpanKind.INTERNAL
        return _recorded(self._tracer.start_span(name, around, kind, attributes, links))

    def span(self, name: str, attributes: Attributes | None) -> Span:
        """See `traces.span`."""
        if not self.is_recording():
            return NOTHING
        return _Recorded(self._tracer.start_span(name, attributes=attributes))

    def resumed(self, carrier: Carrier) -> Span:
        """See `traces.resumed`."""
        if self.is_recording():
            return NOTHING
        found = trace.get_current_span(_W3C.extract(carrier, _NOTHING_AROUND))
        return _Remote(found) if _sampled(found) else NOTHING

    def shared_call(self, name: str, callers: Sequence[Span], attributes: Attributes | None) -> Span:
        """See `traces.shared_call`."""
        served = [caller.span for caller in callers if isinstance(caller, _Recorded)]
        if not served:
            return NOTHING
        around = trace.set_span_in_context(served[0], _NOTHING_AROUND)
        links = [Link(one.get_span_context()) for one in served]
        call = self._tracer.start_span(name, around, SpanKind.INTERNAL, attributes, links)
        for one in served:
            if one.is_recording():  # else its caller has left
                one.add_link(call.get_span_context())
        return _Recorded(call)

    def current(self) -> Span:
        """See `traces.current`."""
        return _recorded(trace.get_current_span())

    def is_recording(self) -> bool:
        """Return whether the current task's trace is recorded."""
        return _sampled(trace.get_current_span())

    def trace_id(self) -> str:
        """See `traces.trace_id`."""
        found = trace.get_current_span()
        return trace.format_trace_id(found.get_span_context().trace_id) if _sampled(found) else ""

    def flush(self) -> None:
        """See `traces.flush`."""
        self.provider.force_flush()

    def during(
        self, name: str, attributes: Attributes, items: AsyncGenerator[Item, None]
    ) -> AsyncGenerator[Item, None]:
        """Return `items`, each made within a new span of the one that is current now; it ends with them."""
        return self._during(name, attributes, items, contexts.get_current())

    async def _during(
        self, name: str, attributes: Attributes, items: AsyncGenerator[Item, None], around: Context
    ) -> AsyncGenerator[Item, None]:
        span = _Recorded(self._tracer.start_span(name, around, attributes=attributes))
        with ExitStack() as stack:
            stack.push(lambda _kind, error, _trace: span.ended_by(error))
            try:
                while True:
                    with _current(span):
                        try:
                            item = await anext(items)
                        except StopAsyncIteration:
                            return
                    yield item
            finally:
                with _current(span):
                    await items.aclose()


def recorder_of(component: str, tracing: Tracing) -> Recorder:
    """Return a recorder that sends to the collector of the environment, and is the process's provider."""
    exporter = WithoutText(OTLPSpanExporter())
    recorder = Recorder(component, tracing.ratio, BatchSpanProcessor(exporter))
    trace.set_tracer_provider(recorder.provider)
    atexit.register(_end, recorder, exporter)
    return recorder


def _end(recorder: Recorder, exporter: "WithoutText") -> None:
    """Send what is recorded before the process ends; for a collector that is away, wait only a moment."""
    sending = Thread(target=recorder.flush, daemon=True)
    sending.start()
    sending.join(_END_SECONDS)
    exporter.shutdown()  # it tries no more
    recorder.provider.shutdown()


class _Recorded:
    """A span that may be sampled; see `traces.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self.span = span
        self._token: Token[Context] | None = None

    def set(self, attributes: Attributes) -> None:
        self.span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        self.span.update_name(name)

    def failed(self, reason: str) -> None:
        self.span.set_attribute("error.type", reason)
        self.span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        self.span.end()

    @property
    def carrier(self) -> Carrier:
        carrier: Carrier = {}
        _W3C.inject(carrier, trace.set_span_in_context(self.span, _NOTHING_AROUND))
        return carrier

    @property
    def response_header(self) -> str:
        return self.carrier["traceparent"]

    def ended_by(self, error: BaseException | None) -> None:
        """End it; of an error, the type alone is recorded, for its message may hold a user's text."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.span.set_attribute("ttsp.abandoned", True)
        elif error is not None:
            self.failed(f"{type(error).__module__}.{type(error).__qualname__}")
        self.span.end()

    def __enter__(self) -> Self:
        self._token = contexts.attach(trace.set_span_in_context(self.span))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if self._token is not None:
            contexts.detach(self._token)
        self.ended_by(error)


class _Remote(_Recorded):
    """The span of another process, which is not ended here."""

    def ended_by(self, error: BaseException | None) -> None:
        pass


def _current(span: _Recorded) -> AbstractContextManager[trace.Span]:
    """Return a block whose current span is `span`, which does not end with it."""
    return trace.use_span(span.span, record_exception=False, set_status_on_exception=False)


class _Sampler(Sampler):
    """Records a share of the traces that begin here, and those that callers record.

    A trace never begins with one of Serve's spans within a request: in a replica Serve asks for one also if
    the request is not recorded in the process that it came from.
    """

    def __init__(self, ratio: float) -> None:
        self._sampler = ParentBased(TraceIdRatioBased(ratio))

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: AnyAttributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide about a span."""
        is_first = not trace.get_current_span(parent_context).get_span_context().is_valid
        if is_first and name.startswith(_SERVE_WITHIN):
            return SamplingResult(Decision.DROP)
        return self._sampler.should_sample(parent_context, trace_id, name, kind, attributes, links)

    def get_description(self) -> str:
        """Return what it is called in messages."""
        return "the share of traces, or as their parent"


class WithoutText(SpanExporter):
    """Exports our spans as they are, of Serve's what cannot hold a user's text, and no other library's."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._closed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans to the collector; none any more once it is shut down."""
        if self._closed:
            return SpanExportResult.FAILURE
        safe = [cleaned for span in spans if (cleaned := _without_text(span)) is not None]
        return self._exporter.export(safe) if safe else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the exporter. Idempotent."""
        if not self._closed:
            self._closed = True
            self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what the exporter still holds."""
        return self._exporter.force_flush(timeout_millis)


def _without_text(span: ReadableSpan) -> ReadableSpan | None:
    scope = span.instrumentation_scope.name if span.instrumentation_scope else ""
    if scope == OUR_SCOPE:
        return span
    if scope != SERVE_SCOPE:
        return None
    kept = {name: value for name, value in (span.attributes or {}).items() if name in _SERVE_ATTRIBUTES}
    for event in span.events:  # an exception, whose message may hold a part of the text
        kept["error.type"] = str((event.attributes or {}).get("exception.type", "unknown"))
    return ReadableSpan(
        name=" ".join(span.name.split(" ")[:_SERVE_WORDS]),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=kept,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _sampled(span: trace.Span) -> bool:
    context = span.get_span_context()
    return context.is_valid and context.trace_flags.sampled


def _recorded(span: trace.Span) -> Span:
    return _Recorded(span) if _sampled(span) else NOTHING
