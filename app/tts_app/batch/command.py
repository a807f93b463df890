"""`ttsp render`: a batch on the command line, and as the entrypoint of a RayJob."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
)

from tts_app.batch import outcome
from tts_app.batch.options import Options
from tts_app.batch.outcome import Outcome, State
from tts_app.batch.plan import Plan, PlanError
from tts_app.batch.prepare import prepare
from tts_app.resources import TTSJob, VoiceModel
from tts_app.settings import Settings
from tts_app.sources.base import claims_folder
from tts_app.storage.output import LEASE_SECONDS, Output

if TYPE_CHECKING:
    from tts_app.batch.driver import Driver

AUDIO_A_SECOND = 3.0
"""Seconds of audio that two CPU cores make a second with Kokoro (docs/benchmarks.md): for estimates."""
_FAULTS_TOLD = 1000
_MESSAGE = 4000
"""Characters of a message in JSON: a status of Kubernetes has room for them."""
_SAY_SECONDS = 10.0


class BatchError(Exception):
    """The batch is wrong as it is asked for; the message says all that is."""


@dataclass(frozen=True, slots=True)
class Command:
    """A batch, and how it is run."""

    job: TTSJob
    models: Sequence[VoiceModel]
    config_maps: Path
    place: Mapping[str, str] = field(default_factory=dict)
    speaker: str = "engine"
    uid: str = ""
    retry_failed: bool = False
    goes_on: bool = False
    """Whether its output could be written before: one that is away now is waited for."""
    archive: bool = False
    utilisation: float = 0.8
    lease_seconds: float = LEASE_SECONDS
    """How long an object store stays held by a driver that is lost."""

    def redirected(self, posts: str, output: str) -> "Command":
        """Return the command with other posts and another output, where they are given.

        Raises:
            BatchError: one is no address.
        """
        spec = self.job.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        if posts:
            spec["posts"] = {"uri": _address(posts)}
        if output:
            spec["output"] = {**spec["output"], "uri": _address(output)}
        try:
            made = type(self.job.spec).model_validate(spec)
        except ValidationError as error:
            raise BatchError(f"--posts or --output: {error.errors()[0]['msg']}.") from error
        return replace(self, job=self.job.model_copy(update={"spec": made}))

    @property
    def options(self) -> Options:
        """How the driver is to run it."""
        spec, name = self.job.spec, self.job.metadata.name
        return Options(
            job=name,
            uid=self.uid,
            speaker=self.speaker,
            place=self.place,
            retries=spec.retries,
            parallelism=spec.parallelism,
            utilisation=self.utilisation,
            retry_failed=self.retry_failed,
        )


def render_batch(
    command: Command,
    err: Console,
    out: Callable[[str], None],
    *,
    as_json: bool = False,
    dry_run: bool = False,
    price: float = 0.0,
) -> State:
    """Run a batch, telling its progress; return how it ended.

    Raises:
        BatchError: something is wrong with it; nothing was rendered.
    """
    if dry_run:
        _foretell(command, err, out, price)
        return "Succeeded"
    _find_claims(command.job)
    try:
        touch = not command.goes_on
        plan, output = prepare(
            command.job.spec,
            command.models,
            command.config_maps,
            touch,
            lease_seconds=command.lease_seconds,
        )
    except PlanError as error:
        raise BatchError(_faults(error)) from error
    try:
        with _ray(), _telling(plan, err, out, as_json) as tell:
            ended = asyncio.run(_run(command, plan, output, tell))
    finally:
        plan.close()
    _conclude(ended, output.url, err, out, as_json)
    return ended.state


def refused(message: str) -> str:
    """Return the line of JSON that tells that a batch is wrong as it is asked for."""
    return json.dumps(Outcome("Failed", outcome.Progress(0), message[:_MESSAGE]).told())


def _foretell(command: Command, err: Console, out: Callable[[str], None], price: float) -> None:
    """Print the names of the files and an estimate; leave the output as it is."""
    _find_claims(command.job)
    try:
        plan, _ = prepare(command.job.spec, command.models, command.config_maps, touch=False)
    except PlanError as error:
        raise BatchError(_faults(error)) from error
    for item in plan:
        out(item.file)
    err.print(_estimate(plan, price))
    plan.close()


async def _run(
    command: Command, plan: Plan, output: Output, tell: Callable[[outcome.Progress], None]
) -> Outcome:
    from tts_app.batch.run import run  # noqa: PLC0415 - it imports Ray, which must find its environment set

    loop = asyncio.get_running_loop()

    def started(made: "Driver") -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, made.stop)

    return await run(
        plan,
        output,
        command.models,
        command.options,
        tell=tell,
        started=started,
        archive=command.archive,
    )


def _ray() -> AbstractContextManager[object]:
    """Return the Ray that runs the workers: the cluster that this process is a job of, or an embedded one."""
    if os.environ.get("RAY_ADDRESS"):
        return _joined()
    from tts_app.serving.embedded_ray import EmbeddedRay  # noqa: PLC0415

    # Beside a running playground: it shares no port with it.
    return EmbeddedRay(Settings(metrics_port=None, dashboard=False))


@contextmanager
def _joined() -> Iterator[None]:
    import ray  # noqa: PLC0415

    ray.init(address="auto", log_to_driver=False, configure_logging=False)
    try:
        yield
    finally:
        ray.shutdown()


def _find_claims(job: TTSJob) -> None:
    """Where no claims are mounted, on a laptop, a claim is a folder of the working directory."""
    if "TTSP_CLAIMS" in os.environ or claims_folder().is_dir():
        return
    os.environ["TTSP_CLAIMS"] = str(Path.cwd())
    uri = job.spec.output.uri
    if uri.startswith("pvc://"):
        Path(uri.removeprefix("pvc://").partition("/")[0]).mkdir(exist_ok=True)


def _address(given: str) -> str:
    return given if "://" in given else Path(given).expanduser().absolute().as_uri()


def _faults(error: PlanError) -> str:
    told = [str(fault) for fault in error.faults[:_FAULTS_TOLD]]
    more = len(error.faults) - len(told)
    count = f"{len(error.faults)} fault{'s' if len(error.faults) > 1 else ''}; nothing was rendered:"
    return "\n  ".join([count, *told, *([f"and {more} more"] if more else [])])


def _estimate(plan: Plan, price: float) -> str:
    hours = plan.seconds / AUDIO_A_SECOND / 3600
    cost = f"; at {price:g} an hour: {hours * price:.2f}" if price else ""
    return (
        f"{plan.total:,} files of {len(plan.posts):,} posts, {plan.characters:,} characters, about "
        f"{_duration(plan.seconds)} of audio; about {_duration(hours * 3600)} on two CPU cores{cost}"
    )


def _conclude(ended: Outcome, url: str, err: Console, out: Callable[[str], None], as_json: bool) -> None:
    if as_json:
        out(json.dumps(ended.told()))
        return
    progress = ended.progress
    for failure in progress.failures:
        told = f"post {failure['post']}, {failure['avatar']}: {failure['reason']}: {failure['message']}"
        err.print(told, markup=False)
    counts = f"{progress.done:,} of {progress.total:,} files, {progress.skipped:,} of them were there before"
    if not progress.known:
        counts = "the output was not looked at"
    failed = f"; {progress.failed:,} failed (--retry-failed tries them again)" if progress.failed else ""
    message = f" {ended.message}" if ended.message else ""
    err.print(f"{ended.state}: {counts}{failed}. {url}{message}", markup=False)


@contextmanager
def _telling(
    plan: Plan, err: Console, out: Callable[[str], None], as_json: bool
) -> Iterator[Callable[[outcome.Progress], None]]:
    """Yield what tells the progress: JSON lines, a bar on a terminal, or a line now and then."""
    if as_json:
        yield lambda progress: out(json.dumps(progress.told()))
        return
    pace = _Pace()
    if err.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=err) as bars:
            task = bars.add_task("rendering", total=plan.total, note="")
            yield lambda progress: bars.update(
                task, completed=progress.done + progress.failed, note=_note(progress, pace)
            )
        return
    said = 0.0

    def say(progress: outcome.Progress) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said < _SAY_SECONDS:
            return
        said = now
        note = _note(progress, pace)
        err.print(f"{progress.done:,} of {plan.total:,} files{note and '; '}{note}", markup=False)

    yield say


class _Pace:
    """How fast a run makes files, from the first one on: what was there before it took no time."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        """When files were first seen that this run has made, and how many."""

    def told(self, progress: outcome.Progress, now: float) -> str:
        """Return files a second and the time left, or an empty string as long as nothing is known."""
        made = progress.done - progress.skipped
        if self._first is None and made:
            self._first = now, made
        began, before = self._first or (now, made)
        if made == before or now == began:
            return ""
        rate = (made - before) / (now - began)
        left = (progress.total - progress.done - progress.failed) / rate
        return f"{rate:.2f} files/s, about {_duration(left)} left"


def _note(progress: outcome.Progress, pace: _Pace) -> str:
    failed = f"{progress.failed:,} failed" if progress.failed else ""
    waiting = f"waiting: {progress.waiting}" if progress.waiting else ""
    return "; ".join(filter(None, (pace.told(progress, time.monotonic()), failed, waiting)))


def _duration(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours} h {minute} min" if hours else f"{minute} min {second} s" if minute else f"{second} s"
