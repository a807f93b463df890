"""What `ttsp top` shows, worked out of two scrapes: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tts_app.desk.scrapes import Scrape, Span

_FIRST = {"speech": "ray_ttsp_speech_first_audio_seconds", "text": "ray_ttsp_text_first_token_seconds"}
"""By the kind of a model: seconds to the first audio or token."""


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """A model now. None: nothing says so, or no two exports of its processes were seen in the span."""

    model: str
    kind: str
    """`speech` or `text`."""
    ready: bool | None
    running: int
    waiting: int
    waiting_background: int
    """Of those that wait, those of batches."""
    requests_per_second: float | None
    failures_per_second: float | None
    shed_per_second: float | None
    wait_p95_seconds: float | None
    first_p50_seconds: float | None
    """To the first audio or token."""
    first_p95_seconds: float | None
    fairness_ratio: float | None
    audio_per_second: float | None
    """Seconds of audio that the engine made a second."""
    compute_ratio: float | None
    """Seconds that replicas computed a second, all together: 1 is one replica without a pause."""
    batch_segments: float | None
    """Segments a call, on average."""
    padding_ratio: float | None
    """Median of the share of a call's frames that is padding."""
    memory_bytes: float | None
    """Of all its replicas, in the host's and the GPUs' memory."""


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """The batches of the API."""

    batches: Mapping[str, int]
    """How many there are now, by state."""
    items_open: Mapping[str, int]
    """Items of running batches, by state."""
    items_per_second: float | None
    failures_per_second: float | None
    eta_seconds: float | None
    """Until the last running batch ends."""
    oldest_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """A node of the Ray cluster."""

    node: str
    cpu_ratio: float | None
    memory_ratio: float | None
    gpu_ratio: float | None
    gpu_memory_ratio: float | None


@dataclass(frozen=True, slots=True)
class StorageFigures:
    """The file system of a store. Of several gateways, that with the least free share."""

    free_bytes: float
    free_ratio: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything."""

    span_seconds: float
    """What happened is counted over so long."""
    models: Sequence[ModelFigures]
    batches: BatchFigures
    nodes: Sequence[NodeFigures]
    governor: Mapping[str, float]
    """How busy the nodes are for those who admit work, by resource, 0-1."""
    http_requests_per_second: float | None
    refusals_per_second: Mapping[str, float]
    """By reason."""
    storage: Mapping[str, StorageFigures]
    """By store."""


def figures(span: Span) -> Figures:
    """Return what a span shows."""
    now = span.now
    reasons = now.values_of("reason", ("ray_ttsp_refusals_total",))
    refused = {reason: span.rate("ray_ttsp_refusals_total", reason=reason) for reason in reasons}
    resources = now.values_of("resource", ("ray_ttsp_governor_utilization_ratio",))
    busy = {
        name: now.largest("ray_ttsp_governor_utilization_ratio", resource=name) or 0.0 for name in resources
    }
    return Figures(
        span_seconds=span.seconds,
        models=[_model(span, kind, name) for kind in _FIRST for name in _models(span, kind)],
        batches=_batches(span),
        nodes=[_node(span, name) for name in now.values_of("ip", ("ray_node_cpu_utilization",))],
        governor=busy,
        http_requests_per_second=span.rate("ray_ttsp_http_requests_total"),
        refusals_per_second={reason: rate for reason, rate in refused.items() if rate},
        storage=_storage(now),
    )


def _models(span: Span, kind: str) -> list[str]:
    """Return the names of models: those that the gateway knows, and those that had a request."""
    found = {
        name
        for metric in ("ray_ttsp_model_ready", "ray_ttsp_queue_running", "ray_ttsp_queue_waiting")
        for labels in map(dict, span.now.samples.get(metric, {}))
        if labels.get("kind") == kind and (name := labels.get("model"))
    }
    return sorted(found)


def _model(span: Span, kind: str, model: str) -> ModelFigures:
    now, of_kind = span.now, {"kind": kind, "model": model}
    ready = now.largest("ray_ttsp_model_ready", **of_kind)
    first = _FIRST[kind]
    # Not the histogram's sum: Ray estimates that from its buckets.
    segments = span.increase("ray_ttsp_engine_segments_total", model=model)
    calls = span.increase("ray_ttsp_engine_batch_segments_count", model=model)
    return ModelFigures(
        model=model,
        kind=kind,
        ready=None if ready is None else ready > 0,
        running=_whole(now.sum("ray_ttsp_queue_running", **of_kind)),
        waiting=_whole(now.sum("ray_ttsp_queue_waiting", **of_kind)),
        waiting_background=_whole(now.sum("ray_ttsp_queue_waiting", **of_kind, priority="background")),
        requests_per_second=span.rate(f"ray_ttsp_{kind}_requests_total", model=model),
        failures_per_second=span.rate(f"ray_ttsp_{kind}_failures_total", model=model),
        shed_per_second=span.rate("ray_ttsp_queue_shed_total", **of_kind),
        wait_p95_seconds=span.quantile(0.95, "ray_ttsp_queue_wait_seconds", **of_kind),
        first_p50_seconds=span.quantile(0.5, first, model=model),
        first_p95_seconds=span.quantile(0.95, first, model=model),
        fairness_ratio=now.largest("ray_ttsp_queue_fairness_ratio", **of_kind),
        audio_per_second=span.rate("ray_ttsp_engine_audio_seconds_total", model=model),
        compute_ratio=span.rate("ray_ttsp_engine_compute_seconds_total", model=model),
        batch_segments=segments / calls if segments is not None and calls else None,
        padding_ratio=span.quantile(0.5, "ray_ttsp_engine_padding_ratio", model=model),
        memory_bytes=now.sum("ray_ttsp_engine_memory_bytes", model=model),
    )


def _batches(span: Span) -> BatchFigures:
    now = span.now
    return BatchFigures(
        batches=_by_state(span, "ray_ttsp_batches"),
        items_open=_by_state(span, "ray_ttsp_batch_items_open"),
        items_per_second=span.rate("ray_ttsp_batch_items_total"),
        failures_per_second=span.rate("ray_ttsp_batch_items_total", outcome="failed"),
        eta_seconds=now.largest("ray_ttsp_batch_eta_seconds"),
        oldest_age_seconds=now.largest("ray_ttsp_batch_oldest_age_seconds"),
    )


def _storage(now: Scrape) -> Mapping[str, StorageFigures]:
    sizes = now.samples.get("ray_ttsp_storage_size_bytes", {})
    found: dict[str, StorageFigures] = {}
    for labels, free in now.samples.get("ray_ttsp_storage_free_bytes", {}).items():
        size, store = sizes.get(labels), dict(labels).get("store")
        if not size or store is None:
            continue
        figures = StorageFigures(free, free / size)
        found[store] = min(found.get(store, figures), figures, key=lambda one: one.free_ratio)
    return dict(sorted(found.items()))


def _by_state(span: Span, name: str) -> Mapping[str, int]:
    return {state: _whole(span.now.sum(name, state=state)) for state in span.now.values_of("state", (name,))}


def _node(span: Span, node: str) -> NodeFigures:
    now, of_node = span.now, {"ip": node}
    cpu = now.largest("ray_node_cpu_utilization", **of_node)
    gpus = now.samples.get("ray_node_gpus_utilization", {})
    busy = [value for labels, value in gpus.items() if dict(labels).get("ip") == node]
    used, free = (now.sum(f"ray_node_gram_{part}", **of_node) for part in ("used", "available"))
    return NodeFigures(
        node=node,
        cpu_ratio=None if cpu is None else cpu / 100,
        memory_ratio=_ratio(
            now.largest("ray_node_mem_used", **of_node), now.largest("ray_node_mem_total", **of_node)
        ),
        gpu_ratio=sum(busy) / len(busy) / 100 if busy else None,
        gpu_memory_ratio=_ratio(used, None if used is None or free is None else used + free),
    )


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _whole(value: float | None) -> int:
    return round(value or 0)
