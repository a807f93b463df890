"""`ttsp say` and `ttsp voices`: speech without a server, and the list of voices."""

import asyncio
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tts_app.audio.formats import FORMATS
from tts_app.catalogue import Catalogue, UnknownVoiceError
from tts_app.cli.console import WRONG_USAGE, VoiceFiles, err, fail, progress, reported
from tts_app.manifests import ManifestError, load_voice_models
from tts_app.resources import VoiceModel


class Markup(StrEnum):
    """What markup a text has."""

    text = "text"
    markdown = "markdown"
    ssml = "ssml"


class Addresses(StrEnum):
    """What is said of a bare web address."""

    say = "say"
    domain = "domain"
    skip = "skip"


def say(
    text: Annotated[str, typer.Argument(help="What to say; - reads standard input.")],
    voice: Annotated[
        str, typer.Option("--voice", "-v", help="An avatar, see `ttsp voices`.")
    ] = "female_en-US",
    output: Annotated[Path, typer.Option("--output", "-o", help="Audio file; - is standard output.")] = Path(
        "speech.mp3"
    ),
    format: Annotated[  # noqa: A002
        str | None, typer.Option(help="Audio format. Default: by the file's extension, else mp3.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Tempo, 0.25 to 4; pitch stays.")] = 1.0,
    volume: Annotated[float, typer.Option(min=0, max=2, help="Factor of the loudness; 0 is silence.")] = 1.0,
    input_format: Annotated[
        Markup, typer.Option("--input-format", help="What markup the text has: docs/reading.md.")
    ] = Markup.text,
    urls: Annotated[Addresses, typer.Option(help="What is said of bare web addresses.")] = Addresses.say,
    normalize: Annotated[
        bool, typer.Option(help="Read markup, numbers and signs; --no-normalize speaks the text as it is.")
    ] = True,
    file: VoiceFiles = None,
) -> None:
    """Speak a text into an audio file. No server is needed."""
    from tts_app.cli.say import say as speak_into
    from tts_app.speech import SPEEDS, SpeechOptions

    to_stdout = str(output) == "-"
    name = format or ("" if to_stdout else output.suffix.lstrip(".").lower()) or "mp3"
    if name not in FORMATS:
        fail(f"Unknown format {name!r}. Allowed: {', '.join(FORMATS)}.", WRONG_USAGE)
    if not SPEEDS[0] <= speed <= SPEEDS[1]:
        fail(f"--speed must be {SPEEDS[0]} to {SPEEDS[1]:g}, not {speed:g}.", WRONG_USAGE)
    models = _models(file)
    try:
        chosen = Catalogue(models).find(voice)
    except UnknownVoiceError as error:
        fail(str(error), WRONG_USAGE)
    spoken = sys.stdin.read() if text == "-" else text
    options = SpeechOptions(
        name,
        speed,
        volume=volume,
        input_format=input_format.value,
        urls=urls.value,
        normalize=normalize,
    )
    model = next(m for m in models if m.name == chosen.model)
    with reported(), progress() as show:
        seconds = asyncio.run(speak_into(model, chosen, spoken, None if to_stdout else output, options, show))
    if not to_stdout:
        err.print(f"{output}: {seconds:.1f} s of {chosen.id}")


def voices(
    language: Annotated[str | None, typer.Option(help="Only this language, such as ar.")] = None,
    locale: Annotated[str | None, typer.Option(help="Only this locale, such as ar-EG.")] = None,
    gender: Annotated[str | None, typer.Option(help="female or male.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array, as the API gives it.")] = False,
    file: VoiceFiles = None,
) -> None:
    """List the avatars with their locale, quality and licence."""
    found = Catalogue(_models(file)).select(language, locale, gender)
    if not found:
        fail("No voice matches. `ttsp voices` lists them all.", WRONG_USAGE)
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


def _models(paths: list[Path] | None) -> list[VoiceModel]:
    try:
        return load_voice_models(paths or ())
    except ManifestError as error:
        fail(str(error), WRONG_USAGE)


def _row(voice: dict[str, Any]) -> list[str]:
    measured = voice["measured"]
    note = voice["approximation"] or ""
    figures = (_error_rate(measured), _dnsmos(measured))
    return [voice["id"], voice["quality"], *figures, voice["license"]["spdx"], note]


def _error_rate(measured: dict[str, Any] | None) -> str:
    if measured is None or measured["plain"] is None:
        return "not measured"
    published = " (published)" if measured["source"] == "published" else ""
    return f"{measured['metric'].upper()} {measured['plain']:.1%}{published}"


def _dnsmos(measured: dict[str, Any] | None) -> str:
    return "-" if measured is None or measured["dnsmos"] is None else f"{measured['dnsmos']:.1f}"
