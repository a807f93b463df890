"""`ttsp logs` and `kubectl ttsp logs`: lines of all processes of a playground, in the order of time."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tts_app.cli.cluster import Context, Kubeconfig, Namespace, Service
from tts_app.cli.console import FAILED, WRONG_USAGE, fail, settings_of

if TYPE_CHECKING:
    from tts_app.desk.log_sources import Line
    from tts_app.telemetry.log_lines import Wanted

_AGO = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Request = Annotated[str, typer.Option(help="Lines of this request: the `x-request-id` of its answer.")]
Batch = Annotated[str, typer.Option(help="Lines of this batch: its id, or a TTSJob's name.")]
Item = Annotated[int | None, typer.Option(min=0, help="Lines of this item of a batch: its number.")]
Speech = Annotated[str, typer.Option(help="Lines of this stored speech: speech_...")]
Tenant = Annotated[str, typer.Option(help="Lines of this tenant.")]
Model = Annotated[str, typer.Option(help="Lines about this model.")]
Component = Annotated[
    str, typer.Option(help="Lines of one component: gateway, voice-kokoro, batch-driver, operator ...")
]
Level = Annotated[
    str,
    typer.Option(
        help="Lines of this level and more serious ones: DEBUG, INFO, WARNING, ERROR, CRITICAL. "
        "WARNING shows errors too."
    ),
]
Since = Annotated[
    str, typer.Option(help="Only lines that are no older: 30s, 10m, 2h, 1d, or a moment in ISO 8601.")
]
Follow = Annotated[bool, typer.Option("--follow", help="Go on with lines as they come, until Ctrl-C.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the lines as JSON.")]


def logs(
    request: Request = "",
    batch: Batch = "",
    item: Item = None,
    speech: Speech = "",
    tenant: Tenant = "",
    model: Model = "",
    component: Component = "",
    level: Level = "",
    since: Since = "",
    follow: Follow = False,
    as_json: AsJson = False,
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder of the logs. Default: TTSP_LOG_DIR, or `logs` in the state"),
    ] = None,
) -> None:
    """Print log lines of all processes on this machine, in the order of time."""
    from tts_app.desk.log_sources import folder_lines

    fields = {"request_id": request, "batch": batch, "speech": speech, "tenant": tenant, "model": model}
    wanted = _wanted(since, item, level, component=component, **fields)
    if folder is None:
        settings = settings_of()
        folder = settings.log_dir or settings.state / "logs"
    with _reported():
        if follow:
            _follow(folder, wanted, as_json)
        _print_found(folder_lines(folder), wanted, as_json, str(folder))


def cluster_logs(
    service: Service = "",
    request: Request = "",
    batch: Batch = "",
    item: Item = None,
    speech: Speech = "",
    tenant: Tenant = "",
    model: Model = "",
    component: Component = "",
    level: Level = "",
    since: Since = "",
    follow: Follow = False,
    as_json: AsJson = False,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Print log lines of the pods of services, TTSJobs and the operator, in the order of time.

    With --follow, those of different pods come as they are read. --service leaves TTSJobs and the operator
    out.
    """
    from tts_app.desk.kubectl import SERVICE_LABEL, Kubectl
    from tts_app.desk.log_sources import SELECTOR, pod_lines

    fields = {"request_id": request, "batch": batch, "speech": speech, "tenant": tenant, "model": model}
    wanted = _wanted(since, item, level, component=component, **fields)
    selector = f"{SELECTOR},{SERVICE_LABEL}={service}" if service else SELECTOR
    lines = pod_lines(Kubectl(context, kubeconfig, namespace), selector, _written(wanted.since), follow)
    with _reported():
        if follow:
            for line in lines:
                _print([line], wanted, as_json)
        else:
            _print_found(lines, wanted, as_json, f"the pods of {namespace or 'the namespace'}")


def _wanted(since: str, item: int | None, level: str, **fields: str) -> "Wanted":
    """Return what is asked for: those of `fields` that are given count."""
    from tts_app.telemetry.log_lines import LEVELS, Wanted

    if level and level.upper() not in LEVELS:
        fail(f"--level {level!r}: give one of {', '.join(LEVELS)}.", WRONG_USAGE)
    given = {name: value for name, value in fields.items() if value}
    if item is not None:
        given["item"] = str(item)
    return Wanted(given, _moment(since), level.upper())


def _print_found(lines: Iterable["Line"], wanted: "Wanted", as_json: bool, where: str) -> None:
    if not _print(lines, wanted, as_json):
        asked = [f"{name} {value}" for name, value in wanted.fields.items()]
        asked += [f"level {wanted.level} or a more serious one"] if wanted.level else []
        fail(f"No line in {where} has {', '.join(asked) or 'what was asked for'}.", FAILED)


def _follow(folder: Path, wanted: "Wanted", as_json: bool) -> NoReturn:
    """Print what is there, then what comes, until Ctrl-C."""
    from tts_app.desk.log_sources import FollowedFolder

    with FollowedFolder(folder) as followed:
        for lines in followed.lines():
            _print(lines, wanted, as_json)
    raise AssertionError("the files are followed for ever")


def _print(lines: Iterable["Line"], wanted: "Wanted", as_json: bool) -> int:
    """Print the lines that are wanted, in the order of time; return how many."""
    from tts_app.telemetry.log_lines import moment, shown

    entries = sorted(_entries(lines, wanted), key=moment)
    for entry in entries:
        typer.echo(json.dumps(entry, ensure_ascii=True) if as_json else shown(entry, wanted.fields))
    return len(entries)


def _entries(lines: Iterable["Line"], wanted: "Wanted") -> Iterator[dict[str, Any]]:
    from tts_app.telemetry.log_lines import read

    for line in lines:
        entry = read(line.text) if wanted.may_have(line.text) else None
        if entry is not None and wanted.has(entry):
            yield {**entry, **({"pod": line.pod} if line.pod else {})}


@contextmanager
def _reported() -> Iterator[None]:
    from tts_app.desk.kubectl import KubectlError
    from tts_app.desk.log_sources import LogSourceError

    try:
        yield
    except (LogSourceError, KubectlError) as error:
        fail(str(error), FAILED)


def _moment(given: str) -> datetime | None:
    """Return the moment that `--since` means; end the command if it means none."""
    if not given:
        return None
    if ago := _AGO.fullmatch(given):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        fail(f"--since {given!r}: give 30s, 10m, 2h or 1d, or a moment as 2026-11-30T20:00:00Z.", WRONG_USAGE)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _written(moment: datetime | None) -> str:
    """Return a moment as kubectl reads it; nothing for none."""
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
