"""Render the embedded job, 100 posts by 18 avatars, with the real engine; then examine every file.

It works in windows: the bare engine speaks the next post's texts, which gives the limit, then the batch runs
for some minutes. What it has made lies in a folder outside the checkout, and it goes on from there when it is
run again, or from docs/benchmarks-posts.json on another machine: no post is rendered twice. Write that file
and docs/benchmarks-posts.md; exit with 1 if a target is missed or a file is wrong.
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
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paths  # noqa: F401 - before what is imported by it
import psutil
from batch import engine_alone
from conditions import cpu_name
from examine import faults
from whole_set_record import Examined, Record, Window, page, post_keys, targets

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
LEAST = 60.0
"""Seconds of a window that says something of speed."""


def main() -> int:
    """Render what is missing, examine all files, write the page, return the exit status."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    options.folder.mkdir(parents=True, exist_ok=True)
    job, models = load_batch()
    whole, _ = _prepare(job.spec, embedded_posts(), models, options.folder)
    keys, texts = post_keys(whole), {item.file: item.text for item in whole}
    whole.close()
    record_path = options.output.with_suffix(".json")
    record = Record.load(record_path)
    record.posts = {post: found for post, found in record.posts.items() if keys.get(post) == found.key}
    if missing := keys.keys() - record.posts.keys():
        posts = _chosen(embedded_posts(), missing, options.folder / "posts.jsonl")
        for window in _windows(job.spec, posts, models, options):
            record.windows.append(window)
            record.save(record_path)
            print(window, f"{window.of_limit:.3f} of the limit", flush=True)
        plan, output = _prepare(job.spec, posts, models, options.folder)
        record.posts |= _examined(plan, output, options.folder, keys, texts)
        plan.close()
    record.save(record_path)
    options.output.write_text(page(record, len(keys)), encoding="utf-8")
    for name, wanted, measured, met in targets(record):
        print(f"{'reached' if met else 'MISSED'}: {name}: {measured} (wanted: {wanted})")
    print(*(fault for found in record.posts.values() for fault in found.faults), sep="\n")
    if len(record.posts) < len(keys):
        print(f"{len(record.posts)} of {len(keys)} posts are there; run it again to go on")
        return 1
    return 0 if all(met for *_, met in targets(record)) else 1


def _prepare(
    spec: TTSJobSpec, posts: Path, models: Sequence[VoiceModel], folder: Path
) -> tuple[Plan, Output]:
    reported = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    reported["posts"] = {"uri": posts.as_uri()}
    reported["output"] = {**reported["output"], "uri": (folder / "audio").as_uri()}
    return prepare(TTSJobSpec.model_validate(reported), models, folder)


def _chosen(posts: Path, ids: Collection[int], path: Path) -> Path:
    """Write those of `posts` that have one of the `ids` to `path`; return it."""
    lines = posts.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line)["id"] in ids), encoding="utf-8")
    return path


def _windows(
    spec: TTSJobSpec, posts: Path, models: Sequence[VoiceModel], options: argparse.Namespace
) -> Iterator[Window]:
    """Render until all is there or the time is over; yield what each window showed."""
    until = time.monotonic() + 60 * options.minutes
    state = "Stopped"
    with tempfile.TemporaryDirectory(prefix="bench-") as state_dir:
        while state == "Stopped" and time.monotonic() < until:
            plan, output = _prepare(spec, posts, models, options.folder)
            room = min(60 * options.window, until - time.monotonic())
            state, window = _window(plan, output, models, room, Path(state_dir))
            plan.close()
            if window is not None:
                yield window


def _examined(
    plan: Plan, output: Output, folder: Path, keys: Mapping[int, str], texts: Mapping[str, str]
) -> dict[int, Examined]:
    """Examine the posts of which every file is there."""
    ledger = Ledger(output, plan)
    ledger.load()
    items: dict[int, list[Item]] = defaultdict(list)
    for item in plan:
        items[item.post].append(item)
    records: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for _, record in ledger.finished():
        records[record["post"]].append(record)
    return {
        post: Examined(
            keys[post],
            {record["avatar"]: record["seconds"] for record in records[post]},
            sum(record["bytes"] for record in records[post]),
            faults(folder / "audio", records[post], {item.file: item.text for item in own}, texts),
        )
        for post, own in items.items()
        if len(records[post]) == len(own)
    }


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
    cpu = f"{cpu_name()}, {len(os.sched_getaffinity(0))} cores"
    return ended.state, Window(
        began,
        cpu,
        files,
        ended.progress.seconds,
        wall,
        spoken / alone,
        seen.others,
        seen.driver,
        seen.workers,
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
    return asyncio.run(run(plan, output, models, options, report=lambda _: None, started=started))


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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where the audio and what was measured lie"
    )
    parser.add_argument("--window", type=float, default=20, help="minutes of a window")
    parser.add_argument(
        "--minutes",
        type=float,
        default=600,
        help="minutes after which it stops, to be run again; 0: the page alone",
    )
    parser.add_argument(
        "--output", type=Path, default=PAGE, help="the page to write; its record lies beside it"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
