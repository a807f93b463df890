"""`ttsp`: the playground on the command line.

Exit codes: 0 done, 1 something failed, 2 wrong usage (an unknown voice or format, a file that is not valid,
a text with nothing to speak), 3 the model's files cannot be fetched, 130 interrupted.
"""

import sys
from typing import Annotated

import typer

from tts_app import __version__
from tts_app.cli.audit import audit_app
from tts_app.cli.chat import chat
from tts_app.cli.cluster import cluster_app
from tts_app.cli.console import INTERRUPTED
from tts_app.cli.database import database_app
from tts_app.cli.evaluate import evaluate_model
from tts_app.cli.keys import keys_app
from tts_app.cli.logs import cluster_logs, logs
from tts_app.cli.models import models_app
from tts_app.cli.posts import posts_app
from tts_app.cli.render import render
from tts_app.cli.serve import serve
from tts_app.cli.support_bundle import support_bundle
from tts_app.cli.top import top
from tts_app.cli.usage import usage
from tts_app.cli.voices import say, voices

app = typer.Typer(
    help="Turn text into natural speech, and write text.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (say, voices, chat, serve, render, top, logs, usage):
    app.command()(command)
app.command("support-bundle")(support_bundle)
models_app.command("evaluate")(evaluate_model)
cluster_app.command("logs")(cluster_logs)
app.add_typer(posts_app, name="posts")
app.add_typer(models_app, name="models")
app.add_typer(cluster_app, name="cluster")
app.add_typer(keys_app, name="keys")
app.add_typer(audit_app, name="audit")
app.add_typer(database_app, name="database")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run `ttsp`."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
