"""The results of a run, added up by voice and by locale, and held against the targets. Pure."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tts_app.evaluate.metrics import Measures
from tts_app.evaluate.scoring import Score
from tts_app.evaluate.sentences import Kind
from tts_app.resources import LOCALES

LOUDNESS = -16.0
PRODUCTION_DNSMOS = 3.0
F0_RANGES = {"female": (165.0, 255.0), "male": (85.0, 180.0)}
"""Hz: the usual pitch of adults' speech (Titze 1994, "Principles of Voice Production")."""
CHARACTER_SCORED = ("ar", "hi", "ur")
"""Languages whose words part and join too freely for a word error rate: scored by characters."""


@dataclass(frozen=True, slots=True)
class Result:
    """One sentence spoken by one voice."""

    avatar: str
    locale: str
    gender: str
    kind: Kind
    text: str
    read_as: str
    """What the text front-end made of it."""
    heard: str
    score: Score
    measures: Measures
    raw_loudness: float | None
    """LUFS of what the engine gave; None where that is not known."""
    segments: int | None


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that the issue asks for, and what was found."""

    name: str
    limit: str
    found: str
    met: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """A voice's figures over its sentences."""

    avatar: str
    locale: str
    gender: str
    plain: float | None
    stress: float | None
    dnsmos: float
    f0: float
    quietest: float
    loudest: float
    true_peak: float
    clipped: int
    clicks: int
    bursts: int
    leading: float
    trailing: float
    gain: float | None
    """dB that bring what the engine gives to -16 LUFS: mean over the plain sentences; None: not known."""
    seconds: float


def metric_of(locale: str) -> str:
    """Return `wer` or `cer`, whichever scores the locale."""
    return "cer" if locale.split("-", maxsplit=1)[0] in CHARACTER_SCORED else "wer"


def error_rate(results: Iterable[Result], kind: Kind | None = None) -> float | None:
    """Return all errors over all words or characters, of one kind or of both; None without any."""
    chosen = [r.score for r in results if kind in (None, r.kind)]
    length = sum(score.length for score in chosen)
    return sum(score.errors for score in chosen) / length if length else None


def summarise(results: Sequence[Result]) -> list[Summary]:
    """Return a summary for each voice, in the order of their first results."""
    by_avatar: dict[str, list[Result]] = {}
    for result in results:
        by_avatar.setdefault(result.avatar, []).append(result)
    return [_summary(own) for own in by_avatar.values()]


def _summary(results: Sequence[Result]) -> Summary:
    measures = [r.measures for r in results]
    plain = [r for r in results if r.kind == "plain"] or results
    raw = [r.raw_loudness for r in plain if r.raw_loudness is not None]
    return Summary(
        avatar=results[0].avatar,
        locale=results[0].locale,
        gender=results[0].gender,
        plain=error_rate(results, "plain"),
        stress=error_rate(results, "stress"),
        dnsmos=statistics.fmean(m.dnsmos for m in measures),
        f0=statistics.median(m.f0 for m in measures),
        quietest=min(m.loudness for m in measures),
        loudest=max(m.loudness for m in measures),
        true_peak=max(m.true_peak for m in measures),
        clipped=sum(m.clipped for m in measures),
        clicks=sum(m.clicks for m in measures),
        bursts=sum(m.bursts for m in measures),
        leading=max(m.leading for m in measures),
        trailing=max(m.trailing for m in measures),
        gain=LOUDNESS - statistics.fmean(raw) if raw else None,
        seconds=sum(m.seconds for m in measures),
    )


def judge_targets(results: Sequence[Result]) -> list[Target]:
    """Return every target that `results` can be held against."""
    summaries = summarise(results)
    present = list(dict.fromkeys(r.locale for r in results))
    targets: list[Target] = []
    for locale in ("en-US", "en-GB", "en-AU", "es-ES"):
        own = [r for r in results if r.locale == locale]
        targets += _rate(f"{locale} plain, WER", error_rate(own, "plain"), 0.03)
        targets += _rate(f"{locale} stress, WER", error_rate(own, "stress"), 0.08)
    for locale in ("hi-IN", "ur-PK"):
        targets += _rate(f"{locale}, CER", error_rate(r for r in results if r.locale == locale), 0.12)
    arabic = [r for r in results if r.locale.startswith("ar-")]
    targets += _rate("ar, the dialects together, CER", error_rate(arabic), 0.24)
    for locale in present:
        targets += _gap(locale, summaries)
    lowest = min(summaries, key=lambda s: s.dnsmos)
    targets.append(
        Target(
            "DNSMOS overall, each voice",
            ">= 3.0",
            f"lowest {lowest.dnsmos:.2f} ({lowest.avatar})",
            lowest.dnsmos >= PRODUCTION_DNSMOS,
        )
    )
    targets.append(_loudness(results))
    targets.append(_none("Clipped samples", results, lambda r: r.measures.clipped))
    targets.append(_none("Clicks at joins", results, lambda r: r.measures.clicks))
    return targets


def _rate(name: str, found: float | None, limit: float) -> list[Target]:
    if found is None:
        return []
    return [Target(name, f"<= {limit:.0%}", f"{found:.1%}", found <= limit)]


def _gap(locale: str, summaries: Sequence[Summary]) -> list[Target]:
    """Return the target that the two voices of a locale are held against, if there are two."""
    voices = {s.gender: s for s in summaries if s.locale == locale}
    if len(voices) < 2:
        return []
    gap = voices["female"].f0 - voices["male"].f0
    return [Target(f"{locale}, female F0 over male", ">= 40 Hz", f"{gap:.0f} Hz", gap >= 40)]


def _range(summary: Summary) -> Target:
    lowest, highest = F0_RANGES[summary.gender]
    return Target(
        f"F0 of a {summary.gender} voice",
        f"{lowest:.0f} to {highest:.0f} Hz",
        f"{summary.f0:.0f} Hz",
        lowest <= summary.f0 <= highest,
    )


def _loudness(results: Sequence[Result]) -> Target:
    farthest = max(results, key=lambda r: abs(r.measures.loudness - LOUDNESS))
    found = farthest.measures.loudness
    return Target(
        "Loudness, each utterance",
        f"{LOUDNESS:.0f} +- 1 LUFS",
        f"farthest {found:.1f} LUFS ({farthest.avatar})",
        abs(found - LOUDNESS) <= 1,
    )


def _none(name: str, results: Sequence[Result], count: Callable[[Result], int]) -> Target:
    total = sum(count(r) for r in results)
    return Target(f"{name}, all utterances", "0", str(total), total == 0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a voice may be called, and why it is no more than that."""

    quality: Literal["production", "preview"]
    reasons: tuple[str, ...] = ()
    """Why it is a preview; empty for production."""


def judge_voice(
    summary: Summary, results: Sequence[Result], approximation: str | None, whole: bool
) -> Verdict:
    """Return what the figures of one voice allow it to be called.

    Production: it spoke every sentence of its locale (`whole`), with the locale's own accent, a front-end of
    its own reads the text, every target of docs/quality.md is met, and its pitch is usual for its gender.
    `results` are those of the run: the pitch is held against that of the other gender too, where it spoke.
    """
    own = [r for r in results if r.avatar == summary.avatar]
    targets = [*judge_targets(own), _range(summary), *_gap(summary.locale, summarise(results))]
    reasons = [f"{t.name}: {t.found}, wanted {t.limit}" for t in targets if not t.met]
    if approximation is not None:
        reasons.append(f"it only approximates the locale: {approximation}")
    if summary.locale not in LOCALES:
        reasons.append(f"{summary.locale} has no front-end of its own, and no target")
    if not whole:
        reasons.append(f"it spoke {len(own)} sentences, not all of them")
    return Verdict("preview" if reasons else "production", tuple(reasons))
