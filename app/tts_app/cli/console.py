"""What the commands share: how they end, report errors and show progress."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

if TYPE_CHECKING:
    from tts_app.settings import Settings

FAILED = 1
WRONG_USAGE = 2
NO_MODEL = 3
INTERRUPTED = 130

err = Console(stderr=True, highlight=False)

VoiceFiles = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", help="YAML with VoiceModels, repeatable. Default: the embedded sample."),
]
TextFiles = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", help="YAML with TextModels, repeatable. Default: the embedded sample."),
]
ModelFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--file",
        "-f",
        help="YAML with VoiceModels and TextModels, repeatable. Default: the embedded samples.",
    ),
]


def fail(message: str, code: int) -> NoReturn:
    """End the command with `code`, saying why."""
    err.print(f"ttsp: {message}", style="red", markup=False)
    raise typer.Exit(code)


def settings_of(**given: Any) -> "Settings":
    """Return the settings, the environment's and those `given`; end the command if one is not valid."""
    from pydantic import ValidationError

    from tts_app.settings import Settings

    try:
        return Settings(**given)
    except ValidationError as error:
        faults = "; ".join(
            # A fault of several settings together has no place, and names them itself.
            f"TTSP_{str(e['loc'][0]).upper()}: {e['msg']}"
            if e["loc"]
            else e["msg"].removeprefix("Value error, ")
            for e in error.errors()
        )
        fail(f"A setting is not valid. {faults}.", WRONG_USAGE)


@contextmanager
def reported() -> Iterator[None]:
    """Turn errors that a user can fix into one line and an exit code."""
    from tts_app.engines.base import EngineError
    from tts_app.sources import SourceError
    from tts_app.speech import TextError

    try:
        yield
    except BrokenPipeError:  # the reader of our output has closed it: typer ends the command
        raise
    except SourceError as error:
        fail(str(error), NO_MODEL)
    except TextError as error:
        fail(str(error), WRONG_USAGE)
    except (EngineError, OSError) as error:
        fail(str(error), FAILED)


def steps() -> Callable[[str], None]:
    """Return a function that prints a step of long work on a line, with the seconds since this call."""
    started = time.monotonic()

    def tell(step: str) -> None:
        err.print(f"{time.monotonic() - started:5.1f} s  {step}", markup=False, soft_wrap=True)

    return tell


@contextmanager
def progress() -> Iterator[Any]:
    """Yield a download progress callback: bars on a terminal, elsewhere a line for each file."""
    if not err.is_terminal:
        announced: set[str] = set()

        def announce(name: str, done: int, total: int | None) -> None:
            if name not in announced:
                announced.add(name)
                err.print(f"fetching {name}" + (f" ({total / 1e6:.1f} MB)" if total else ""))

        yield announce
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def advance(name: str, done: int, total: int | None) -> None:
            task = tasks.setdefault(name, None) or bars.add_task(name, total=total)
            tasks[name] = task
            bars.update(task, completed=done, total=total)

        yield advance


@contextmanager
def json_progress() -> Iterator[Any]:
    """Yield a download progress callback that prints the total bytes of all files, at most once a second.

    If the block ends well, a last line has the final total. The operator reads these lines.
    """
    files: dict[str, tuple[int, int | None]] = {}
    printed = 0.0

    def tell() -> None:
        done = sum(have for have, _ in files.values())
        totals = [total for _, total in files.values()]
        whole = sum(total or 0 for total in totals) if totals and None not in totals else None
        typer.echo(json.dumps({"bytes": done, "total_bytes": whole}))

    def advance(name: str, done: int, total: int | None) -> None:
        nonlocal printed
        files[name] = (done, total)
        if time.monotonic() - printed >= 1:
            printed = time.monotonic()
            tell()

    yield advance
    tell()
