"""From measurements to docs/benchmarks.md: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import median

from tables import figure, section

PEER, OURS, HTTP = "kokoro-onnx", "ours, in process", "ours, HTTP and MP3"
SUBJECTS = (PEER, OURS, HTTP)

THROUGHPUT_CALLERS, THROUGHPUT_LEAST, THROUGHPUT_AIM = 4, 1.1, 1.3
FIRST_AUDIO_LENGTH, FIRST_AUDIO_MOST = 125, 0.35
GROWTH_MOST = 16 * 2**20
SETTLING = 100
"""Requests before memory is watched: buffers, caches and connections come up to size."""
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Throughput:
    """One run: texts spoken by so many callers at a time."""

    subject: str
    callers: int
    round: int
    texts: int
    seconds: float
    audio: float
    """Seconds of audio made."""


@dataclass(frozen=True, slots=True)
class FirstAudio:
    """One text spoken to an idle subject."""

    subject: str
    length: int
    first: float
    """Seconds to the first audio."""
    whole: float
    """Seconds to the last."""
    create: float | None = None
    """kokoro-onnx: seconds that `create` takes for the whole text."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """A process started for this: seconds and bytes."""

    subject: str
    start: float
    load: float
    loaded: float
    peaks: Mapping[int, float]
    """By length of the longest text spoken so far."""


@dataclass(slots=True)
class Findings:
    """Everything that was measured."""

    conditions: dict[str, str]
    throughput: list[Throughput] = field(default_factory=list)
    first_audio: list[FirstAudio] = field(default_factory=list)
    fresh: list[Fresh] = field(default_factory=list)
    memory: list[tuple[int, int]] = field(default_factory=list)
    """Requests so far, and bytes that the server's processes hold."""
    rewrites: dict[str, list[float]] = field(default_factory=dict)
    """CPU seconds of a model call by graph, in the same rounds."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something to reach; `met` is None where it was not measured."""

    name: str
    wanted: str
    measured: str
    met: bool | None


def growth(memory: Sequence[tuple[int, int]]) -> float | None:
    """Return the bytes by which memory grows from SETTLING to the end, by the Theil-Sen slope (robust)."""
    settled = [sample for sample in memory if sample[0] > SETTLING]
    if len(settled) < 5:
        return None
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(settled, 2)]
    return median(slopes) * (settled[-1][0] - SETTLING)


def throughput_ratios(findings: Findings, subject: str, callers: int) -> list[float]:
    """Return texts a second of `subject` over kokoro-onnx's, round by round."""
    rates: dict[str, dict[int, float]] = {}
    for run in findings.throughput:
        if run.callers == callers:
            rates.setdefault(run.subject, {})[run.round] = run.texts / run.seconds
    ours, peer = rates.get(subject, {}), rates.get(PEER, {})
    return [ours[number] / peer[number] for number in sorted(ours.keys() & peer.keys())]


def first_audio(findings: Findings, subject: str, length: int) -> float | None:
    """Return the median seconds to the first audio."""
    times = [run.first for run in findings.first_audio if (run.subject, run.length) == (subject, length)]
    return median(times) if times else None


def targets(findings: Findings) -> list[Target]:
    """Return what was to be reached, and whether it was."""
    ratios = throughput_ratios(findings, HTTP, THROUGHPUT_CALLERS)
    ratio = median(ratios) if ratios else None
    ours = first_audio(findings, HTTP, FIRST_AUDIO_LENGTH)
    peer = first_audio(findings, PEER, FIRST_AUDIO_LENGTH)
    first = ours / peer if ours and peer else None
    grown = growth(findings.memory)
    return [
        Target(
            f"Texts a second over HTTP as MP3, {THROUGHPUT_CALLERS} callers, over kokoro-onnx's in process",
            f"at least {THROUGHPUT_LEAST} (aim {THROUGHPUT_AIM})",
            figure(ratio),
            None if ratio is None else ratio >= THROUGHPUT_LEAST,
        ),
        Target(
            f"Time to first audio over HTTP as MP3, {FIRST_AUDIO_LENGTH} characters, over kokoro-onnx's",
            f"at most {FIRST_AUDIO_MOST}",
            figure(first),
            None if first is None else first <= FIRST_AUDIO_MOST,
        ),
        Target(
            f"Growth of the server's memory after the first {SETTLING} requests",
            f"at most {GROWTH_MOST // MIB} MiB",
            "" if grown is None else f"{grown / MIB:.1f} MiB in {findings.memory[-1][0] - SETTLING} requests",
            None if grown is None else grown <= GROWTH_MOST,
        ),
    ]


def render(findings: Findings) -> str:
    """Return docs/benchmarks.md."""
    parts = [
        "# Benchmarks\n\n`make bench` writes this page. Ours beside kokoro-onnx with the same weights, texts "
        "and machine, taken in turns in one run. No subject speaks a text twice: no cache can help.\n\n"
        "Other pages: [batches](benchmarks-batch.md), [the whole set of posts](benchmarks-posts.md), "
        "[the operator](benchmarks-operator.md), [text](benchmarks-text.md), "
        "[text on a GPU](benchmarks-gpu.md), [planning](benchmarks-planning.md), "
        "[the front-ends beside the model](benchmarks-front-end.md), "
        "[attacks on the door](benchmarks-door.md), [the audit](benchmarks-audit.md), "
        "[traces](benchmarks-tracing.md), "
        "[calls that callers share](benchmarks-batching.md), "
        "[speed beside another commit](benchmarks-commits.md).",
        section("Targets", _target_rows(findings)),
        section("Conditions", [["", ""], *([name, value] for name, value in findings.conditions.items())]),
        section("Throughput", _throughput_rows(findings), _THROUGHPUT_NOTE),
        section("Time to first audio", _first_audio_rows(findings), _FIRST_AUDIO_NOTE),
        section("Loading and memory", _fresh_rows(findings), _FRESH_NOTE),
        section("The server's memory", _memory_rows(findings), _MEMORY_NOTE),
        section("Graph rewrites", _rewrite_rows(findings), _REWRITES_NOTE),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_THROUGHPUT_NOTE = (
    "All rounds together; the ratio is the median of the rounds' ratios in texts a second, least to most in "
    "brackets. kokoro-onnx trims silence and we pause between sentences, so audio seconds are not compared. "
    "kokoro-onnx runs with its defaults, called from as many threads as there are callers. While a subject "
    "in process is measured, the server's processes are suspended."
)
_FIRST_AUDIO_NOTE = (
    "Medians, one caller, everything else idle. For kokoro-onnx, first is the first chunk of its own "
    "`create_stream` (which the target is measured by) and whole is its last; `create` gives all at once. "
    "Over HTTP, first audio is the third whole MP3 frame, since the encoder's run-in fills the two before."
)
_FRESH_NOTE = (
    "Each in a fresh process; medians. Start includes the interpreter, imports and loading. Ours includes "
    "the text front-end, levelling and stitching. Peak is after a text of each length, shortest first."
)
_MEMORY_NOTE = (
    "Bytes that only the server's processes hold (unique set size, all Ray processes together) between short "
    "requests from two callers."
)
_REWRITES_NOTE = (
    "CPU time of the same model call, on one thread, the graphs taken in turns; the ratio is the median of "
    "the rounds'. tests/unit/engines/test_kokoro_noise.py proves that the speech stays the same within noise."
)


def _target_rows(findings: Findings) -> list[list[str]]:
    words = {True: "reached", False: "**missed**", None: "not measured"}
    return [
        ["Target", "Wanted", "Measured", "Result"],
        *([t.name, t.wanted, t.measured, words[t.met]] for t in targets(findings)),
    ]


def _throughput_rows(findings: Findings) -> list[list[str]]:
    rows = [["Callers", "", "Texts a second", "Audio s a second", "Real-time factor", "Over kokoro-onnx"]]
    for callers in sorted({run.callers for run in findings.throughput}):
        for subject in SUBJECTS:
            runs = [r for r in findings.throughput if (r.callers, r.subject) == (callers, subject)]
            if not runs:
                continue
            seconds, audio = sum(r.seconds for r in runs), sum(r.audio for r in runs)
            rates = [figure(sum(r.texts for r in runs) / seconds, 3), figure(audio / seconds)]
            ratios = throughput_ratios(findings, subject, callers) if subject != PEER else []
            over = f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})" if ratios else ""
            rows.append([str(callers), subject, *rates, figure(seconds / audio), over])
    return rows


def _first_audio_rows(findings: Findings) -> list[list[str]]:
    rows = [["Characters", "", "First audio, s", "Whole, s", "`create`, s", "First over kokoro-onnx's"]]
    for length in sorted({run.length for run in findings.first_audio}):
        peer = first_audio(findings, PEER, length)
        for subject in SUBJECTS:
            runs = [r for r in findings.first_audio if (r.length, r.subject) == (length, subject)]
            if not runs:
                continue
            first = median(r.first for r in runs)
            created = [r.create for r in runs if r.create is not None]
            ratio = first / peer if peer and subject != PEER else None
            rows.append(
                [
                    str(length),
                    subject,
                    figure(first),
                    figure(median(r.whole for r in runs)),
                    figure(median(created) if created else None),
                    figure(ratio),
                ]
            )
    return rows


def _fresh_rows(findings: Findings) -> list[list[str]]:
    lengths = sorted({length for run in findings.fresh for length in run.peaks})
    peaks = [f"Peak, {length} characters, MiB" for length in lengths]
    rows = [["", "Start, s", "Load, s", "Loaded, MiB", *peaks]]
    for subject in SUBJECTS:
        runs = [run for run in findings.fresh if run.subject == subject]
        if runs:
            sizes = [median(r.loaded for r in runs), *(median(r.peaks[n] for r in runs) for n in lengths)]
            times = [figure(median(r.start for r in runs)), figure(median(r.load for r in runs))]
            rows.append([subject, *times, *(f"{size / MIB:.0f}" for size in sizes)])
    return rows


def _memory_rows(findings: Findings) -> list[list[str]]:
    step = max(1, len(findings.memory) // 10)
    chosen = findings.memory[::-step][::-1]
    return [["Requests", *(str(n) for n, _ in chosen)], ["MiB", *(f"{b / MIB:.0f}" for _, b in chosen)]]


def _rewrite_rows(findings: Findings) -> list[list[str]]:
    rows = [["Graph", "CPU seconds", "Over the export's"]]
    base = next(iter(findings.rewrites.values()), [])
    for name, times in findings.rewrites.items():
        ratios = [time / reference for time, reference in zip(times, base, strict=True)]
        rows.append([name, figure(median(times)), figure(median(ratios))])
    return rows
