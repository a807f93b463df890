"""Measure what reading a text costs, when the text is made to be slow to read.

Write docs/benchmarks-planning.md; exit with 1 if a target is missed.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from endless import LOCALES, LONGEST, PIECES, endless, voice_of
from parts import Findings, Part, measure, options_of
from tables import figure

from tts_app.engines.base import Capabilities
from tts_app.language import front_end
from tts_app.speech import TextError, Utterance, plan

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-planning.md"
ABOUT = (
    "`make bench-planning` writes this page: seconds of CPU, those of espeak-ng included, for texts of one "
    "piece that is repeated. tests/unit/language/test_linear_time.py checks that twice as much text takes "
    "twice as long."
)
READING, CHECKING = 3.0, 1.0
"""Most seconds of a core for the words of the longest text, and for its check."""
WORDS = {
    "en-US": "The quiet rooms overlook the old harbour, and breakfast is served until eleven. ",
    "ar-SA": "تطل الغرف الهادئة على الميناء القديم، ويقدم الإفطار حتى الساعة الحادية عشرة. ",
    "es-ES": "Las habitaciones dan al puerto viejo, y el desayuno se sirve hasta las once. ",
    "hi-IN": "शांत कमरे पुराने बंदरगाह की ओर हैं, और नाश्ता ग्यारह बजे तक मिलता है। ",
    "ur-PK": "پرسکون کمرے پرانی بندرگاہ کی طرف ہیں، اور ناشتہ گیارہ بجے تک ملتا ہے۔ ",
    "fr-FR": "Les chambres calmes donnent sur le vieux port, et le petit déjeuner est servi. ",
}
CAPABILITIES = Capabilities(sample_rate=24_000, takes="phonemes", max_input=510, speeds=(0.5, 2.0))
PART = 20_000
"""Characters with which is measured what grows with the text; the figures are for the longest text."""


def main() -> int:
    """Measure, write the page, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    return measure("Benchmarks of planning", ABOUT, PARTS, options_of(parser, PARTS, PAGE))


def measure_reading(findings: Findings, _options: argparse.Namespace) -> None:
    """Measure the way from a text to words."""
    findings.note = f"Seconds for {LONGEST:,} characters, measured with {PART:,}; the twenty slowest pieces."
    costs = _table(findings, PART, lambda locale, text: front_end(locale).normalise(text))
    _target(findings, "The words of the longest text", costs, READING)


def measure_checks(findings: Findings, _options: argparse.Namespace) -> None:
    """Measure what POST /v1/speech does before it accepts a text: all that is not in a model's queue."""
    findings.note = (
        f"Seconds until it is known whether {LONGEST:,} characters can be spoken: up to the first segment, "
        "or to the end where there is none; the twenty slowest pieces."
    )
    costs = _table(findings, LONGEST, lambda locale, text: _planned(locale, text, first=True))
    _target(findings, "The check of the longest text", costs, CHECKING)


def measure_speech(findings: Findings, _options: argparse.Namespace) -> None:
    """Measure planning with phonemes, which is done block by block, while the text is spoken."""
    findings.note = (
        f"Seconds for {LONGEST:,} characters, measured with {PART:,}. They grow with what is to be said, "
        "which is more than what is written where there are digits and signs; 100,000 characters of "
        "plain sentences are nearly two hours of speech. Arabic's vowels come from a model, and espeak-ng "
        "reads all words but those of the English dictionary."
    )
    for locale in LOCALES:
        _planned(locale, WORDS[locale])  # what is loaded once
    findings.rows = [["Text", *LOCALES]]
    for name in ("plain sentences", "digits", "prices", "one letter", "joined emoji"):
        row = [name]
        for locale in LOCALES:
            text = endless(PIECES.get(name, WORDS[locale]), PART)
            row.append(figure(_seconds(lambda: _planned(locale, text)) * LONGEST / PART))  # noqa: B023
        findings.rows.append(row)


PARTS: dict[str, Part] = {
    "reading": ("From text to words", measure_reading),
    "checks": ("Checks", measure_checks),
    "speech": ("Planning a whole text", measure_speech),
}


def _table(
    findings: Findings, length: int, work: Callable[[str, str], object]
) -> dict[tuple[str, str], float]:
    """Measure `length` characters of every piece in every locale; write down the slowest twenty pieces."""
    costs = {}
    for locale in LOCALES:
        work(locale, "One.")
        for name, piece in PIECES.items():
            text = endless(piece, length)
            costs[name, locale] = _seconds(lambda: work(locale, text)) * LONGEST / length  # noqa: B023
    slowest = sorted(PIECES, key=lambda name: -max(costs[name, locale] for locale in LOCALES))[:20]
    findings.rows = [["Piece", *LOCALES]]
    findings.rows += [[name, *(figure(costs[name, locale]) for locale in LOCALES)] for name in slowest]
    return costs


def _target(findings: Findings, what: str, costs: dict[tuple[str, str], float], most: float) -> None:
    (name, locale), worst = max(costs.items(), key=lambda cost: cost[1])
    findings.targets.append((what, f"< {most:g} s", f"{worst:.2f} s ({name}, {locale})", worst < most))


def _planned(locale: str, text: str, first: bool = False) -> None:
    try:
        for _ in plan(Utterance(text, voice_of(locale)), CAPABILITIES):
            if first:
                return
    except TextError:
        pass  # it was read to its end to know that


def _seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of `work`, in this process and in those that it asks."""
    began = _spent()
    work()
    return _spent() - began


def _spent() -> float:
    children = (child.cpu_times() for child in psutil.Process().children())
    return time.process_time() + sum(spent.user + spent.system for spent in children)


if __name__ == "__main__":
    sys.exit(main())
