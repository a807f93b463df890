"""Render the embedded job, 100 posts by 18 avatars, with the real engine; then examine every file.

It works in windows: the bare engine speaks the next post's texts, which gives the limit, then the batch runs
for some minutes. What it has made lies in a folder outside the checkout, and it goes on from there when it is
run again. Write docs/benchmarks-posts.md; exit with 1 if a target is missed or a file is wrong.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import paths  # noqa: F401 - before what is imported by it
import psutil
from batch import engine_alone
from conditions import cpu_name
from examine import faults
from tables import figure, section

from tts_app.batch.ledger import Ledger
from tts_app.batch.options import Options
from tts_app.batch.outcome import Outcome
from tts_app.batch.plan import Item, Plan
from tts_app.batch.prepare import prepare
from tts_app.manifests import embedded_posts, load_batch
from tts_app.resources import VoiceModel
from tts_app.resources.tts_job import TTSJobSpec
from tts_app.serving.embedded_ray import EmbeddedRay
from tts_app.settings import Settings
from tts_app.sources.base import cache_folder
from tts_app.storage.output import Output

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-posts.md"
FOLDER = cache_folder() / "bench" / "hospitality-100"
MIB = 1 << 20
LEAST = 60.0
"""Seconds of a window that says something of speed."""
QUIET = 0.05
"""Share of the cores that others may take in a window that tells of speed."""


@dataclass(frozen=True, slots=True)
class Window:
    """What one window showed."""

    began: str
    files: int
    """Those that the batch made in it."""
    audio: float
    """Seconds, of these files."""
    wall: float
    """Seconds that the batch ran, Ray's start left out."""
    limit: float
    """Seconds of audio that the bare engine makes a second."""
    others: float
    """Share of the cores that other processes took meanwhile."""
    driver: int
    """Most memory of the driver, bytes."""
    workers: int
    """Most memory of the workers together, bytes."""

    @property
    def of_limit(self) -> float:
        """Speed of the batch, of the engine's own."""
        return self.audio / self.wall / self.limit


def main() -> int:
    """Render what is missing, examine all files, write the page, return the exit status."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    options.folder.mkdir(parents=True, exist_ok=True)
    windows = options.folder / "windows.jsonl"
    job, models = load_batch()
    spec = _here(job.spec, options.folder / "audio")
    until = time.monotonic() + 60 * options.minutes
    state = "Stopped"
    with tempfile.TemporaryDirectory(prefix="bench-") as state_dir:
        while state == "Stopped" and time.monotonic() < until:
            plan, output = prepare(spec, models, options.folder)
            room = min(60 * options.window, until - time.monotonic())
            state, window = _window(plan, output, models, room, Path(state_dir))
            plan.close()
            if window is not None:
                with windows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(window)) + "\n")
                print(window, f"{window.of_limit:.3f} of the limit", flush=True)
    plan, output = prepare(spec, models, options.folder, touch=False)
    ledger = Ledger(output, plan)
    ledger.load()
    records = [record for _, record in ledger.finished()]
    texts = {item.file: item.text for item in plan}
    if state == "Stopped":  # what is not there yet is not missing
        texts = {record["file"]: texts[record["file"]] for record in records}
    wrong = faults(options.folder / "audio", records, texts)
    found = [Window(**json.loads(line)) for line in windows.read_text(encoding="utf-8").splitlines()]
    targets = _targets(found, wrong)
    options.output.write_text(page(found, wrong, records, plan.total, targets), encoding="utf-8")
    plan.close()
    for name, wanted, measured, met in targets:
        print(f"{'reached' if met else 'MISSED'}: {name}: {measured} (wanted: {wanted})")
    print(*wrong, sep="\n")
    if state == "Stopped":
        print(f"{len(records):,} of {plan.total:,} files are there; run it again to go on")
        return 1
    return 0 if all(met for *_, met in targets) else 1


def page(
    windows: Sequence[Window],
    wrong: Sequence[str],
    records: Sequence[Mapping[str, Any]],
    total: int,
    targets: Sequence[tuple[str, str, str, bool]],
) -> str:
    """Return the page, in Markdown."""
    quiet = [window for window in windows if window.others <= QUIET]
    wall, audio = (sum(getattr(w, name) for w in windows) for name in ("wall", "audio"))
    figures = [
        ["", "All windows", "Quiet windows"],
        ["windows", f"{len(windows)}", f"{len(quiet)}"],
        ["files made in them", f"{sum(w.files for w in windows):,}", f"{sum(w.files for w in quiet):,}"],
        ["audio, s", figure(audio, 0), figure(sum(w.audio for w in quiet), 0)],
        ["wall time of the batch, s", figure(wall, 0), figure(sum(w.wall for w in quiet), 0)],
        ["audio-s/s", figure(audio / wall), figure(_rate(quiet))],
        ["audio-s/s of the bare engine, median", figure(_limit(windows)), figure(_limit(quiet))],
    ]
    body = [
        [w.began, f"{w.files}", figure(w.audio / w.wall), figure(w.limit), figure(w.of_limit),
         f"{w.others:.0%}", f"{w.driver / MIB:,.0f}", f"{w.workers / MIB:,.0f}"]
        for w in windows
    ]  # fmt: skip
    header = ["Began", "Files", "Audio-s/s", "Bare engine", "Of the limit", "Cores of others",
              "Driver, MiB", "Workers, MiB"]  # fmt: skip
    seconds: dict[str, list[float]] = defaultdict(list)
    for record in records:
        seconds[record["avatar"]].append(record["seconds"])
    avatars = [[avatar, f"{len(each)}", figure(sum(each), 0)] for avatar, each in sorted(seconds.items())]
    unfinished = "" if len(records) == total else f" **Unfinished**: {len(records):,} of {total:,} so far."
    told = [
        "# The whole set: 100 posts by every avatar",
        "`make bench-posts` writes this page: the embedded job with the real engine, in windows of some "
        "minutes. Before each the bare engine speaks the next post's texts, one call a core, which is the "
        "limit that the window is held against. A window in which other processes took more than "
        f"{QUIET:.0%} of the cores says nothing of speed and is left out of that target. "
        "The files stay outside the checkout.",
        section(
            "Targets",
            [["Target", "Wanted", "Measured", "Result"]]
            + [[*rest, "reached" if met else "MISSED"] for *rest, met in targets],
        ),
        section(
            "Result",
            figures,
            f"{len(records):,} files, {sum(record['seconds'] for record in records):,.0f} s of audio, "
            f"{sum(record['bytes'] for record in records) / 1e6:,.0f} MB; {cpu_name()}, "
            f"{len(os.sched_getaffinity(0))} cores. {len(wrong)} faults.{unfinished}",
        ),
        section("Windows", [header, *body]),
        section("Avatars", [["Avatar", "Files", "Audio, s"], *avatars]),
    ]
    return "\n\n".join(told) + "\n"


def _targets(windows: Sequence[Window], wrong: Sequence[str]) -> list[tuple[str, str, str, bool]]:
    quiet = [window for window in windows if window.others <= QUIET]
    share = float(np.median([w.of_limit for w in quiet])) if quiet else 0.0
    later = [w.driver + w.workers for w in windows[1:]] or [0]
    growth = max(later) / (windows[0].driver + windows[0].workers)
    return [
        ("Speed, of the engine's own limit, median of the quiet windows", "at least 0.92", figure(share),
         share >= 0.92),
        ("Most memory of a later window, of the first one's", "at most 1.25 times", figure(growth),
         growth <= 1.25),
        ("Files that are missing, unsound or say wrong of themselves", "0", f"{len(wrong)}", not wrong),
    ]  # fmt: skip


def _rate(windows: Sequence[Window]) -> float | None:
    return sum(w.audio for w in windows) / sum(w.wall for w in windows) if windows else None


def _limit(windows: Sequence[Window]) -> float | None:
    return float(np.median([w.limit for w in windows])) if windows else None


def _window(
    plan: Plan, output: Output, models: Sequence[VoiceModel], seconds: float, state: Path
) -> tuple[str, Window | None]:
    """Measure the limit, then run the batch for some time; return how it ended and what it showed."""
    ledger = Ledger(output, plan)
    ledger.load()
    probe = _next_post(plan, ledger)
    alone = engine_alone(probe, models[0]) if probe else 0.0
    began = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    with EmbeddedRay(Settings(state_dir=state, metrics_port=None, dashboard=False)), _watch() as seen:
        start = time.perf_counter()
        ended = _run(plan, output, models, seconds)
        wall = time.perf_counter() - start
    if ended.state == "Failed":
        raise SystemExit(f"the batch failed: {ended.message or ended.progress.failures}")
    files = ended.progress.done - ended.progress.skipped
    if not probe or wall < LEAST or files < len(probe):
        return ended.state, None
    names = {item.file for item in probe}
    ledger = Ledger(output, plan)
    ledger.load()
    spoken = sum(record["seconds"] for _, record in ledger.finished() if record["file"] in names)
    return ended.state, Window(
        began, files, ended.progress.seconds, wall, spoken / alone, seen.others, seen.driver, seen.workers
    )


def _next_post(plan: Plan, ledger: Ledger) -> list[Item]:
    """Return the items of the first post of which nothing is done."""
    items: list[Item] = []
    for item in plan:
        if items and item.post != items[0].post:
            break
        if not ledger.has(item) and (items or item.number % len(plan.voices) == 0):
            items.append(item)
    return items


def _run(plan: Plan, output: Output, models: Sequence[VoiceModel], seconds: float) -> Outcome:
    from tts_app.batch.run import run  # after Ray has started, as it reads its environment when imported

    def started(driver: Any) -> None:
        asyncio.get_running_loop().call_later(seconds, driver.stop)

    options = Options("hospitality-100", utilisation=1)
    return asyncio.run(run(plan, output, models, options, tell=lambda _: None, started=started))


@dataclass(slots=True)
class _Seen:
    others: float = 0.0
    driver: int = 0
    workers: int = 0


@contextmanager
def _watch() -> Iterator[_Seen]:
    """Yield what is seen of memory and of the cores' use until the context ends."""
    seen, ended, me = _Seen(), threading.Event(), psutil.Process()

    def watch() -> None:
        while not ended.wait(5):
            seen.driver = max(seen.driver, me.memory_info().rss)
            workers = (p for p in me.children(recursive=True) if "Worker" in _name(p))
            seen.workers = max(seen.workers, sum(_rss(p) for p in workers))

    watcher = threading.Thread(target=watch, daemon=True)
    busy, ours, start = _busy(), _ours(me), time.monotonic()
    watcher.start()
    try:
        yield seen
    finally:
        cores = len(os.sched_getaffinity(0)) * (time.monotonic() - start)
        seen.others = max(0.0, (_busy() - busy - _ours(me) + ours) / cores)
        ended.set()
        watcher.join()


def _busy() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def _ours(process: psutil.Process) -> float:
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _here(spec: TTSJobSpec, output: Path) -> TTSJobSpec:
    told = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    told["posts"] = {"uri": embedded_posts().as_uri()}
    told["output"] = {**told["output"], "uri": output.as_uri()}
    return TTSJobSpec.model_validate(told)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where the audio and what was measured lie"
    )
    parser.add_argument("--window", type=float, default=20, help="minutes of a window")
    parser.add_argument(
        "--minutes", type=float, default=600, help="minutes after which it stops, to be run again"
    )
    parser.add_argument("--output", type=Path, default=PAGE, help="the page to write")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
