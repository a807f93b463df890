"""`ttsp support-bundle`: what somebody needs who helps, in one file, without texts and secrets."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tts_app.cli.console import FAILED, err, fail, settings_of
from tts_app.cli.top import Metrics, Url, playground_addresses, running_playground

if TYPE_CHECKING:
    from tts_app.desk.bundle import Entry

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to write. Default: ttsp-support-<time>.tar.gz here."),
]


def support_bundle(
    output: Output = None,
    url: Url = "",
    metrics: Metrics = "",
) -> None:
    """Pack versions, settings, state, metrics and logs of a playground for somebody who helps.

    No text of a caller and no secret is in it. Run it with TTSP_STATE_DIR, and what else of
    TTSP_* the playground has.
    """
    from tts_app.desk.collect import of_playground

    settings = settings_of()
    running = running_playground(settings)
    pack(output, of_playground(settings, running, *playground_addresses(settings, running, url, metrics)))


def pack(output: Path | None, entries: Iterable["Entry"]) -> None:
    """Write a bundle and print what it holds."""
    from tts_app.desk.bundle import write

    path = output or Path(f"ttsp-support-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    try:
        held = write(path, entries)
    except FileExistsError:
        fail(f"{path} exists: name another file with --output.", FAILED)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror or error}.", FAILED)
    for entry in held:
        err.print(f"{entry.name}: {entry.about}", markup=False, soft_wrap=True)
    err.print(
        "It has names of models, pods and tenants, and ids of requests: read it before you give it away."
    )
    typer.echo(path)
