"""Runs a batch for `ttsp render`, on an embedded Ray or as a job on a cluster."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tts_app.batch.command import BatchError, Command
from tts_app.batch.outcome import Outcome, Progress, State
from tts_app.batch.plan import Plan, PlanError, no_clones
from tts_app.batch.prepare import prepare
from tts_app.batch.service_clones import GatewayClones
from tts_app.cli.batch_report import estimate_lines, print_summary, progress_reports
from tts_app.resources import TTSJob
from tts_app.settings import Settings
from tts_app.sources.base import claims_folder
from tts_app.storage.output import Output, describe
from tts_app.telemetry import traces
from tts_app.telemetry.logs import set_up

if TYPE_CHECKING:
    from tts_app.batch.driver import Driver
    from tts_app.batch.speakers import GetClips

_FAULTS_REPORTED = 1000
_MESSAGE = 4000
"""Most characters of a message in JSON: a status in Kubernetes has room for them."""


def render_batch(
    command: Command,
    err: Console,
    out: Callable[[str], None],
    *,
    as_json: bool = False,
    dry_run: bool = False,
    price: float = 0.0,
) -> State:
    """Run a batch, print what it will make and its progress, and return how it ended.

    Raises:
        BatchError: the batch is not valid; nothing was rendered.
        ServingError: the embedded Ray does not start; nothing was rendered.
    """
    try:
        traces.set_up("batch-driver")
    except ValueError as error:
        raise BatchError(f"{error}.") from None
    clones = GatewayClones() if command.speaker == "service" else None
    with _claims(command.job, keep=not dry_run):
        try:
            touch = not (dry_run or command.resume)
            plan, output = prepare(
                command.job.spec,
                command.models,
                command.config_maps,
                touch,
                lease_seconds=command.lease_seconds,
                find_clone=clones.find if clones else no_clones,
                commercial=Settings().commercial,
            )
        except PlanError as error:
            raise BatchError(_faults(error)) from error
    try:
        if not as_json or dry_run:
            for line in estimate_lines(plan, output, command, price):
                err.print(line, markup=False, soft_wrap=True)
        if dry_run:
            for item in plan:
                out(item.file)
            return "Succeeded"
        if not as_json:
            err.print("Ctrl-C stops it after the files in hand; the same command resumes it.")
        with _ray(err), progress_reports(plan, err, out, as_json) as report:
            _set_up_logs(as_json)
            ended = asyncio.run(_run(command, plan, output, report, clones.clip if clones else None))
    finally:
        plan.close()
    print_summary(ended, output.url, err, out, as_json)
    return ended.state


def _set_up_logs(as_json: bool) -> None:
    """Log into the folder of the logs: an embedded Ray has set it. A job on a cluster logs to stderr."""
    settings = Settings()
    folder = settings.log_dir or (None if as_json else settings.state / "logs")
    set_up("batch-driver", settings.log_level, folder)


def refused(message: str) -> str:
    """Return the line of JSON that says why a batch is not valid."""
    return json.dumps(Outcome("Failed", Progress(0), message[:_MESSAGE]).as_dict())


async def _run(
    command: Command,
    plan: Plan,
    output: Output,
    report: Callable[[Progress], None],
    clips: "GetClips | None",
) -> Outcome:
    from tts_app.batch.run import run

    loop = asyncio.get_running_loop()

    def started(made: "Driver") -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, made.stop)

    return await run(
        plan,
        output,
        command.models,
        command.options,
        report=report,
        started=started,
        archive=command.archive,
        clips=clips,
    )


def _ray(err: Console) -> AbstractContextManager[object]:
    """Return the Ray that runs the workers: the cluster that runs this process as a job, or an embedded one.

    On entry, the embedded one raises ServingError if it does not start.
    """
    if os.environ.get("RAY_ADDRESS"):
        return _joined()
    from tts_app.serving.embedded_ray import EmbeddedRay

    # A playground may be running here: use none of its ports.
    return EmbeddedRay(Settings(metrics_port=None, dashboard=False), progress=err.print)


@contextmanager
def _joined() -> Iterator[None]:
    # The pod has it set for Ray's other processes. Here Ray would print its own lines among the driver's, of
    # which the operator reads the last ones.
    os.environ.pop("RAY_LOG_TO_STDERR", None)
    import ray

    ray.init(address="auto", log_to_driver=False, configure_logging=False, ignore_reinit_error=True)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _claims(job: TTSJob, keep: bool) -> Iterator[None]:
    """Use a folder of the working directory as the claim if none are mounted, as on a laptop.

    A folder that was made here is removed again unless `keep` is set. Raises BatchError if it cannot be made.
    """
    if "TTSP_CLAIMS" in os.environ or claims_folder().is_dir():
        yield
        return
    os.environ["TTSP_CLAIMS"] = str(Path.cwd())
    uri = job.spec.output.uri
    claim = Path(uri.removeprefix("pvc://").partition("/")[0]) if uri.startswith("pvc://") else None
    made = claim is not None and not claim.exists()
    try:
        if claim is not None:
            claim.mkdir(exist_ok=True)
    except OSError as error:
        failure = f"{claim} of the working directory cannot be made a folder"
        raise BatchError(f"{uri}: {failure}: {describe(error)}. Or give another --output.") from error
    try:
        yield
    finally:
        if claim is not None and made and not keep:
            claim.rmdir()


def _faults(error: PlanError) -> str:
    reasons = [str(fault) for fault in error.faults[:_FAULTS_REPORTED]]
    more = len(error.faults) - len(reasons)
    count = f"{len(error.faults)} fault{'s' if len(error.faults) > 1 else ''}; nothing was rendered:"
    return "\n  ".join([count, *reasons, *([f"and {more} more"] if more else [])])
