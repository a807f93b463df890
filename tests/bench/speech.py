"""Measure speed and memory beside kokoro-onnx; write docs/benchmarks.md; exit with 1 if a target is missed.

kokoro-onnx, our pipeline in process and our pipeline over HTTP have processes of their own and take turns.
"""

import argparse
import os
import platform
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import rewrites
from conditions import cpu_name
from findings import HTTP, MIB, OURS, PEER, Findings, FirstAudio, Fresh, Throughput, render, targets
from posts import Posts
from server import Server
from subjects import Http, Worker

from tts_app.engines.loading import fetch_model
from tts_app.manifests import load_voice_models, samples_folder
from tts_app.sources.base import cache_folder, sha256_of

LENGTHS = (40, 125, 400)
CALLERS = (1, 2, 4)
POST_LENGTHS = (60, 100, 140, 200)
SHORT = 32
MEMORY_STEP = 10
MEMORY_CALLERS = 2
SCRIPTS = {PEER: "worker_peer.py", OURS: "worker_ours.py"}
VOICES = samples_folder() / "embedded.yaml"
"""Alone: a model that writes would be in the memory that is measured."""
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def main() -> int:
    """Measure, write the page, return the exit status."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    folder = fetch_model(load_voice_models()[0])
    arguments = {PEER: (str(folder / "model.onnx"), str(_peer_voices(folder))), OURS: ()}
    findings = Findings(_conditions(folder, options))
    posts = Posts()
    for number in range(options.loads):
        for name in (PEER, OURS) if number % 2 else (OURS, PEER):
            findings.fresh.append(_load(name, arguments[name], posts))
            _tell(f"load {number + 1}/{options.loads}: {name}")
    findings.rewrites = rewrites.measure(folder, options.rewrite_rounds)
    _tell("graph rewrites")
    _write(findings, options.output)
    with nullcontext() if options.url else Server("-f", str(VOICES)) as server:
        if server is not None:
            findings.conditions["Server ready after"] = f"{server.start_seconds:.1f} s"
        subjects = {name: Worker(SCRIPTS[name], *arguments[name]) for name in (PEER, OURS)}
        subjects[HTTP] = Http(options.url or server.url)
        with _closing(subjects):
            _compare(findings, subjects, server, posts, options)
        if server is not None and options.requests:
            with _closing({HTTP: Http(server.url)}) as fresh:
                for sample in _soak(fresh[HTTP], server, posts, options.requests):
                    findings.memory.append(sample)
                    _write(findings, options.output)
    _write(findings, options.output)
    _tell(f"wrote {options.output}")
    reached = targets(findings)
    for target in reached:
        word = {True: "reached", False: "MISSED", None: "not measured"}[target.met]
        print(f"{word}: {target.name}: {target.measured} (wanted: {target.wanted})")
    return 1 if any(target.met is False for target in reached) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--url", help="a playground that runs already (its memory is not measured)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of throughput and of first audio")
    parser.add_argument("--texts", type=int, default=8, help="texts in a throughput run")
    parser.add_argument("--callers", type=int, nargs="+", default=CALLERS, help="callers at a time")
    parser.add_argument("--loads", type=int, default=3, help="fresh processes each")
    parser.add_argument("--requests", type=int, default=500, help="short requests while memory is watched")
    parser.add_argument(
        "--rewrite-rounds", type=int, default=9, help="rounds of model calls for the rewrites"
    )
    parser.add_argument("--output", type=Path, default=PAGE, help="the page to write")
    return parser.parse_args()


def _conditions(folder: Path, options: argparse.Namespace) -> dict[str, str]:
    packages = ("onnxruntime", "kokoro-onnx", "ray", "av", "numpy")
    shortest, longest = min(POST_LENGTHS), max(POST_LENGTHS)
    return {
        "Date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": f"{cpu_name()}, {len(os.sched_getaffinity(0))} cores for this run",
        "Load before the run": f"{os.getloadavg()[0]:.2f}",
        "Software": ", ".join(
            [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
        ),
        "Weights of both": f"Kokoro-82M int8, SHA-256 {sha256_of(folder / 'model.onnx')}",
        "Voice": "female_en-US, af_heart",
        "Texts": f"{options.rounds} rounds of {options.texts} posts of {shortest}-{longest} characters for "
        f"throughput, {options.rounds} of each length for first audio",
    }


def _peer_voices(folder: Path) -> Path:
    """Return the voices as kokoro-onnx reads them: one archive, made from the release's files once."""
    path = cache_folder() / "bench" / "kokoro-onnx-voices.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        voices = {
            voice.stem: np.fromfile(voice, "<f4").reshape(-1, 1, 256)
            for voice in (folder / "voices").glob("*.bin")
        }
        whole = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(whole, **voices)
        whole.replace(path)
    return path


def _load(name: str, arguments: tuple[str, ...], posts: Posts) -> Fresh:
    """Start a fresh process, let it speak a text of each length, end it."""
    worker = Worker(SCRIPTS[name], *arguments)
    try:
        peaks = {length: worker.throughput([posts.post(length)], 1)["peak"] for length in LENGTHS}
    finally:
        worker.close()
    loaded = worker.loaded
    return Fresh(name, loaded["start"], loaded["load"], loaded["rss"], peaks)


def _write(findings: Findings, page: Path) -> None:
    """Write what was measured so far: a run that is stopped leaves what it has."""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render(findings), encoding="utf-8")


def _compare(
    findings: Findings,
    subjects: dict[str, Worker | Http],
    server: Server | None,
    posts: Posts,
    options: argparse.Namespace,
) -> None:
    for subject in subjects.values():
        subject.throughput([posts.post(SHORT)], 1)
    for number in range(options.rounds):
        order = list(subjects) if number % 2 else list(subjects)[::-1]
        for callers in options.callers:
            texts = posts.posts(POST_LENGTHS, options.texts)
            for name in order:
                with server.standing_still() if server and name != HTTP else nullcontext():
                    run = subjects[name].throughput(texts, callers)
                findings.throughput.append(
                    Throughput(name, callers, number, len(texts), run["seconds"], run["audio"])
                )
                _tell(
                    f"round {number + 1}/{options.rounds}: {callers} callers, {name}: {run['seconds']:.1f} s"
                )
        for length in LENGTHS:
            text = posts.post(length)
            for name in order:
                with server.standing_still() if server and name != HTTP else nullcontext():
                    spoken = subjects[name].first_audio(text)
                findings.first_audio.append(
                    FirstAudio(name, length, spoken["first"], spoken["whole"], spoken.get("create"))
                )
                _tell(
                    f"round {number + 1}/{options.rounds}: {length} letters, {name}: {spoken['first']:.2f} s"
                )
        _write(findings, options.output)


def _soak(http: Http, server: Server, posts: Posts, requests: int) -> Iterator[tuple[int, int]]:
    """Make short requests; yield how many, and the server's memory, every MEMORY_STEP of them."""
    for done in range(MEMORY_STEP, requests + 1, MEMORY_STEP):
        http.throughput(posts.posts((SHORT,), MEMORY_STEP), MEMORY_CALLERS)
        held = server.memory()
        yield done, held
        if done % 100 == 0:
            _tell(f"{done}/{requests} requests: the server holds {held / MIB:.0f} MiB")


@contextmanager
def _closing(subjects: dict[str, Worker | Http]) -> Iterator[dict[str, Worker | Http]]:
    try:
        yield subjects
    finally:
        for subject in subjects.values():
            subject.close()


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
