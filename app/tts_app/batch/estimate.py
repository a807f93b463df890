"""Estimates what a run of a batch will make and how long it takes, before anything is loaded."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from tts_app.batch.ledger import Ledger
from tts_app.batch.options import Options
from tts_app.batch.plan import Plan
from tts_app.resources import VoiceModel
from tts_app.resources.engines import ENGINES
from tts_app.sources.claims import local_path
from tts_app.storage.output import Output

BYTES_A_SECOND = {"mp3": 12_060, "opus": 6_690, "aac": 8_620, "flac": 27_670, "wav": 48_000}
"""Of audio, by format, measured: MP3 in docs/benchmarks-posts.md, the others in 64 s of its posts."""

_START_SECONDS = 15.0
"""About how long Ray and Kokoro take to start on two idle cores."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Files of a plan that a run does not make."""

    there: int = 0
    """Already in the output."""
    failed: int = 0
    """Failed in an earlier run, and not to be tried again."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will make."""

    files: int
    characters: int
    seconds: float
    """Of audio."""
    bytes: int
    duration: float | None
    """Seconds that the run takes; None if no such run was measured."""


def settled(plan: Plan, output: Output, options: Options) -> Settled:
    """Return what is settled before the run begins. Raises OSError if the output cannot be read."""
    ledger = Ledger(output, plan)
    try:
        ledger.load()
    except FileNotFoundError:  # the folder does not exist yet
        return Settled()
    failed = 0 if options.retry_failed else len(ledger.failures(options.identity))
    return Settled(ledger.count(), failed)


def estimate(plan: Plan, before: Settled, speed: float | None) -> Estimate:
    """Return what a run will make: all that is not settled, at `speed` seconds of audio a second.

    The files that are left are assumed to be as long as the plan's files are on average.
    """
    files = plan.total - before.there - before.failed
    share = files / plan.total if plan.total else 0.0
    seconds = plan.seconds * share
    return Estimate(
        files=files,
        characters=round(plan.characters * share),
        seconds=seconds,
        bytes=round(seconds * BYTES_A_SECOND[plan.format]),
        duration=_START_SECONDS + seconds / speed if speed else None,
    )


def speed_here(plan: Plan, models: Sequence[VoiceModel], options: Options) -> float | None:
    """Return the seconds of audio that workers here make in a second, or None if it was not measured."""
    if options.speaker != "engine" or os.environ.get("RAY_ADDRESS"):
        return None
    used = {voice.model for voice in plan.voices}
    speeds = [ENGINES[model.spec.engine].audio_per_core for model in models if model.name in used]
    known = [speed for speed in speeds if speed is not None]
    if not known or len(known) < len(speeds):
        return None
    return min(known) * min(options.parallelism, cores_here() * options.utilisation)


def cores_here() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def lacking_room(output: Output, wanted: int) -> str:
    """Return a warning if the output is a folder whose disk has less than `wanted` bytes free."""
    folder = local_path(output.url)
    if folder is None:
        return ""
    free = shutil.disk_usage(_existing(folder)).free
    if free >= wanted:
        return ""
    found = f"{folder} has {megabytes(free)} free, and the audio takes about {megabytes(wanted)}"
    return f"{found}: make room, or choose another --output."


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def megabytes(size: int) -> str:
    """Return a number of bytes in words, rounded up."""
    return f"{ceil(size / 1e6):,} MB"
