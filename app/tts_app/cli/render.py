"""`ttsp render`: a batch on this machine, or as a job on a cluster."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from tts_app.cli.console import FAILED, INTERRUPTED, WRONG_USAGE, err, fail
from tts_app.manifests import ManifestError, embedded_posts

_EXIT_CODES = {"Succeeded": 0, "PartiallyFailed": FAILED, "Failed": FAILED, "Stopped": INTERRUPTED}

_OPERATOR = "Set by the operator"
"""Heading, in the help, of options that only jobs on a cluster have."""


def render(
    file: Annotated[
        list[Path] | None,
        typer.Option(
            "--file",
            "-f",
            help="YAML with one TTSJob, VoiceModels and the ConfigMap of its posts, or a folder of YAML; "
            "repeatable. Default: the embedded posts and models.",
        ),
    ] = None,
    posts: Annotated[
        str, typer.Option(help="Posts to speak, in place of the job's: a file or an address.")
    ] = "",
    output: Annotated[str, typer.Option(help="Folder of the audio, in place of the job's.")] = "",
    locales: Annotated[
        list[str] | None,
        typer.Option(
            help="Locales to speak, in place of the job's, such as en-US,es-ES; repeatable. Default: all."
        ),
    ] = None,
    genders: Annotated[
        list[str] | None,
        typer.Option(
            help="Genders to speak with, in place of the job's: female,male; repeatable. Default: both."
        ),
    ] = None,
    on_missing_text: Annotated[
        Literal["fail", "skip"] | None,
        typer.Option(
            help="Where a post has no text for a locale, in place of the job's: fail before anything is "
            "rendered (the default), or skip that file."
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse posts with fields that a post does not have. Default: keep these aside, in "
            "kept_aside.jsonl.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the names of the files, one a line, and an estimate; render nothing."
        ),
    ] = False,
    price: Annotated[
        float, typer.Option(min=0, help="Price of an hour of the machine: the estimate then has the cost.")
    ] = 0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Retry what failed in an earlier run.")
    ] = False,
    archive: Annotated[bool, typer.Option("--archive", help="Also write audio.zip.")] = False,
    utilisation: Annotated[
        float | None,
        typer.Option(min=0.05, max=1, help="Share of the machine to use at most. Default: 0.8."),
    ] = None,
    speaker: Annotated[
        str,
        typer.Option(
            help="engine: load the models; service: call the replicas of a running service.",
            rich_help_panel=_OPERATOR,
        ),
    ] = "engine",
    place: Annotated[
        list[str] | None,
        typer.Option(
            help="MODEL=RESOURCE: the Ray resource of a model's nodes, repeatable.", rich_help_panel=_OPERATOR
        ),
    ] = None,
    uid: Annotated[
        str,
        typer.Option(
            help="Identifies the job: what failed in an earlier job of its name is retried.",
            rich_help_panel=_OPERATOR,
        ),
    ] = "",
    goes_on: Annotated[
        bool,
        typer.Option(
            "--goes-on",
            help="The batch was started before, so wait for an output that is missing.",
            rich_help_panel=_OPERATOR,
        ),
    ] = False,
    config_maps: Annotated[
        Path,
        typer.Option(help="Folder of ConfigMaps, as <name>/<key>. They may also be in YAML beside the job."),
    ] = Path("config-maps"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the progress as JSON, a line a second.")
    ] = False,
) -> None:
    """Render a batch of posts into audio files. Run it again to resume."""
    from tts_app.batch.command import BatchError, Changes, Command
    from tts_app.batch.config_maps import mounted
    from tts_app.batch.options import SPEAKERS
    from tts_app.cli.render_batch import refused, render_batch
    from tts_app.manifests import load_batch, yaml_files
    from tts_app.serving.embedded_ray import ServingError
    from tts_app.settings import Settings

    places = [entry.partition("=") for entry in place or ()]
    try:
        if speaker not in SPEAKERS:
            raise BatchError(f"Unknown --speaker {speaker!r}. Allowed: {', '.join(SPEAKERS)}.")
        if not all(model and resource for model, _, resource in places):
            raise BatchError("--place is MODEL=RESOURCE.")
        files = yaml_files(file or ())
        job, models = load_batch(files)
        command = Command(
            job=job,
            models=models,
            config_maps=config_maps,
            node_resource={model: resource for model, _, resource in places},
            speaker=speaker,
            uid=uid,
            retry_failed=retry_failed,
            resume=goes_on,
            archive=archive,
            utilisation=utilisation or Settings().batch_utilisation,
        ).changed(
            Changes(
                posts=posts or ("" if files else str(embedded_posts())),
                output=output,
                locales=locales or (),
                genders=genders or (),
                on_missing_text=on_missing_text or "",
                strict=strict,
            )
        )
        with mounted(command.job, files, config_maps) as folder:
            command = replace(command, config_maps=folder)
            state = render_batch(command, err, typer.echo, as_json=as_json, dry_run=dry_run, price=price)
    except (ManifestError, BatchError) as error:
        if as_json:
            typer.echo(refused(str(error)))
        fail(str(error), WRONG_USAGE)
    except ServingError as error:
        fail(str(error), FAILED)
    raise typer.Exit(_EXIT_CODES[state])
