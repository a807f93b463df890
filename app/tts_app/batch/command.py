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
from typing import TYPE_CHECKING, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
)

from tts_app.batch import outcome
from tts_app.batch.estimate import (
    Settled,
    cores_here,
    estimate,
    lacking_room,
    megabytes,
    settled,
    speed_here,
)
from tts_app.batch.options import Options
from tts_app.batch.outcome import Outcome, State
from tts_app.batch.plan import Plan, PlanError
from tts_app.batch.prepare import prepare
from tts_app.resources import TTSJob, VoiceModel
from tts_app.resources.locales import Gender, resolve_locale
from tts_app.settings import Settings
from tts_app.sources.base import claims_folder
from tts_app.storage.output import LEASE_SECONDS, Output, describe

if TYPE_CHECKING:
    from tts_app.batch.driver import Driver

_FAULTS_TOLD = 1000
_MESSAGE = 4000
"""Characters of a message in JSON: a status of Kubernetes has room for them."""
_SAY_SECONDS = 10.0


class BatchError(Exception):
    """The batch is wrong as it is asked for; the message says all that is."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What the command line has in place of the job's own. What is empty stays the job's."""

    posts: str = ""
    """File or address."""
    output: str = ""
    """Folder or address."""
    locales: Sequence[str] = ()
    """As they were typed: each may name several, with commas between them."""
    genders: Sequence[str] = ()
    """As the locales."""
    on_missing_text: str = ""


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

    def _locale(self, given: str) -> str:
        """Return the locale that is meant: one that the models offer, where it is none of the usual ones."""
        offered = {voice.locale for model in self.models for voice in model.spec.voices}
        return resolve_locale(given, offered=offered)

    def changed(self, changes: "Changes") -> "Command":
        """Return the command with the changes to its job.

        Raises:
            BatchError: a job cannot be so; the message names the option, and what it allows.
        """
        spec = self.job.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        if changes.posts:
            spec["posts"] = {"uri": _address(changes.posts)}
        if changes.output:
            spec["output"] = {**spec["output"], "uri": _address(changes.output)}
        if changes.locales:
            spec["avatars"] = {
                **spec["avatars"],
                "locales": _parts(changes.locales, "--locales", self._locale),
            }
        if changes.genders:
            spec["avatars"] = {**spec["avatars"], "genders": _parts(changes.genders, "--genders", _gender)}
        if changes.on_missing_text:
            spec["onMissingText"] = changes.on_missing_text
        try:
            made = type(self.job.spec).model_validate(spec)
        except ValidationError as error:
            raise BatchError(_refused(error.errors()[0])) from error
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
    """Run a batch, telling what it will make and its progress; return how it ended.

    Raises:
        BatchError: something is wrong with it; nothing was rendered.
        ServingError: the embedded Ray does not start; nothing was rendered.
    """
    with _claims(command.job, keep=not dry_run):
        try:
            touch = not (dry_run or command.goes_on)
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
        if not as_json or dry_run:
            for line in foretold(plan, output, command, price):
                err.print(line, markup=False, soft_wrap=True)
        if dry_run:
            for item in plan:
                out(item.file)
            return "Succeeded"
        if not as_json:
            err.print("Ctrl-C stops it after the files in hand; the same command goes on.")
        with _ray(err), _telling(plan, err, out, as_json) as tell:
            ended = asyncio.run(_run(command, plan, output, tell))
    finally:
        plan.close()
    _conclude(ended, output.url, err, out, as_json)
    return ended.state


def refused(message: str) -> str:
    """Return the line of JSON that tells that a batch is wrong as it is asked for."""
    return json.dumps(Outcome("Failed", outcome.Progress(0), message[:_MESSAGE]).told())


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


def _ray(err: Console) -> AbstractContextManager[object]:
    """Return the Ray that runs the workers: the cluster that this process is a job of, or an embedded one.

    Entered, the embedded one raises a ServingError where it does not start.
    """
    if os.environ.get("RAY_ADDRESS"):
        return _joined()
    from tts_app.serving.embedded_ray import EmbeddedRay  # noqa: PLC0415

    # Beside a running playground: it shares no port with it.
    return EmbeddedRay(Settings(metrics_port=None, dashboard=False), progress=err.print)


@contextmanager
def _joined() -> Iterator[None]:
    import ray  # noqa: PLC0415

    ray.init(address="auto", log_to_driver=False, configure_logging=False)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _claims(job: TTSJob, keep: bool) -> Iterator[None]:
    """Make a claim a folder of the working directory where none are mounted, as on a laptop.

    One that was made here and is not to be kept is removed again. Raises BatchError where none can be made.
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
        told = f"{claim} of the working directory cannot be made a folder"
        raise BatchError(f"{uri}: {told}: {describe(error)}. Or give another --output.") from error
    try:
        yield
    finally:
        if claim is not None and made and not keep:
            claim.rmdir()


def _refused(error: ErrorDetails) -> str:
    """Return why a changed job is none: its rules, or an address, for all else was looked at before."""
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return f"{message}."
    option = error["loc"][0]
    return f"--{option}: {error['input']!r}: {message}. It is a path, or an address of file, pvc, s3 or gs."


def _parts(given: Sequence[str], option: str, read: Callable[[str], str]) -> list[str]:
    """Return what an option names, each once. Raises BatchError."""
    try:
        return list(dict.fromkeys(read(part) for entry in given for part in entry.split(",")))
    except ValueError as error:
        raise BatchError(f"{option}: {error.args[0]}") from error


def _gender(given: str) -> str:
    gender = given.strip().lower()
    if gender not in get_args(Gender):
        raise ValueError(f"Unknown gender {given!r}. Allowed: {', '.join(get_args(Gender))}.")
    return gender


def _address(given: str) -> str:
    return given if "://" in given else Path(given).expanduser().absolute().as_uri()


def _faults(error: PlanError) -> str:
    told = [str(fault) for fault in error.faults[:_FAULTS_TOLD]]
    more = len(error.faults) - len(told)
    count = f"{len(error.faults)} fault{'s' if len(error.faults) > 1 else ''}; nothing was rendered:"
    return "\n  ".join([count, *told, *([f"and {more} more"] if more else [])])


def foretold(plan: Plan, output: Output, command: Command, price: float) -> Iterator[str]:
    """Yield in plain lines what a run will make; `price` is that of an hour of the machine."""
    posts, avatars = len(plan.posts), len(plan.voices)
    files = f"{_counted(plan.total, 'file')} in {output.url}"
    told = [f"{_counted(posts, 'post')} x {_counted(avatars, 'avatar')}: {files}"]
    try:
        before = settled(plan, output, command.options)
    except OSError as error:
        before = Settled()
        told.append(f"which of them are there is not known ({describe(error)})")
    if before.there:
        told.append(f"{before.there:,} of them are there already")
    if before.failed:
        told.append(f"{before.failed:,} failed before (--retry-failed tries them again)")
    if textless := posts * avatars - plan.total:
        told.append(f"left out for lack of a text: {textless:,}")
    yield f"{'; '.join(told)}."
    wanted = estimate(plan, before, speed_here(plan, command.models, command.options))
    if not wanted.files:
        yield "Nothing is left to render."
        return
    made = f"{_counted(wanted.files, 'file')} of {wanted.characters:,} characters"
    audio = f"about {_duration(wanted.seconds)} of audio, {megabytes(wanted.bytes)}"
    yield f"To render: {made}, {audio}; {_time_told(wanted.duration, price)}."
    if room := lacking_room(output, wanted.bytes * (2 if command.archive else 1)):
        yield room


def _time_told(duration: float | None, price: float) -> str:
    if duration is None:
        return "how long it takes is told while it runs"
    cost = f", {duration / 3600 * price:.2f} at {price:g} an hour" if price else ""
    return f"about {_duration(duration)} on this machine's {_counted(cores_here(), 'core')}{cost}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
