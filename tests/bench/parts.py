"""A benchmark of several parts that can be measured one by one: its page tells the last run of each."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from conditions import cpu_name
from tables import section


@dataclass
class Findings:
    """What one part showed."""

    title: str
    conditions: dict[str, str]
    targets: list[tuple[str, str, str, bool]] = field(default_factory=list)
    """What, wanted, measured, whether it was reached."""
    rows: list[list[str]] = field(default_factory=list)
    """A table, its header first."""
    note: str = ""
    """What to know of the table."""


Part = tuple[str, Callable[[Findings, argparse.Namespace], None]]
"""A part's title, and what measures it."""


def options_of(parser: argparse.ArgumentParser, parts: Mapping[str, Part], page: Path) -> argparse.Namespace:
    """Return what the command line says, with the options that all such benchmarks have."""
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts), help="what to measure")
    parser.add_argument(
        "--keep", action="store_true", help="leave the other parts in the page as the last run found them"
    )
    parser.add_argument("--output", type=Path, default=page, help="the page to write")
    return parser.parse_args()


def measure(title: str, about: str, parts: Mapping[str, Part], options: argparse.Namespace) -> int:
    """Measure the parts that `options` name, write the page, return the exit status: 1 if a target is missed.

    What was found is kept beside the page, for a later run, on whatever machine, that measures other parts.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    kept = options.output.with_suffix(".json")
    found = _read(kept) if options.keep else {}
    for part in options.parts:
        heading, run = parts[part]
        findings = found[part] = Findings(heading, _conditions())
        run(findings, options)
        record = {key: asdict(value) for key, value in found.items()}
        kept.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        ordered = [found[key] for key in parts if key in found]
        options.output.write_text(page(title, about, ordered), encoding="utf-8")
        print(f"{part}: done", flush=True)
    targets = [target for part in options.parts for target in found[part].targets]
    for what, wanted, measured, met in targets:
        print(f"{'reached' if met else 'MISSED'}: {what}: {measured} (wanted: {wanted})")
    return 0 if all(met for *_, met in targets) else 1


def page(title: str, about: str, found: list[Findings]) -> str:
    """Return the page, in Markdown."""
    targets = [["Target", "Wanted", "Measured", "Result"]]
    conditions = [["Part", "Date", "CPU", "Load before"]]
    for part in found:
        targets += [[*reported, "reached" if met else "MISSED"] for *reported, met in part.targets]
        conditions.append([part.title, *part.conditions.values()])
    reported = [
        f"# {title}",
        about,
        section("Targets", targets),
        section("Conditions", conditions),
        *(section(part.title, part.rows, part.note) for part in found),
    ]
    return "\n\n".join(filter(None, reported)) + "\n"


def _read(kept: Path) -> dict[str, Findings]:
    if not kept.exists():
        return {}
    return {name: Findings(**found) for name, found in json.loads(kept.read_text(encoding="utf-8")).items()}


def _conditions() -> dict[str, str]:
    return {
        "Date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": f"{cpu_name()}, {len(os.sched_getaffinity(0))} cores for everything",
        "Load before the run": f"{os.getloadavg()[0]:.2f}",
    }
