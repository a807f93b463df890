"""The command line: `python hack/tiers --help`."""

import argparse
import os
import sys
import time
from pathlib import Path

from tiers import record
from tiers.report import failures, table
from tiers.run import Run
from tiers.table import TIERS

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / ".tiers"


def main() -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args()
    begin = time.monotonic()
    try:
        results = Run(ROOT, LOGS, options.all, os.environ).run(options.tier or list(TIERS))
    except KeyboardInterrupt:
        return 130
    if options.all:
        commit = record.commit_of(ROOT)
        for result in results:
            record.keep(LOGS, result, commit)
        record.write(ROOT, LOGS)
    failed = failures(results, strict=os.environ.get("CI") == "true")
    minutes = (time.monotonic() - begin) / 60
    print(f"\n{table(results)}\n\n{minutes:.1f} minutes in all; logs are in {LOGS.name}/")
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python hack/tiers",
        description="Run tiers of the tests, side by side where they do not disturb each other. A tier that "
        "fails does not end the others.",
    )
    parser.add_argument(
        "tier", nargs="*", choices=[*TIERS, []], help=f"of {', '.join(TIERS)}; all by default"
    )
    parser.add_argument("--all", action="store_true", help=f"every trial, and coverage; writes {record.PAGE}")
    return parser
