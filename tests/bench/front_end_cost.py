"""Measure the CPU time of the text front-ends beside that of int8 Kokoro, which speaks what they give.

Write docs/benchmarks-front-end.md; exit with 1 if a target is missed.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
from endless import voice_of
from parts import Findings, Part, measure, options_of
from tables import figure

from tts_app.engines.base import Capabilities, Segment
from tts_app.engines.kokoro.engine import KokoroEngine
from tts_app.manifests import embedded_posts
from tts_app.resources.tts_job import Post
from tts_app.sources.base import cache_folder
from tts_app.speech import Utterance, plan

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-front-end.md"
ABOUT = (
    "`make bench-front-end` writes this page. The front-end's CPU time is all from a text to phonemes, "
    "espeak-ng's process included; Kokoro's is that of the int8 model on onnxruntime for the same text, in "
    "the same run. The texts are the sample's posts; beside Kokoro none is read twice, so nothing comes out "
    "of a cache."
)
LOCALES = ("en-US", "es-ES", "ar-SA", "hi-IN", "ur-PK")
SHORT, LONG = 125, 4000
"""Characters of a text."""
SHORT_TEXTS = 5
SPOKEN = 24
"""Kokoro speaks one segment in so many of a long text; its time is scaled to all phonemes."""
MOST = 0.03
"""The front-end's largest share of Kokoro's CPU time."""
GROWN = 8
"""How many long texts make the text with which growth is measured."""
MOST_GROWTH = 1.5
"""Largest time for a character of the longer text, in times for one of the shorter."""


@dataclass(frozen=True)
class Cost:
    """CPU seconds for one text."""

    front_end: float
    kokoro: float

    @property
    def share(self) -> float:
        return self.front_end / self.kokoro


def main() -> int:
    """Measure, write the page, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--locales", nargs="+", choices=LOCALES, default=LOCALES, help="what to measure")
    return measure("CPU time of the text front-ends", ABOUT, PARTS, options_of(parser, PARTS, PAGE))


def measure_share(findings: Findings, options: argparse.Namespace) -> None:
    """Measure both for short and for long texts, in every language."""
    engine = KokoroEngine.load(cache_folder() / "models" / "kokoro-82m" / "int8", "int8", {})
    findings.note = (
        f"CPU time for a text; the median of {SHORT_TEXTS} short texts, and one long one, of which Kokoro "
        f"speaks one segment in {SPOKEN}: its time is scaled by the phonemes."
    )
    findings.rows = [["Locale", "Characters", "Front-end, ms", "Kokoro, ms", "Share"]]
    worst: dict[int, tuple[float, str]] = {}
    for locale in options.locales:
        warm(locale, engine)
        texts = texts_of(posts_in(locale), [SHORT] * SHORT_TEXTS + [LONG])
        costs = [cost(locale, text, engine) for text in texts]
        for length, found in ((SHORT, costs[:-1]), (LONG, costs[-1:])):
            front, kokoro = median(c.front_end for c in found), median(c.kokoro for c in found)
            share = median(c.share for c in found)
            findings.rows.append(
                [locale, str(length), figure(front * 1000, 1), figure(kokoro * 1000, 0), f"{share:.1%}"]
            )
            worst[length] = max(worst.get(length, (0.0, "")), (share, locale))
    for length, (share, locale) in worst.items():
        what = f"The front-end's share of Kokoro's CPU time, {length:,} characters"
        findings.targets.append((what, f"< {MOST:.0%}", f"{share:.1%} ({locale})", share < MOST))


def measure_growth(findings: Findings, options: argparse.Namespace) -> None:
    """Measure what a character costs in a text and in one several times as long."""
    findings.note = (
        f"CPU microseconds of the front-end for a character of {LONG:,} and of {LONG * GROWN:,}; "
        "the best of three."
    )
    findings.rows = [["Locale", f"{LONG:,}", f"{LONG * GROWN:,}", "Ratio"]]
    worst = (0.0, "")
    for locale in options.locales:
        warm(locale)
        posts = posts_in(locale)
        short, long = (texts_of(posts, [length])[0] for length in (LONG, LONG * GROWN))
        each = [
            min(front_end_seconds(locale, text)[0] for _ in range(3)) / len(text) for text in (short, long)
        ]
        ratio = each[1] / each[0]
        findings.rows.append([locale, *(figure(seconds * 1e6) for seconds in each), figure(ratio)])
        worst = max(worst, (ratio, locale))
    measured = f"{worst[0]:.2f} ({worst[1]})"
    what = f"Time for a character of {GROWN} times as much text"
    findings.targets.append((what, f"< {MOST_GROWTH:g} times", measured, worst[0] < MOST_GROWTH))


PARTS: dict[str, Part] = {
    "share": ("Beside Kokoro", measure_share),
    "growth": ("Growth with the text", measure_growth),
}


def cost(locale: str, text: str, engine: KokoroEngine) -> Cost:
    """Return what a text costs the front-end and Kokoro."""
    seconds, segments = front_end_seconds(locale, text)
    spoken = segments[:: SPOKEN if len(text) > SHORT else 1]
    began = time.process_time()
    for segment in spoken:
        engine.synthesise([segment])
    kokoro = time.process_time() - began
    return Cost(seconds, kokoro * _phonemes(segments) / _phonemes(spoken))


def front_end_seconds(locale: str, text: str) -> tuple[float, list[Segment]]:
    """Return the CPU seconds from a text to its segments, espeak-ng's included, and the segments."""
    capabilities = Capabilities(sample_rate=24_000, takes="phonemes", max_input=510, speeds=(0.5, 2.0))
    utterance = Utterance(text, voice_of(locale))
    began = _spent()
    segments = list(plan(utterance, capabilities))
    return _spent() - began, segments


def warm(locale: str, engine: KokoroEngine | None = None) -> None:
    """Load what is loaded once."""
    _, segments = front_end_seconds(locale, posts_in(locale)[0])
    if engine:
        engine.synthesise(segments[:1])


def posts_in(locale: str) -> list[str]:
    """Return the sample's posts in a locale's language."""
    lines = embedded_posts().read_text(encoding="utf-8").splitlines()
    return [Post.model_validate_json(line).text[locale.partition("-")[0]] for line in lines]


def texts_of(posts: Sequence[str], lengths: Sequence[int]) -> list[str]:
    """Return texts of about these lengths, each of other posts; if they do not last, of their words shuffled.

    Raises:
        ValueError: a text of no length is asked for.
    """
    if min(lengths) < 1:
        raise ValueError(f"A text has a length of at least 1, not {min(lengths)}.")
    source = _endless(posts[1:])
    texts = []
    for length in lengths:
        text = next(source)
        while len(text) < length:
            text += f"\n{next(source)}"
        texts.append(text[:length].rpartition(" ")[0] or text[:length])
    return texts


def _endless(posts: Sequence[str]) -> Iterator[str]:
    """Yield the posts, then again with their words in another order."""
    turn = 0
    while True:
        for post in posts:
            words = post.split(" ")
            yield " ".join(words[turn % len(words) :] + words[: turn % len(words)])
        turn += 1


def _phonemes(segments: Sequence[Segment]) -> int:
    return sum(len(segment.phonemes) for segment in segments)


def _spent() -> float:
    children = (child.cpu_times() for child in psutil.Process().children())
    return time.process_time() + sum(spent.user + spent.system for spent in children)


if __name__ == "__main__":
    sys.exit(main())
