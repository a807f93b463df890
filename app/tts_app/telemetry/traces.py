"""Traces: what a request waits for and passes through, in all processes; never a user's text.

They are off unless the environment names a collector (OTEL_EXPORTER_OTLP_ENDPOINT). While they are off,
nothing here does more than look at a variable, and OpenTelemetry is not imported.

A trace begins in `entry` alone, where a request, an item of a batch or a reconcile begins; it is sampled
there. Everywhere else `span` adds a span to the trace of the current task, and nothing where that is not
recorded.
"""

import functools
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, Protocol, Self, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tts_app.telemetry.trace_recorder import Recorder

Attributes = Mapping[str, str | int | float | bool]
"""Names and values of a span: figures, and names of things that are ours; never what a caller wrote."""
Carrier = dict[str, str]
"""A span's identity as it travels to another process: the fields of W3C Trace Context; empty for none."""

DEFAULT_RATIO = 0.01
"""Share of traces that is recorded where the environment does not say."""
_SWITCHED_OFF = "OTEL_SDK_DISABLED"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_SAMPLER = "OTEL_TRACES_SAMPLER"
_ARGUMENT = "OTEL_TRACES_SAMPLER_ARG"
_SAMPLERS = ("parentbased_traceidratio", "parentbased_always_on", "parentbased_always_off")

P = ParamSpec("P")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Tracing:
    """Where traces go, and how many."""

    endpoint: str
    ratio: float
    """Share of the traces that begin here, 0 to 1; a caller's own trace is recorded if the caller does so."""


class Span(Protocol):
    """Something that takes time. As a context manager it is its block's current span, and ends with it."""

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""

    def rename(self, name: str) -> None:
        """Give it another name."""

    def failed(self, reason: str) -> None:
        """Record that it failed; `reason` is one word for programs."""

    def end(self) -> None:
        """End it, where it is no context manager."""

    @property
    def carrier(self) -> Carrier:
        """Its identity, for a process that goes on with its trace; empty where it is not recorded."""

    @property
    def response_header(self) -> str:
        """The value of the header `traceresponse`, which tells the caller the trace; else empty."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None: ...


class _Nothing:
    """A span that is not recorded."""

    carrier: Carrier = {}  # noqa: RUF012 - never changed
    response_header = ""

    def set(self, attributes: Attributes) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def failed(self, reason: str) -> None:
        pass

    def end(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


NOTHING: Span = _Nothing()
_recorder: "Recorder | None" = None


def tracing_of(environment: Mapping[str, str]) -> Tracing | None:
    """Return what the environment says of traces, by OpenTelemetry's own variables; None: they are off.

    Raises:
        ValueError: a variable has a value that cannot be followed; the message names it and what is allowed.
    """
    if environment.get(_SWITCHED_OFF, "").strip().lower() == "true":
        return None
    name, endpoint = _first(environment, _ENDPOINTS)
    if not endpoint:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{name} is {endpoint!r}: it must be an address such as http://collector:4318")
    name, protocol = _first(environment, _PROTOCOLS)
    if protocol not in ("", _PROTOCOL):
        raise ValueError(f"{name} is {protocol!r}: only {_PROTOCOL} is spoken, to the collector's port 4318")
    return Tracing(endpoint, _ratio(environment))


def _first(environment: Mapping[str, str], names: Sequence[str]) -> tuple[str, str]:
    """Return the first of the variables that has a value, and its value."""
    return next(((name, value) for name in names if (value := environment.get(name, "").strip())), ("", ""))


def _ratio(environment: Mapping[str, str]) -> float:
    sampler = environment.get(_SAMPLER, "").strip()
    argument = environment.get(_ARGUMENT, "").strip()
    if sampler not in ("", *_SAMPLERS):
        raise ValueError(
            f"{_SAMPLER} is {sampler!r}, allowed: {', '.join(_SAMPLERS)}. A trace is recorded in all "
            "processes or in none, so its beginning decides"
        )
    if sampler == "parentbased_always_on":
        return 1.0
    if sampler == "parentbased_always_off":
        return 0.0
    if not argument:
        return 1.0 if sampler else DEFAULT_RATIO
    try:
        ratio = float(argument)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise ValueError(f"{_ARGUMENT} is {argument!r}: it must be a number from 0 (none) to 1 (all)")
    return ratio


def set_up(component: str) -> None:
    """Record this process's traces, as the environment says; `component` is the process's name in them.

    Raises:
        ValueError: the environment says it wrongly.
    """
    tracing = tracing_of(os.environ)
    if tracing is None or _recorder is not None:
        return
    from tts_app.telemetry.trace_recorder import recorder_of  # noqa: PLC0415 - only where traces are on

    use(recorder_of(component, tracing))


def use(recorder: "Recorder | None") -> None:
    """Record with `recorder` from now on; None: record nothing."""
    global _recorder  # noqa: PLW0603 - one for the process, as the current span is one for the task
    _recorder = recorder


def is_on() -> bool:
    """Return whether this process records traces."""
    return _recorder is not None


def entry(
    name: str,
    carrier: Mapping[str, str] | None = None,
    attributes: Attributes | None = None,
    *,
    serves: bool = False,
    begins: bool = True,
    cause: Carrier | None = None,
) -> Span:
    """Return the first span of this process: it goes on with the trace in `carrier`, or begins one.

    A carrier that is no trace context counts as none. `serves`: somebody waits for an answer. With `begins`
    False there is no span unless a trace goes on. `cause` is a span that led to this one, in another trace.
    """
    if _recorder is None:
        return NOTHING
    return _recorder.entry(name, carrier or {}, attributes, serves=serves, begins=begins, cause=cause or {})


def span(name: str, attributes: Attributes | None = None) -> Span:
    """Return a span within the current one; where that is not recorded, nothing."""
    return NOTHING if _recorder is None else _recorder.span(name, attributes)


def resumed(carrier: Carrier | None) -> Span:
    """Return a block whose spans are in the trace of `carrier`, unless the task is in a trace already."""
    return NOTHING if _recorder is None or not carrier else _recorder.resumed(carrier)


def shared_call(name: str, callers: Sequence[Span], attributes: Attributes | None = None) -> Span:
    """Return the span of one call that serves the segments of many callers.

    It is in the trace of the first of `callers` that is recorded, is linked to the spans of all, and each of
    theirs is linked to it. Other threads may have made the callers' spans.
    """
    return NOTHING if _recorder is None else _recorder.shared_call(name, callers, attributes)


def current() -> Span:
    """Return the current span, for `shared_call` in another thread. It must not be ended there."""
    return NOTHING if _recorder is None else _recorder.current()


def carried() -> Carrier:
    """Return the current span's identity, for a call of another process; empty where it is not recorded."""
    return {} if _recorder is None else _recorder.current().carrier


def trace_id() -> str:
    """Return the id of the current task's trace, 32 hexadecimal digits; empty where it is not recorded."""
    return "" if _recorder is None else _recorder.trace_id()


def flush() -> None:
    """Send what is recorded now: this process may be killed. Blocking."""
    if _recorder is not None:
        _recorder.flush()


def traced(
    name: str, attributes: Callable[..., Attributes]
) -> Callable[[Callable[P, AsyncGenerator[Item, None]]], Callable[P, AsyncGenerator[Item, None]]]:
    """Decorate an asynchronous generator, so that it runs within a span; `attributes` takes its arguments.

    The span is the current one only while the generator runs, not while its reader does.
    """

    def decorate(
        function: Callable[P, AsyncGenerator[Item, None]],
    ) -> Callable[P, AsyncGenerator[Item, None]]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Item, None]:
            items = function(*args, **kwargs)
            if _recorder is None or not _recorder.is_recording():
                return items
            return _recorder.during(name, attributes(*args, **kwargs), items)

        return run

    return decorate
