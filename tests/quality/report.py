"""Writes what a run found: docs/quality.md for people, docs/quality.json for programs. Pure text out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from tts_app.evaluate.results import Result, Summary, Target, error_rate, judge_targets, metric_of, summarise

WORST = 20

METHOD = """\
## How it is measured

`make quality` speaks every sentence of `app/tts_app/evaluate/sentences` with every avatar through the app's
own pipeline (front-end, engine, joins, levelling, MP3), decodes the MP3 and judges that.

- **Error rate**: what Whisper small hears, against what should have been said. Words (WER) for English
  and Spanish, characters, spaces among them, (CER) for Arabic, Hindi and Urdu. All errors over all words
  of the sentences; one sentence counts at most 1.5 errors a word. Both sides are folded to one spelling
  first: case, punctuation, digits and number words, contractions, British and American spelling, Arabic,
  Urdu and Hindi letters that writers use at will. A stress sentence has its spoken form, or several that
  are right, written beside it; where it has none (Arabic), what the front-end makes of it counts as
  right, so that there its misreadings do not show. Digits that the recogniser writes in Arabic, Hindi or
  Urdu are put into words by the app's front-end.
- The recogniser is held to the script of the language: it cannot write Hindi in Urdu letters, so that
  nothing is transliterated before scoring. It dominates the figures of Arabic, Hindi and Urdu, and leans
  to the standard spelling of Arabic: compare figures within this page only.
- **Plain** sentences are everyday hotel and social posts; **stress** sentences are full of prices, dates,
  times, phone numbers, tags, addresses, abbreviations, emoji, capitals and words of other languages.
- **DNSMOS** overall (OVRL), the mean over the sentences. **F0**: the median fundamental frequency in Hz.
- **LUFS**: integrated loudness (BS.1770) of the quietest and the loudest utterance; **peak**: the highest
  true peak in dBTP; **clipped**: samples at full scale. **Clicks** are counted in the same utterance as
  WAV, since a codec smears them: jumps of a quarter of a millisecond above 8 kHz that stand 15 dB over
  both sides, and are not in the engine's audio. Those that are, the releases of unaspirated stops
  mostly, are the voice's own **bursts**.
- **Silence**: the longest before and after the speech in any utterance, in seconds.
"""


def to_markdown(results: Sequence[Result], conditions: Mapping[str, str]) -> str:
    """Return the page."""
    targets = judge_targets(results)
    missed = [target for target in targets if not target.met]
    verdict = f"{len(targets) - len(missed)} of {len(targets)} targets are met."
    parts = [
        "# Quality of the voices\n\nWritten by `make quality`; do not edit. " + verdict + "\n",
        "## Targets\n\n" + _targets(targets),
        "## Voices\n\nError rates are WER or CER as marked; see below how each figure is taken.\n\n"
        + _voices(summarise(results)),
        "## Locales, both voices together\n\n" + _locales(results),
        "## Worst sentences\n\n" + _worst(results),
        METHOD,
        "## Conditions\n\n" + "\n".join(f"- {name}: {value}" for name, value in conditions.items()) + "\n",
    ]
    return "\n".join(parts)


def to_json(results: Sequence[Result], conditions: Mapping[str, str]) -> str:
    """Return the same, every utterance included, as JSON."""
    content = {
        "conditions": dict(conditions),
        "targets": [asdict(target) for target in judge_targets(results)],
        "voices": [_rounded(asdict(summary)) for summary in summarise(results)],
        "utterances": [_rounded(asdict(r) | {"error_rate": r.score.rate}) for r in results],
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _rounded(record: dict[str, object]) -> dict[str, object]:
    return {
        key: _rounded(value)
        if isinstance(value, dict)
        else round(value, 4)
        if isinstance(value, float)
        else value
        for key, value in record.items()
    }


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; what stands in cells cannot break it."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _targets(targets: Sequence[Target]) -> str:
    rows = [(t.name, t.limit, t.found, "met" if t.met else "**missed**") for t in targets]
    return table(("Target", "Limit", "Found", ""), rows)


def _voices(summaries: Sequence[Summary]) -> str:
    header = (
        "Voice",
        "Metric",
        "Plain",
        "Stress",
        "DNSMOS",
        "F0",
        "LUFS",
        "Peak",
        "Clipped",
        "Clicks",
        "Bursts",
        "Silence before, after",
    )
    rows = [
        (
            f"`{s.avatar}`",
            metric_of(s.locale).upper(),
            _percent(s.plain),
            _percent(s.stress),
            f"{s.dnsmos:.2f}",
            f"{s.f0:.0f}",
            f"{s.quietest:.1f} to {s.loudest:.1f}",
            f"{s.true_peak:.1f}",
            str(s.clipped),
            str(s.clicks),
            str(s.bursts),
            f"{s.leading:.2f}, {s.trailing:.2f}",
        )
        for s in summaries
    ]
    return table(header, rows)


def _locales(results: Sequence[Result]) -> str:
    rows = []
    for locale in dict.fromkeys(r.locale for r in results):
        own = [r for r in results if r.locale == locale]
        rates = (error_rate(own, "plain"), error_rate(own, "stress"), error_rate(own))
        rows.append((locale, metric_of(locale).upper(), *map(_percent, rates)))
    return table(("Locale", "Metric", "Plain", "Stress", "Both"), rows)


def _worst(results: Sequence[Result]) -> str:
    worst = sorted((r for r in results if r.score.errors), key=lambda r: -r.score.rate)[:WORST]
    rows = [(f"`{r.avatar}`", f"{r.score.rate:.0%}", r.text, r.read_as, r.heard) for r in worst]
    return table(("Voice", "Errors", "Text", "Read as", "Heard"), rows)


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"
