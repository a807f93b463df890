"""What rendering the whole set has shown so far, post by post and window by window, and the page of it.

The set takes hours, and the machine may be another the next time: what was measured stays in a file beside
the page, and a post whose texts, avatars and pipeline are as they were is not rendered again.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from tables import figure, section

from tts_app.batch.plan import Plan

MIB = 1 << 20
QUIET = 0.05
"""Share of the cores that others may take in a window that tells of speed."""
Target = tuple[str, str, str, bool]
"""What is wanted, how much, what was measured, whether it is reached."""


@dataclass(frozen=True, slots=True)
class Window:
    """What one window showed."""

    began: str
    cpu: str
    """Its name, and how many cores of it."""
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


@dataclass(frozen=True, slots=True)
class Examined:
    """The files of one post."""

    key: str
    """Hash of all that the post's audio depends on."""
    seconds: Mapping[str, float]
    """Of audio, by avatar."""
    bytes: int
    faults: Sequence[str]


@dataclass(slots=True)
class Record:
    """All that is known."""

    windows: list[Window] = field(default_factory=list)
    posts: dict[int, Examined] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what `path` holds, or an empty record where there is no such file."""
        if not path.exists():
            return cls()
        reported = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            [Window(**window) for window in reported["windows"]],
            {int(post): Examined(**examined) for post, examined in reported["posts"].items()},
        )

    def save(self, path: Path) -> None:
        """Write it: a line a window, and a line a post."""
        windows = ",\n".join(json.dumps(asdict(window)) for window in self.windows)
        posts = ",\n".join(f'"{post}": {json.dumps(asdict(self.posts[post]))}' for post in sorted(self.posts))
        path.write_text(f'{{"windows": [\n{windows}\n],\n"posts": {{\n{posts}\n}}}}\n', encoding="utf-8")


def post_keys(plan: Plan) -> dict[int, str]:
    """Return of each post the hash of its items' keys."""
    hashes: dict[int, hashlib._Hash] = defaultdict(hashlib.sha256)
    for item in plan:
        hashes[item.post].update(item.key.encode())
    return {post: each.hexdigest()[:16] for post, each in hashes.items()}


def targets(record: Record) -> list[Target]:
    """Return what the set is to show, and whether it does."""
    quiet = _quiet(record)
    share = float(np.median([w.of_limit for w in quiet])) if quiet else None
    memory = [w.driver + w.workers for w in record.windows] or [1]
    growth = max(memory[1:], default=0) / memory[0]
    wrong = sum(len(examined.faults) for examined in record.posts.values())
    return [
        ("Speed, of the engine's own limit, median of the quiet windows", "at least 0.92",
         figure(share) or "no quiet window yet", share is not None and share >= 0.92),
        ("Most memory of a later window, of the first one's", "at most 1.25 times", figure(growth),
         growth <= 1.25),
        ("Files that are missing, unsound or say wrong of themselves", "0", f"{wrong}", not wrong),
    ]  # fmt: skip


def page(record: Record, posts: int) -> str:
    """Return the page, in Markdown; `posts`: how many there are in the set."""
    quiet, windows = _quiet(record), record.windows
    figures = [
        ["", "All windows", "Quiet windows"],
        ["windows", f"{len(windows)}", f"{len(quiet)}"],
        ["files made in them", *(f"{sum(w.files for w in part):,}" for part in (windows, quiet))],
        ["audio, s", *(figure(sum(w.audio for w in part), 0) for part in (windows, quiet))],
        ["wall time of the batch, s", *(figure(sum(w.wall for w in part), 0) for part in (windows, quiet))],
        ["audio-s/s", *(figure(_rate(part)) for part in (windows, quiet))],
        ["audio-s/s of the bare engine, median", *(figure(_limit(part)) for part in (windows, quiet))],
    ]
    body = [
        [w.began, f"{w.files}", figure(w.audio / w.wall), figure(w.limit), figure(w.of_limit),
         f"{w.others:.0%}", f"{w.driver / MIB:,.0f}", f"{w.workers / MIB:,.0f}"]
        for w in windows
    ]  # fmt: skip
    header = ["Began", "Files", "Audio-s/s", "Bare engine", "Of the limit", "Cores of others",
              "Driver, MiB", "Workers, MiB"]  # fmt: skip
    seconds: dict[str, list[float]] = defaultdict(list)
    for examined in record.posts.values():
        for avatar, each in examined.seconds.items():
            seconds[avatar].append(each)
    avatars = [[avatar, f"{len(each)}", figure(sum(each), 0)] for avatar, each in sorted(seconds.items())]
    found = [fault for examined in record.posts.values() for fault in examined.faults]
    files = sum(len(each) for each in seconds.values())
    unfinished = (
        "" if len(record.posts) == posts else f" **Unfinished**: {len(record.posts)} of {posts} posts so far."
    )
    reported = [
        "# The whole set: 100 posts by every avatar",
        "`make bench-posts` writes this page: the embedded job with the real engine, in windows of some "
        "minutes. Before each the bare engine speaks the next post's texts, one call a core, which is the "
        "limit that the window is held against. A window in which other processes took more than "
        f"{QUIET:.0%} of the cores says nothing of speed and is left out of that target. "
        "The files stay outside the checkout; what was found of each post is in benchmarks-posts.json, and a "
        "post that is there is not rendered again, on whatever machine.",
        section(
            "Targets",
            [["Target", "Wanted", "Measured", "Result"]]
            + [[*rest, "reached" if met else "MISSED"] for *rest, met in targets(record)],
        ),
        section(
            "Result",
            figures,
            f"{len(record.posts)} posts, {files:,} files, {sum(map(sum, seconds.values())):,.0f} s of audio, "
            f"{sum(examined.bytes for examined in record.posts.values()) / 1e6:,.0f} MB; "
            f"{'; '.join(sorted({w.cpu for w in windows}))}. {len(found)} faults.{unfinished}",
        ),
        section("Windows", [header, *body]),
        section("Avatars", [["Avatar", "Files", "Audio, s"], *avatars]),
        *(["## Faults", "\n".join(f"- {fault}" for fault in found)] if found else []),
    ]
    return "\n\n".join(reported) + "\n"


def _quiet(record: Record) -> list[Window]:
    return [window for window in record.windows if window.others <= QUIET]


def _rate(windows: Sequence[Window]) -> float | None:
    return sum(w.audio for w in windows) / sum(w.wall for w in windows) if windows else None


def _limit(windows: Sequence[Window]) -> float | None:
    return float(np.median([w.limit for w in windows])) if windows else None
