"""`make quality`: every avatar speaks its sentences, a recogniser listens, docs/quality.md says how well.

    python tests/quality/measure.py [--locales en-US ar-EG] [--genders female] [--sentences 3]
        [--models models.yaml ...] [--jobs 2] [--out docs] [--update-sample] [--no-cache]

A run over everything writes `docs/quality.md` and `docs/quality.json`; a part of it prints the page instead,
unless `--out` names a folder. Transcripts and figures are kept in the cache by the audio that they are of, so
a run that was stopped goes on where it was, and an unchanged voice costs only its synthesis.

Exit code: 0 every target met, 1 a target missed (listed), 2 wrong usage.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import get_args

from report import to_json, to_markdown
from sample import update_sample

from tts_app.catalogue import Catalogue
from tts_app.evaluate.judge import NAME, RECOGNISER, Judge
from tts_app.evaluate.listening import Listener, Work, examine_all
from tts_app.evaluate.results import Result, judge_targets
from tts_app.evaluate.sentences import KINDS, load_sentences
from tts_app.evaluate.speaking import Speaker
from tts_app.manifests import load_voice_models, samples_folder
from tts_app.resources import Gender, VoiceModel
from tts_app.resources.locales import canonical_locale
from tts_app.sources import cache_folder, fetch

ROOT = Path(__file__).parents[2]


def measure_all(work: Sequence[Work], models: Sequence[VoiceModel], jobs: int, cached: bool) -> list[Result]:
    """Return the results of `work`, in its order, `jobs` at a time."""
    listener = Listener(Judge(fetch(RECOGNISER)), cache_folder() / "quality" if cached else None)
    speaker = Speaker(models)
    try:
        return list(_reported(examine_all(work, speaker, listener, jobs), len(work)))
    finally:
        speaker.close()


def _reported(results: Iterator[Result], total: int) -> Iterator[Result]:
    started = time.perf_counter()
    for n, result in enumerate(results, 1):
        minutes = (time.perf_counter() - started) / 60
        found = f"{result.avatar} {result.kind} {result.score.rate:.0%} {result.heard}"
        print(f"{n}/{total} {minutes:.1f} min {found}", file=sys.stderr, flush=True)
        yield result


def conditions(models: Sequence[VoiceModel], results: Sequence[Result], seconds: float) -> Mapping[str, str]:
    """Return what the figures depend on, in words."""
    specs = [(m.name, m.spec) for m in models]
    engines = [f"{n} ({s.engine}, {s.quantization}, {s.source.uri} {s.source.revision})" for n, s in specs]
    cores = len(os.sched_getaffinity(0))
    packages = ("tts-playground", "onnxruntime", "numpy", "av", "speechmos", "pyloudnorm", "jiwer")
    return {
        "Date": datetime.now(UTC).date().isoformat(),
        "Machine": f"{platform.machine()}, {cores} cores, Python {platform.python_version()}",
        "Versions": ", ".join(f"{name} {version(name)}" for name in packages),
        "Models": "; ".join(engines),
        "Recogniser": f"{NAME} ({RECOGNISER.uri} {RECOGNISER.revision})",
        "Run": f"{len(results)} utterances, {sum(r.measures.seconds for r in results) / 60:.1f} minutes of "
        f"audio, in {seconds / 60:.0f} minutes (what an earlier run left in the cache is not heard again)",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write or print the report, and tell by the exit code whether every target is met."""
    options = _parser().parse_args(arguments)
    models = load_voice_models(options.models)
    voices = [
        voice
        for voice in Catalogue(models)
        if (not options.locales or voice.voice.locale in options.locales)
        and voice.voice.gender in options.genders
    ]
    work = [(v, s) for v in voices for s in load_sentences(v.voice.locale, options.sentences)]
    if not work:
        print("No voice matches.", file=sys.stderr)
        return 2
    started = time.perf_counter()
    results = measure_all(work, models, options.jobs, options.cache)
    found = conditions(models, results, time.perf_counter() - started)
    whole = not options.models and len(voices) == len(Catalogue(models)) and options.sentences is None
    out = options.out or (ROOT / "docs" if whole else None)
    if out is None:
        print(to_markdown(results, found))
    else:
        out.mkdir(parents=True, exist_ok=True)
        (out / "quality.md").write_text(to_markdown(results, found), encoding="utf-8")
        (out / "quality.json").write_text(to_json(results, found), encoding="utf-8")
    if options.update_sample:
        for path in options.models or [samples_folder() / "embedded.yaml"]:
            updated = update_sample(path.read_text(encoding="utf-8"), results, options.sentences is None)
            path.write_text(updated, encoding="utf-8")
    missed = [target for target in judge_targets(results) if not target.met]
    for target in missed:
        print(f"missed: {target.name}: {target.found}, wanted {target.limit}", file=sys.stderr)
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure every voice and write docs/quality.md.")
    parser.add_argument(
        "--models", nargs="+", type=Path, default=[], help="VoiceModel YAML; default: embedded"
    )
    parser.add_argument(
        "--locales", nargs="+", type=canonical_locale, default=[], help="default: all of the models"
    )
    parser.add_argument("--genders", nargs="+", choices=get_args(Gender), default=list(get_args(Gender)))
    parser.add_argument("--sentences", type=int, help=f"only the first ones of each of {', '.join(KINDS)}")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="utterances at a time")
    parser.add_argument("--out", type=Path, help="folder of quality.md and quality.json")
    parser.add_argument("--update-sample", action="store_true", help="write the figures into the YAML")
    parser.add_argument("--no-cache", dest="cache", action="store_false", help="listen to everything anew")
    return parser


if __name__ == "__main__":
    sys.exit(main())
