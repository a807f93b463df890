"""`ttsp logs`: lines of all processes of a playground, here or on a cluster, in the order of time."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tts_app.cli.console import FAILED, WRONG_USAGE, fail, settings_of
from tts_app.cli.log_sources import (
    SELECTOR,
    FollowedFolder,
    Line,
    LogSourceError,
    folder_lines,
    pod_lines,
)

if TYPE_CHECKING:
    from tts_app.telemetry.log_lines import Wanted

_AGO = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_CLUSTER = "On a cluster"


def logs(
    request: Annotated[
        str, typer.Option(help="Lines of this request: the `x-request-id` of its answer.")
    ] = "",
    batch: Annotated[str, typer.Option(help="Lines of this batch: its id, or a TTSJob's name.")] = "",
    item: Annotated[
        int | None, typer.Option(min=0, help="Lines of this item of a batch: its number.")
    ] = None,
    speech: Annotated[str, typer.Option(help="Lines of this stored speech: speech_...")] = "",
    tenant: Annotated[str, typer.Option(help="Lines of this tenant.")] = "",
    model: Annotated[str, typer.Option(help="Lines about this model.")] = "",
    component: Annotated[
        str, typer.Option(help="Lines of one component: gateway, voice-kokoro, batch-driver, operator ...")
    ] = "",
    level: Annotated[str, typer.Option(help="Lines of this level: DEBUG, INFO, WARNING, ERROR.")] = "",
    since: Annotated[
        str, typer.Option(help="Only lines that are no older: 30s, 10m, 2h, 1d, or a moment in ISO 8601.")
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with lines as they come, until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the lines as JSON.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder of the logs. Default: TTSP_LOG_DIR, or logs/ in TTSP_STATE_DIR."),
    ] = None,
    namespace: Annotated[
        str,
        typer.Option(
            "--namespace", "-n", help="Read the pods of this namespace, by kubectl.", rich_help_panel=_CLUSTER
        ),
    ] = "",
    selector: Annotated[
        str, typer.Option("--selector", "-l", help="Labels of the pods.", rich_help_panel=_CLUSTER)
    ] = SELECTOR,
    context: Annotated[
        str,
        typer.Option(help="The kubeconfig's context. Default: its current one.", rich_help_panel=_CLUSTER),
    ] = "",
) -> None:
    """Print log lines of all processes, in the order of time. Without options, all of them."""
    from tts_app.telemetry.log_lines import Wanted

    given = {
        "request_id": request,
        "batch": batch,
        "item": "" if item is None else str(item),
        "speech": speech,
        "tenant": tenant,
        "model": model,
        "component": component,
        "level": level.upper(),
    }
    wanted = Wanted({name: value for name, value in given.items() if value}, _moment(since))
    if folder is None and not namespace:
        settings = settings_of()
        folder = settings.log_dir or settings.state / "logs"
    with _reported():
        if namespace:
            lines = pod_lines(namespace, selector, context, _written(wanted.since), follow)
            found = _print_pods(lines, wanted, follow, as_json)
            where = f"the pods of the namespace {namespace!r}"
        else:
            assert folder is not None  # noqa: S101 - set above
            if follow:
                _follow(folder, wanted, as_json)
            found = _print_sorted(folder_lines(folder), wanted, as_json)
            where = str(folder)
    if not found:
        asked = ", ".join(f"{name} {value}" for name, value in wanted.fields.items()) or "what was asked for"
        fail(f"No line in {where} has {asked}.", FAILED)


def _print_pods(lines: Iterable[Line], wanted: "Wanted", follow: bool, as_json: bool) -> int:
    if not follow:
        return _print_sorted(lines, wanted, as_json)
    found = 0
    for line in lines:
        found += _print_sorted([line], wanted, as_json)
    return found


def _follow(folder: Path, wanted: "Wanted", as_json: bool) -> NoReturn:
    """Print what is there, then what comes, until Ctrl-C."""
    with FollowedFolder(folder) as followed:
        for lines in followed.lines():
            _print_sorted(lines, wanted, as_json)
    raise AssertionError("the files are followed for ever")


def _print_sorted(lines: Iterable[Line], wanted: "Wanted", as_json: bool) -> int:
    """Print the lines that are wanted; return how many."""
    from tts_app.telemetry.log_lines import moment, shown

    entries = sorted(_entries(lines, wanted), key=moment)
    for entry in entries:
        typer.echo(json.dumps(entry, ensure_ascii=True) if as_json else shown(entry, wanted.fields))
    return len(entries)


def _entries(lines: Iterable[Line], wanted: "Wanted") -> Iterator[dict[str, Any]]:
    from tts_app.telemetry.log_lines import read

    for line in lines:
        entry = read(line.text) if wanted.may_have(line.text) else None
        if entry is not None and wanted.has(entry):
            yield {**entry, **({"pod": line.pod} if line.pod else {})}


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except LogSourceError as error:
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
    return (
        "" if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
