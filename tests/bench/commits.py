"""Compare this commit's speed with another one's: both playgrounds run, and take turns at the same work.

What is not committed is not measured.

Write docs/benchmarks-commits.md; exit with 1 if a target is missed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import httpx
import paths
from parts import Findings, Part, measure, options_of
from posts import Posts
from server import Server
from subjects import Http
from tables import figure
from text import bodies_of, over_http

from tts_app.sources.base import cache_folder

PAGE = paths.ROOT / "docs" / "benchmarks-commits.md"
ABOUT = (
    "`make bench-commits COMMIT=...` writes this page. The playground of this checkout and that of another "
    "commit run side by side and take turns at the same work; the one that waits is suspended. A share is "
    "this checkout's speed divided by the other commit's; the target counts the median of the rounds."
)
LEAST = 0.97
CALLERS = 4
POST_LENGTHS = (60, 100, 140, 200)
AVATARS = {"locales": ["en-US", "es-ES"], "genders": ["female"]}
BATCH_SECONDS = 600.0

Work = Callable[[str, int], float]
"""Do the work of a round at an address; return the speed: units a second."""


def main() -> int:
    """Measure, write the page, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--commit", required=True, help="the commit to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, in which each has its turn")
    parser.add_argument("--least", type=float, default=LEAST, help="the least share that is wanted")
    options = options_of(parser, PARTS, PAGE)
    os.environ["TTSP_BATCH_UTILISATION"] = (
        "1"  # a batch waits for nobody: its speed is measured, not its manners
    )
    return measure("Speed beside another commit", ABOUT, PARTS, options)


def speech(url: str, number: int) -> float:
    """Have posts spoken over HTTP as MP3; return texts a second."""
    texts = Posts(number).posts(POST_LENGTHS, 8)
    http = Http(url)
    try:
        return len(texts) / http.throughput(texts, CALLERS)["seconds"]
    finally:
        http.close()


def first_audio(url: str, number: int) -> float:
    """Have texts of 125 characters spoken one by one; return how many first sounds a second come."""
    http = Http(url)
    posts = Posts(1000 + number)
    try:
        return 1 / median(http.first_audio(posts.post(125))["first"] for _ in range(3))
    finally:
        http.close()


def text(url: str, number: int) -> float:
    """Have prompts answered by eight callers; return tokens a second."""
    answers = over_http(url, bodies_of(number, 16, 96), 8)
    return float(answers["tokens"] / answers["seconds"])


def batch(url: str, number: int) -> float:
    """Have a batch of posts rendered; return files a second."""
    texts = Posts(2000 + number).posts((140,), 6)
    records = [{"id": n, "text": {"en": text, "es": text}} for n, text in enumerate(texts, 1)]
    with httpx.Client(base_url=url, timeout=60) as client:
        began = time.perf_counter()
        answer = client.post("/v1/batches", json={"posts": records, "avatars": AVATARS}).raise_for_status()
        link = answer.json()["links"]["self"]
        while (state := client.get(link).raise_for_status().json())["status"] in ("queued", "running"):
            if time.perf_counter() - began > BATCH_SECONDS:
                raise RuntimeError(f"the batch has not ended after {BATCH_SECONDS:.0f} s: {state}")
            time.sleep(0.1)
        took = time.perf_counter() - began
    if state["status"] != "succeeded":
        raise RuntimeError(f"the batch ended as {state['status']}: {state}")
    return float(state["counts"]["done"] / took)


def measured_by(work: Work, unit: str) -> Callable[[Findings, argparse.Namespace], None]:
    """Return what measures `work`, whose speed is in `unit`."""

    def measure_work(findings: Findings, options: argparse.Namespace) -> None:
        # Both with the app's packages alone: those of the tests make every process of Ray start slower.
        other, ours = checkout_of(options.commit), checkout_of("HEAD")
        findings.note = f"{unit}, of this checkout ({_revision(ours)}) and of {_revision(other)}."
        findings.rows = [["Round", "Other commit", "This checkout", "Share"]]
        shares: list[float] = []
        with Server(root=other) as before, Server(root=ours) as now:
            servers: Mapping[str, Server] = {"before": before, "now": now}
            for number in range(options.rounds + 1):
                found: dict[str, float] = {}
                for turn in ("before", "now") if number % 2 else ("now", "before"):
                    waiting = servers["now" if turn == "before" else "before"]
                    with waiting.standing_still():
                        url = servers[turn].url
                        over_http(url, bodies_of(-number, 1, 4), 1)  # a resumed server is slow at first
                        found[turn] = work(url, number)
                if not number:
                    continue  # the first round warms up
                shares.append(found["now"] / found["before"])
                findings.rows.append(
                    [str(number), *(figure(found[who], 3) for who in servers), figure(shares[-1], 3)]
                )
                print(findings.rows[-1], flush=True)
        share = median(shares)
        wanted = f"at least {options.least:g}"
        findings.targets.append(
            (
                f"{findings.title}, share of the other commit's",
                wanted,
                figure(share, 3),
                share >= options.least,
            )
        )

    return measure_work


PARTS: dict[str, Part] = {
    "speech": ("Speech over HTTP, 4 callers", measured_by(speech, "Texts a second")),
    "first-audio": ("First audio, one caller", measured_by(first_audio, "First sounds a second")),
    "text": ("Text, 8 callers", measured_by(text, "Tokens a second")),
    "batch": ("A batch of 12 files", measured_by(batch, "Files a second")),
}


def checkout_of(commit: str) -> Path:
    """Return a checkout of the commit with its `.venv`, made in the cache where it is missing."""
    sha = _git("rev-parse", "--verify", f"{commit}^{{commit}}")
    folder = cache_folder() / "bench" / "commits" / sha
    if not (folder / ".git").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "-q", str(paths.ROOT), str(folder)], check=True)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    for command in (
        ["git", "checkout", "-q", sha],
        ["hack/setup", "app"],
        [".venv/bin/ttsp", "models", "fetch", "--all"],
    ):
        subprocess.run(command, cwd=folder, env=environment, check=True)
    return folder


def _revision(root: Path) -> str:
    return _git("describe", "--always", "--dirty", "--abbrev=7", root=root)


def _git(*arguments: str, root: Path = paths.ROOT) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
