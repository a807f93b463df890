"""What `ttsp render` prints about a batch: first an estimate, then the progress, then a summary."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as ProgressBars

from tts_app.batch.command import Command
from tts_app.batch.estimate import (
    Settled,
    cores_here,
    estimate,
    lacking_room,
    megabytes,
    settled,
    speed_here,
)
from tts_app.batch.outcome import Outcome, Progress
from tts_app.batch.plan import Plan
from tts_app.batch.post_record import some
from tts_app.batch.report import KEPT_ASIDE
from tts_app.storage.output import Output, describe

_REPORT_SECONDS = 10.0


def estimate_lines(plan: Plan, output: Output, command: Command, price: float) -> Iterator[str]:
    """Yield lines of text on what a run will make; `price` is that of an hour of the machine."""
    posts, avatars = len(plan.posts), len(plan.voices)
    files = f"{_counted(plan.total, 'file')} in {output.url}"
    parts = [f"{_counted(posts, 'post')} x {_counted(avatars, 'avatar')}: {files}"]
    try:
        before = settled(plan, output, command.options)
    except OSError as error:
        before = Settled()
        parts.append(f"it is not known which of them exist ({describe(error)})")
    if before.there:
        parts.append(f"{before.there:,} of them are there already")
    if before.failed:
        parts.append(f"{before.failed:,} failed before (--retry-failed tries them again)")
    if textless := posts * avatars - plan.total:
        parts.append(f"left out for lack of a text: {textless:,}")
    yield f"{'; '.join(parts)}."
    if names := plan.aside.names:
        yield f"Not spoken, but kept aside in {KEPT_ASIDE}: {some(names)}."
    wanted = estimate(plan, before, speed_here(plan, command.models, command.options))
    if not wanted.files:
        yield "Nothing is left to render."
        return
    made = f"{_counted(wanted.files, 'file')} of {wanted.characters:,} characters"
    audio = f"about {_duration(wanted.seconds)} of audio, {megabytes(wanted.bytes)}"
    yield f"To render: {made}, {audio}; {_time(wanted.duration, price)}."
    if room := lacking_room(output, wanted.bytes * (2 if command.archive else 1)):
        yield room


def _time(duration: float | None, price: float) -> str:
    if duration is None:
        return "the time left is shown while it runs"
    cost = f", {duration / 3600 * price:.2f} at {price:g} an hour" if price else ""
    return f"about {_duration(duration)} on this machine's {_counted(cores_here(), 'core')}{cost}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_summary(ended: Outcome, url: str, err: Console, out: Callable[[str], None], as_json: bool) -> None:
    """Print how a run ended: in words, or as a line of JSON."""
    if as_json:
        out(json.dumps(ended.as_dict()))
        return
    progress = ended.progress
    for failure in progress.failures:
        line = f"post {failure['post']}, {failure['avatar']}: {failure['reason']}: {failure['message']}"
        err.print(line, markup=False)
    counts = f"{progress.done:,} of {progress.total:,} files, {progress.skipped:,} of them were there before"
    if not progress.known:
        counts = "the output was not looked at"
    failed = f"; {progress.failed:,} failed (--retry-failed tries them again)" if progress.failed else ""
    message = f" {ended.message}" if ended.message else ""
    err.print(f"{ended.state}: {counts}{failed}. {url}{message}", markup=False)


@contextmanager
def progress_reports(
    plan: Plan, err: Console, out: Callable[[str], None], as_json: bool
) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that reports the progress: as JSON lines, a bar on a terminal, or a line at times."""
    if as_json:
        yield lambda progress: out(json.dumps(progress.as_dict()))
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
        with ProgressBars(*columns, console=err) as bars:
            task = bars.add_task("rendering", total=plan.total, note="")
            yield lambda progress: bars.update(
                task, completed=progress.done + progress.failed, note=_note(progress, pace)
            )
        return
    reported = 0.0

    def report(progress: Progress) -> None:
        nonlocal reported
        now = time.monotonic()
        if now - reported < _REPORT_SECONDS:
            return
        reported = now
        note = _note(progress, pace)
        err.print(f"{progress.done:,} of {plan.total:,} files{note and '; '}{note}", markup=False)

    yield report


class _Pace:
    """How fast a run makes files, from its first one on: files that existed before took no time."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        """When files made by this run were first seen, and how many."""

    def text(self, progress: Progress, now: float) -> str:
        """Return files per second and the time left, or an empty string as long as they are not known."""
        made = progress.done - progress.skipped
        if self._first is None and made:
            self._first = now, made
        began, before = self._first or (now, made)
        if made == before or now == began:
            return ""
        rate = (made - before) / (now - began)
        left = (progress.total - progress.done - progress.failed) / rate
        return f"{rate:.2f} files/s, about {_duration(left)} left"


def _note(progress: Progress, pace: _Pace) -> str:
    failed = f"{progress.failed:,} failed" if progress.failed else ""
    waiting = f"waiting: {progress.waiting}" if progress.waiting else ""
    return "; ".join(filter(None, (pace.text(progress, time.monotonic()), failed, waiting)))


def _duration(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours} h {minute} min" if hours else f"{minute} min {second} s" if minute else f"{second} s"
