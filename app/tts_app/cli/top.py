"""`ttsp top`: models, queues, batches and utilisation, again and again."""

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tts_app.cli.console import FAILED, fail, settings_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from tts_app.desk.figures import Figures, ModelFigures
    from tts_app.desk.scrapes import Scrape, Span
    from tts_app.desk.sources import Source, Standing
    from tts_app.serving.running import Running
    from tts_app.settings import Settings

_LEAST_SPAN = 60.0
"""Seconds over which rates are taken, once the command has run for so long: Ray's processes export new
figures only every ten seconds."""
_EXPORTS = 3
"""Exports of each process that `--once` waits for: the more, the less it matters when they were seen."""
_PATIENCE = 30.0
"""Seconds for which `--once` waits for them: a process in which nothing happens exports nothing new."""

Url = Annotated[
    str,
    typer.Option(
        help="Address of the playground; TTSP_API_KEY holds its key. Default: by TTSP_PORT, or of the "
        "playground that runs with TTSP_STATE_DIR."
    ),
]
Metrics = Annotated[
    str,
    typer.Option(
        help="Address of Ray's metrics. Default: by TTSP_METRICS_PORT, or of the playground that runs with "
        "TTSP_STATE_DIR."
    ),
]
Once = Annotated[
    bool,
    typer.Option(
        "--once", help="Print once and end: when three exports of Ray's processes were seen, or after 30 s."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object each time.")]
Interval = Annotated[float, typer.Option(min=1, max=600, help="Seconds between two scrapes.")]
Prometheus = Annotated[
    str, typer.Option(help="Address of a Prometheus that scrapes it, to be asked instead: http://host:9090.")
]
Selector = Annotated[
    str, typer.Option(help='With --prometheus: matchers of labels, such as namespace="speech".')
]


def top(
    url: Url = "",
    metrics: Metrics = "",
    prometheus: Prometheus = "",
    selector: Selector = "",
    interval: Interval = 5,
    once: Once = False,
    as_json: AsJson = False,
) -> None:
    """Show models, queues, batches and utilisation of a running playground. Ctrl-C ends it."""
    from tts_app.desk.sources import PlaygroundSource, PrometheusSource

    if prometheus:
        show(PrometheusSource(prometheus, selector), interval, once=once, as_json=as_json)
        return
    settings = settings_of()
    running = running_playground(settings)
    api, exported = playground_addresses(settings, running, url, metrics)
    if running is not None and not running.is_alive and (api, exported) == (running.url, running.metrics):
        fail(
            f"The playground of {settings.state} (process {running.pid}) has ended without a word: nothing "
            "answers. Start it again with `ttsp serve`, or name another one with --url and --metrics.",
            FAILED,
        )
    key = settings.api_key.get_secret_value() if settings.api_key else None
    show(PlaygroundSource(api, exported, key), interval, once=once, as_json=as_json)


def running_playground(settings: "Settings") -> "Running | None":
    """Return what the playground of the state folder says of itself; end the command if it is no sense."""
    from tts_app.serving.running import RunningError, read

    try:
        return read(settings.state)
    except RunningError as error:
        fail(str(error), FAILED)


def playground_addresses(
    settings: "Settings", running: "Running | None", url: str, metrics: str
) -> tuple[str, str]:
    """Return the addresses of a playground's API and metrics.

    They are those given, else those of variables that are set, else those that the playground of the state
    folder wrote, else those that it has by default.
    """
    scheme = "https" if settings.tls_cert else "http"
    api = f"{scheme}://127.0.0.1:{settings.port}"
    exported = f"http://127.0.0.1:{settings.metrics_port or 8090}/metrics"
    if running is not None:
        api = api if "port" in settings.model_fields_set else running.url
        exported = exported if "metrics_port" in settings.model_fields_set else running.metrics
    return url.rstrip("/") or api, metrics or exported


def show(source: "Source", interval: float, *, once: bool, as_json: bool) -> None:
    """Print what `source` says, once or until Ctrl-C: live on a terminal, elsewhere block after block."""
    if as_json:
        _each(source, interval, once, lambda *found: typer.echo(_json(*found)))
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    if once or not console.is_terminal:
        # A pipe has no width: as wide as the tables need.
        wide = console if console.is_terminal else Console(highlight=False, width=200)
        _each(source, interval, once, lambda *found: wide.print(_page(*found)))
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        _each(source, interval, once, lambda *found: live.update(_page(*found), refresh=True))


def _each(
    source: "Source", interval: float, once: bool, take: Callable[["Figures", "Standing"], None]
) -> None:
    """Give `take` the figures of each scrape but the first."""
    from tts_app.desk.figures import figures
    from tts_app.desk.sources import SourceError

    try:
        for span in _spans(source, interval):
            if once and not _is_enough(span):
                continue
            standing = source.standing()
            take(figures(span), standing)
            sys.stdout.flush()
            if once:
                return
    except SourceError as error:
        fail(str(error), FAILED)
    except KeyboardInterrupt:
        return


def _is_enough(span: "Span") -> bool:
    """Return whether a span shows rates, or goes on for so long that nothing more is to be expected."""
    seen = [len(scrapes) for scrapes in span.exports.values()]
    return span.seconds >= _PATIENCE or (bool(seen) and min(seen) >= _EXPORTS)


def _spans(source: "Source", interval: float) -> Iterator["Span"]:
    """Yield a span at each scrape but the first: from one that is `_LEAST_SPAN` old, or from the first."""
    from tts_app.desk.scrapes import Span

    scrapes: deque[Scrape] = deque([source.scrape()])
    while True:
        time.sleep(interval)
        scrapes.append(source.scrape())
        while len(scrapes) > 2 and scrapes[-1].seconds - scrapes[1].seconds >= _LEAST_SPAN:
            scrapes.popleft()
        yield Span(tuple(scrapes))


def _json(found: "Figures", standing: "Standing") -> str:
    return json.dumps({**asdict(found), **asdict(standing)})


def _page(found: "Figures", standing: "Standing") -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(note, style="red") for note in standing.notes]
    if not found.models:
        parts.append(Text("No model reports anything yet.", style="yellow"))
    parts += [_models(found, standing), _queues(found), _engines(found), _nodes(found)]
    parts += [Text(line) for line in (*(f"job {job}" for job in standing.jobs), *_lines(found))]
    return Group(*parts)


def _models(found: "Figures", standing: "Standing") -> "RenderableType":
    table = _table("MODEL", "KIND", "READY", "REQ/S", "FAIL/S", "FIRST P50", "P95")
    for model in found.models:
        table.add_row(
            model.model,
            model.kind,
            _ready(model, standing),
            _number(model.requests_per_second),
            _number(model.failures_per_second),
            _seconds(model.first_p50_seconds),
            _seconds(model.first_p95_seconds),
        )
    return table


def _ready(model: "ModelFigures", standing: "Standing") -> str:
    """Return whether a model can be used, and answers: a replica that is only busy can, and does not."""
    if model.model in standing.busy:
        return "busy"
    if model.model in standing.unready:
        return "no"
    return {True: "yes", False: "no", None: "-"}[model.ready]


def _engines(found: "Figures") -> "RenderableType":
    table = _table("ENGINE OF", "AUDIO S/S", "COMPUTE", "BATCH", "PADDING", "MEMORY")
    for model in found.models:
        table.add_row(
            model.model,
            _number(model.audio_per_second),
            _percent(model.compute_ratio),
            _number(model.batch_segments),
            _percent(model.padding_ratio),
            "-" if model.memory_bytes is None else f"{model.memory_bytes / 1e6:.0f} MB",
        )
    return table


def _queues(found: "Figures") -> "RenderableType":
    table = _table("QUEUE", "RUNNING", "WAITING", "OF BATCHES", "WAIT P95", "SHED/S", "FAIRNESS")
    for model in found.models:
        table.add_row(
            model.model,
            str(model.running),
            str(model.waiting),
            str(model.waiting_background),
            _seconds(model.wait_p95_seconds),
            _number(model.shed_per_second),
            _number(model.fairness_ratio),
        )
    return table


def _nodes(found: "Figures") -> "RenderableType":
    table = _table("NODE", "CPU", "MEMORY", "GPU", "GPU MEMORY")
    for node in found.nodes:
        ratios = (node.cpu_ratio, node.memory_ratio, node.gpu_ratio, node.gpu_memory_ratio)
        table.add_row(node.node, *map(_percent, ratios))
    return table


def _lines(found: "Figures") -> Iterator[str]:
    batches = found.batches
    states = ", ".join(f"{number} {state}" for state, number in batches.batches.items() if number) or "none"
    items = ", ".join(f"{number} {state}" for state, number in batches.items_open.items() if number)
    yield f"batches: {states}" + "".join(
        f"; {what}"
        for what in (
            f"items {items}" if items else "",
            f"{_number(batches.items_per_second)} items/s" if batches.items_per_second else "",
            f"{_number(batches.failures_per_second)} failed/s" if batches.failures_per_second else "",
            f"done in about {_seconds(batches.eta_seconds)}" if batches.eta_seconds else "",
            f"the oldest is {_seconds(batches.oldest_age_seconds)} old" if batches.oldest_age_seconds else "",
        )
        if what
    )
    refused = ", ".join(f"{reason} {_number(rate)}/s" for reason, rate in found.refusals_per_second.items())
    yield f"http: {_number(found.http_requests_per_second)} requests/s; refused: {refused or 'none'}"
    if found.governor:
        yield "governor: " + ", ".join(f"{name} {_percent(ratio)}" for name, ratio in found.governor.items())
    if found.storage:
        yield "storage: " + ", ".join(
            f"{store} {_percent(one.free_ratio)} free ({one.free_bytes / 1e9:.1f} GB)"
            for store, one in found.storage.items()
        )
    yield f"rates over {found.span_seconds:.0f} s at most; - : nothing happened, or nothing new is reported"


def _table(*headings: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        table.add_column(
            heading, justify="left" if place == 0 or heading == "KIND" else "right", no_wrap=True
        )
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.0f}%"
