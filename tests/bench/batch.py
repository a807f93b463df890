"""Measure batches: their scale with a simulated speaker, their speed beside the engine's own limit, and what
they cost those who wait for speech. Write docs/benchmarks-batch.md; exit with 1 if a target is missed."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from parts import Findings, Part, measure, options_of
from server import Server
from tables import figure

from tts_app import speech
from tts_app.batch.ledger import Done, Ledger
from tts_app.batch.options import Options
from tts_app.batch.outcome import Outcome, Progress
from tts_app.batch.plan import Item, Plan
from tts_app.batch.prepare import prepare
from tts_app.engines.loading import load_model
from tts_app.manifests import embedded_posts, load_voice_models, samples_folder
from tts_app.resources.tts_job import TTSJobSpec
from tts_app.serving.embedded_ray import EmbeddedRay
from tts_app.settings import Settings
from tts_app.speech import Utterance

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "benchmarks-batch.md"
MIB = 1 << 20
COMMIT = 64
"""Records that are committed at a time where the ledger is measured alone."""
COMMITS = 500
"""Commits of that measurement, where the plan has as many items: some seconds."""
TEXTS = {"en": "A table by the window, number {n}.", "ar": "طاولة بجانب النافذة رقم {n}.",
         "es": "Una mesa junto a la ventana, número {n}.", "hi": "खिड़की के पास की मेज़, नंबर {n}।",
         "ur": "کھڑکی کے پاس کی میز، نمبر {n}۔"}  # fmt: skip
VOICES = samples_folder() / "embedded.yaml"
REQUEST = {"input": "Your table by the window is ready for you.", "voice": "female_en-US"}


ABOUT = (
    "`make bench-batch` writes this page: batches with a simulated speaker that takes no time, with the "
    "real engine, and beside people who wait for speech. The whole set of posts has "
    "[a page of its own](benchmarks-posts.md)."
)


def main() -> int:
    """Measure, write the page, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000, help="items of the simulated batch")
    parser.add_argument("--posts", type=int, default=2, help="posts of a round with the real engine")
    parser.add_argument("--rounds", type=int, default=3, help="rounds with the real engine")
    parser.add_argument(
        "--requests", type=int, default=30, help="requests of a round, with a batch and without"
    )
    return measure("Benchmarks of batches", ABOUT, PARTS, options_of(parser, PARTS, PAGE))


def measure_scale(findings: Findings, options: argparse.Namespace) -> None:
    """Plan and run many items whose speech is simulated; then the ledger alone."""
    models = load_voice_models()
    with _folder() as folder, _own_ray(folder):
        posts = -(-options.items // 18)
        with (folder / "posts.jsonl").open("w") as file:
            for n in range(1, posts + 1):
                record = {"id": n, "text": {key: text.format(n=n) for key, text in TEXTS.items()}}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        spec = _spec(folder / "posts.jsonl", folder / "audio")
        with _peak() as planning:
            began = time.perf_counter()
            plan, output = prepare(spec, models, folder)
            planned = time.perf_counter() - began
        reported: list[Progress] = []
        instant = Options("bench", speaker="instant:InstantSpeaker", utilisation=1)
        with _peak() as running:
            began = time.perf_counter()
            ended = _run(plan, output, models, instant, reported)
            ran = time.perf_counter() - began
        began = time.perf_counter()
        again = _run(plan, output, models, instant, [])
        reran = time.perf_counter() - began
        committed, committing = _ledger_alone(plan, folder)
        total = plan.total
        plan.close()
    assert ended.state == again.state == "Succeeded", ended
    assert again.progress.skipped == total
    rate, commits = total / ran, committed / committing
    findings.rows = [
        ["What", "Items", "Seconds", "Items a second", "Peak of the driver, MiB"],
        ["planned and checked", f"{total:,}", figure(planned, 1), figure(total / planned, 0), _mib(planning)],
        ["run by two workers, files written", f"{total:,}", figure(ran, 1), figure(rate, 0), _mib(running)],
        ["run again, nothing to do", f"{total:,}", figure(reran, 1), figure(total / reran, 0), ""],
        [f"ledger alone, {COMMIT} records a commit", f"{committed:,}", figure(committing, 1),
         figure(commits, 0), ""],
    ]  # fmt: skip
    updates = len(reported)
    findings.targets += [
        ("Items a second through the ledger", "at least 2,000", figure(commits, 0), commits >= 2000),
        ("Status updates", "at most one a second", f"{updates} in {ran:.0f} s", updates <= ran + 3),
        ("Most memory of the driver, all items planned", "at most 512 MiB", f"{_mib(running)} MiB",
         running[0] <= 512 * MIB),
    ]  # fmt: skip


def measure_speed(findings: Findings, options: argparse.Namespace) -> None:
    """Render posts with the real engine, and the same segments with the engine alone, in turns."""
    findings.note = (
        "The batch's seconds have in them the start of its workers, which load the model, and its last file, "
        "which one of them speaks while the other has nothing left. Of the whole set they are next to "
        "nothing: there the share is that of [its own page](benchmarks-posts.md)."
    )
    models = load_voice_models()
    rows = [["Round", "Files", "Audio, s", "Engine alone, s", "Batch, s", "Audio-s/s", "Of the limit"]]
    ratios: list[float] = []
    with _folder() as folder, _own_ray(folder):
        lines = embedded_posts().read_text(encoding="utf-8").splitlines()
        for number in range(options.rounds):
            posts = folder / f"posts-{number}.jsonl"
            chosen = lines[number * options.posts : (number + 1) * options.posts]
            posts.write_text("\n".join(chosen) + "\n", encoding="utf-8")
            plan, output = prepare(_spec(posts, folder / f"audio-{number}"), models, folder)
            turns = [lambda plan=plan: engine_alone(plan, models[0])]
            limit = 0.0
            began = ran = 0.0
            for turn in ("batch", "engine") if number % 2 else ("engine", "batch"):
                if turn == "engine":
                    limit = turns[0]()
                    continue
                began = time.perf_counter()
                ended = _run(plan, output, models, Options("bench", utilisation=1), [])
                ran = time.perf_counter() - began
                assert ended.state == "Succeeded", ended
            seconds = ended.progress.seconds
            ratios.append(limit / ran)
            rows.append(
                [str(number + 1), f"{plan.total:,}", figure(seconds, 0), figure(limit, 1), figure(ran, 1),
                 figure(seconds / ran), figure(limit / ran)]
            )  # fmt: skip
            plan.close()
            findings.rows = rows
            print(rows[-1], flush=True)
    share = float(np.median(ratios))
    findings.targets.append(
        ("Speed of a batch, of the engine's own limit", "at least 0.92", figure(share, 3), share >= 0.92)
    )


def measure_waiting(findings: Findings, options: argparse.Namespace) -> None:
    """Ask for short speeches, one after another, alone and while a batch runs, in turns."""
    rows = [["Round", "Alone: median, s", "p95, s", "With a batch: median, s", "p95, s", "p95 ratio"]]
    alone: list[float] = []
    beside: list[float] = []
    records = [
        json.loads(x) for x in embedded_posts().read_text(encoding="utf-8").splitlines()[: options.posts]
    ]
    with Server("-f", str(VOICES)) as server, httpx.Client(base_url=server.url, timeout=300) as client:
        for number in range(options.rounds):
            lone = [_first_audio(client) for _ in range(options.requests)]
            batch = client.post("/v1/batches", json={"posts": records}).raise_for_status().json()
            _until(lambda b=batch: client.get(b["links"]["self"]).json()["counts"]["done"] > 0)
            busy = [_first_audio(client) for _ in range(options.requests)]
            stands = client.get(batch["links"]["self"]).json()
            assert stands["status"] == "running", "the batch ended before the measurement"
            client.post(f"{batch['links']['self']}/cancel").raise_for_status()
            _until(lambda: client.get("/readyz").json()["models"]["kokoro"]["running"] == 0)
            time.sleep(5)  # the items in hand
            alone += lone
            beside += busy
            rows.append([str(number + 1), *_two(lone), *_two(busy), figure(_p95(busy) / _p95(lone))])
            findings.rows = rows
            print(rows[-1], flush=True)
    ratio = _p95(beside) / _p95(alone)
    findings.targets.append(
        (
            "p95 of the time to first audio while a batch runs",
            "at most 1.33 times",
            figure(ratio),
            ratio <= 1.33,
        )
    )


PARTS: dict[str, Part] = {
    "scale": ("Scale, simulated speaker", measure_scale),
    "speed": ("Speed, real engine", measure_speed),
    "waiting": ("First audio while a batch runs", measure_waiting),
}


def _run(plan: Plan, output: Any, models: Any, options: Options, reported: list[Progress]) -> Outcome:
    from tts_app.batch.run import run  # after Ray has started, as it reads its environment when imported

    return asyncio.run(run(plan, output, models, options, report=reported.append))


def _ledger_alone(plan: Plan, folder: Path) -> tuple[int, float]:
    """Make records of the plan durable; return how many, and the seconds that it took."""
    from tts_app.storage.output import FolderOutput

    output = FolderOutput(folder / "ledger-alone")
    output.prepare()
    ledger = Ledger(output, plan)
    some = [
        Done(item.file, item.key, item.key, 1, 1.0, item.post, item.voice.id, item.voice.model, item.key)
        for item, _ in zip(plan, range(COMMITS * COMMIT), strict=False)
    ]
    began = time.perf_counter()
    for start in range(0, len(some), COMMIT):
        ledger.commit(some[start : start + COMMIT])
    took = time.perf_counter() - began
    ledger.close()
    return len(some), took


def engine_alone(items: Iterable[Item], model: Any) -> float:
    """Return the seconds that the bare engine takes for the segments of items, a thread a core."""
    pool = load_model(model)
    engine = pool._engine
    segments = [
        segment
        for item in items
        for segment in speech.plan(Utterance(item.text, item.voice, low_latency=False), pool.capabilities)
    ]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        began = time.perf_counter()
        list(threads.map(lambda segment: engine.synthesise([segment]), segments))
        took = time.perf_counter() - began
    pool.close()
    return took


def _first_audio(client: httpx.Client) -> float:
    began = time.perf_counter()
    with client.stream("POST", "/v1/audio/speech", json=REQUEST) as answer:
        answer.raise_for_status()
        first = 0.0
        for _ in answer.iter_bytes(2048):
            first = first or time.perf_counter() - began
    return first


def _until(holds: Callable[[], bool], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it does not come about"
        time.sleep(0.2)


def _spec(posts: Path, output: Path) -> TTSJobSpec:
    return TTSJobSpec.model_validate({"posts": {"uri": posts.as_uri()}, "output": {"uri": output.as_uri()}})


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def _own_ray(folder: Path) -> Iterator[None]:
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH", "")]))
    with EmbeddedRay(Settings(state_dir=folder / "state", metrics_port=None)):
        yield


@contextmanager
def _peak() -> Iterator[list[int]]:
    """Yield a list whose only entry is the most memory that this process has held, in bytes."""
    process, most, ended = psutil.Process(), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            most[0] = max(most[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()


def _mib(peak: list[int]) -> str:
    return f"{peak[0] / MIB:,.0f}"


def _p95(values: list[float]) -> float:
    return float(np.percentile(values, 95))


def _two(values: list[float]) -> tuple[str, str]:
    return figure(float(np.median(values))), figure(_p95(values))


if __name__ == "__main__":
    sys.exit(main())
