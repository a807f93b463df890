"""The text model of a command: in this process, or in a running playground."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tts_app.cli.console import WRONG_USAGE, fail, progress, settings_of
from tts_app.manifests import ManifestError, load_text_models
from tts_app.resources import TextModel

if TYPE_CHECKING:
    from tts_app.engines.text import Writer

ModelName = Annotated[str | None, typer.Option("--model", help="Name of the model, where there are several.")]
Url = Annotated[
    str | None,
    typer.Option(help="A running playground, to write with its models; TTSP_API_KEY holds its key."),
]


@contextmanager
def writer_of(
    runner: asyncio.Runner, file: list[Path] | None, model: str | None, url: str | None
) -> Iterator["Writer"]:
    """Yield the writer that a command's options name, for the loop of `runner`.

    Raises:
        SourceError, EngineError: the model cannot be fetched, loaded or reached.
    """
    if url is not None:
        if file:
            fail("--url and --file exclude each other: a running playground has its own models.", WRONG_USAGE)
        from tts_app.engines.remote import RemoteWriter

        key = settings_of().api_key
        remote = runner.run(RemoteWriter.connect(url, key.get_secret_value() if key else None, model))
        try:
            yield remote
        finally:
            runner.run(remote.aclose())
        return
    from tts_app.engines.loading import load_text_model

    chosen = _chosen(file, model)
    with progress() as show:
        engine = load_text_model(chosen, show)
    try:
        yield engine
    finally:
        engine.close()


def _chosen(file: list[Path] | None, name: str | None) -> TextModel:
    try:
        models = load_text_models(file or ())
    except ManifestError as error:
        fail(str(error), WRONG_USAGE)
    names = ", ".join(model.name for model in models)
    if name is None and len(models) > 1:
        fail(f"Which model should write? Name it with --model: {names}.", WRONG_USAGE)
    for model in models:
        if name in (None, model.name):
            return model
    fail(f"There is no TextModel {name!r}. There is: {names}.", WRONG_USAGE)
