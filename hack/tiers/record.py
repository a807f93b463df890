"""Keeps the results of `make test-all` by tier, and writes them into docs/development.md."""

import json
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tiers.run import Result
from tiers.table import COVERAGE, TIERS

PAGE = Path("docs", "development.md")
BEGIN = "<!-- Written by `make test-all` from here ... -->"
END = "<!-- ... to here. -->"


def keep(logs: Path, result: Result, commit: str) -> None:
    """Keep a tier's result beside its log, with its date and commit, until the next run of the tier."""
    kept = asdict(result) | {"date": time.strftime("%Y-%m-%d"), "commit": commit}
    (logs / f"{result.tier}.json").write_text(json.dumps(kept), encoding="utf-8")


def commit_of(root: Path) -> str:
    """Return the commit that is checked out, with a mark where files differ from it."""
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def write(root: Path, logs: Path) -> None:
    """Combine the coverage of the tiers that ran, and put it and their results into the page."""
    kept = [
        json.loads(file.read_text(encoding="utf-8"))
        for name in TIERS
        if (file := logs / f"{name}.json").is_file()
    ]
    text = (root / PAGE).read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    section = f"{BEGIN}\n\n{results_table(kept)}\n\n{coverage_table(_measured(root, logs))}\n\n"
    (root / PAGE).write_text(f"{before}{section}{END}{after}", encoding="utf-8")


def _measured(root: Path, logs: Path) -> dict[str, Any]:
    """Combine the saved data of all tiers' processes; return the files of coverage's JSON report."""
    data = [str(path) for path in sorted(logs.glob("*.coverage.*"))]
    if not data:  # no tier that ran has tests
        return {}
    report = logs / "coverage.json"
    options = [f"--rcfile={root / COVERAGE}", f"--data-file={logs / 'coverage'}"]
    environment = os.environ | {"PYTHONPATH": str(root / "tests" / "support")}
    for command in (["combine", "--keep", *options, *data], ["json", *options, "-o", str(report)]):
        line = [sys.executable, "-m", "coverage", command[0], "--quiet", *command[1:]]
        subprocess.run(line, cwd=root, env=environment, check=True)
    files: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))["files"]
    return files


def results_table(kept: Iterable[Mapping[str, Any]]) -> str:
    """Return the results of each tier's last run with every trial, in Markdown."""
    rows = [
        [
            k["tier"],
            "failed" if k["failed"] else "passed",
            k["tests"],
            f"{k['wall'] / 60:.1f}",
            f"{k['cpu'] / 60:.1f}",
            k["date"],
            k["commit"],
        ]
        for k in kept
    ]
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}."
    header = ["Tier", "Result", "Tests", "Minutes", "Processor minutes", "Date", "Commit"]
    return f"{machine}\n\n{_table(header, rows)}"


def coverage_table(files: Mapping[str, Any]) -> str:
    """Return the coverage by package, from the files of coverage's JSON report, in Markdown."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for name, file in files.items():
        summary = file["summary"]
        counts = ("num_statements", "covered_lines", "num_branches", "covered_branches")
        for total in (package_of(name), "all"):
            sums[total] = [a + summary[count] for a, count in zip(sums[total], counts, strict=True)]
    rows = [
        [package, str(lines), f"{covered / lines:.1%}", f"{taken / branches:.1%}" if branches else ""]
        for package, (lines, covered, branches, taken) in sorted(
            sums.items(), key=lambda item: (item[0] == "all", item[0])
        )
        if lines
    ]
    return _table(["Package", "Lines", "Run", "Branches taken"], rows)


def package_of(file: str) -> str:
    """Return the package to which a file of ours belongs: `tts_app.api` for .../tts_app/api/app.py."""
    parts = Path(file).parts
    start = next(number for number, part in enumerate(parts) if part in ("tts_app", "tts_operator"))
    return ".".join(parts[start : min(start + 2, len(parts) - 1)])


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
