"""`ttsp serve`: the playground on this machine."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tts_app.catalogue import Catalogue
from tts_app.cli.console import FAILED, ModelFiles, fail, reported, settings_of, steps
from tts_app.cli.models import fetch_files, models_of
from tts_app.resources import TextModel, VoiceModel


def serve(
    file: ModelFiles = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; beyond loopback callers must need a key.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on.")] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate in PEM: the API speaks TLS.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Private key of the certificate, in PEM.")
    ] = None,
) -> None:
    """Start the playground on an embedded Ray. Ctrl-C stops it."""
    from tts_app.serving.embedded import serve as serve_embedded
    from tts_app.serving.embedded_ray import ServingError

    given = {"host": host, "port": port, "tls_cert": tls_cert, "tls_key": tls_key}
    settings = settings_of(**{name: value for name, value in given.items() if value is not None})
    models = models_of(file)
    fetch_files(models)
    with reported():
        try:
            serve_embedded(models, settings, progress=steps(), ready=partial(_invite, models))
        except ServingError as error:
            fail(str(error), FAILED)


def _invite(models: Sequence[VoiceModel | TextModel], url: str) -> None:
    """Print what to try, one line each."""
    json_body = "-H 'Content-Type: application/json' -d"
    voice = next(iter(Catalogue(m for m in models if isinstance(m, VoiceModel))), None)
    if voice is not None:
        body = json.dumps({"model": voice.model, "voice": voice.id, "input": "Hello from the playground!"})
        typer.echo(f"speak   curl {url}/v1/audio/speech {json_body} '{body}' -o hello.mp3")
    if any(isinstance(model, TextModel) for model in models):
        typer.echo(f"chat    ttsp chat --url {url}")
    if voice is not None:
        typer.echo(f"voices  {url}/voices")
    typer.echo(f"docs    {url}/docs    (Ctrl-C stops the playground)")
