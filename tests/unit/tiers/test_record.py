"""What `make test-all` writes into docs/development.md."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from coverage import CoverageData
from coverage.exceptions import DataError

from tiers import record
from tiers.run import Result

ROOT = Path(__file__).parents[3]


def file(statements: int, covered: int, branches: int = 0, taken: int = 0) -> dict[str, dict[str, int]]:
    counts = (statements, covered, branches, taken)
    names = ("num_statements", "covered_lines", "num_branches", "covered_branches")
    return {"summary": dict(zip(names, counts, strict=True))}


def saved_lines(folder: Path, name: str) -> int:
    """How many lines of a module the processes have saved so far."""
    lines: set[int] = set()
    for path in folder.glob("unit.coverage.*"):
        data = CoverageData(str(path))
        with suppress(DataError):  # it is being made
            data.read()
            lines |= {
                line
                for file in data.measured_files()
                if file.endswith(name)
                for line in data.lines(file) or ()
            }
    return len(lines)


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("/checkout/app/tts_app/api/app.py", "tts_app.api"),
        ("app/tts_app/engines/kokoro/model.py", "tts_app.engines"),
        ("app/tts_app/speech.py", "tts_app"),
        ("operator/tts_operator/desired/pods.py", "tts_operator.desired"),
    ],
)
def test_package_of_gives_the_package_of_a_file(path: str, package: str) -> None:
    assert record.package_of(path) == package


def test_coverage_table_sums_by_package_and_in_all() -> None:
    files = {
        "app/tts_app/api/a.py": file(90, 60, 10, 5),
        "app/tts_app/api/b.py": file(10, 10),
        "app/tts_app/c.py": file(100, 100),
    }
    lines = record.coverage_table(files).splitlines()[2:]
    assert lines == [
        "| tts_app | 100 | 100.0% |  |",
        "| tts_app.api | 100 | 70.0% | 50.0% |",
        "| all | 200 | 85.0% | 50.0% |",
    ]


def test_record_has_the_coverage_of_a_killed_process(tmp_path: Path) -> None:
    """A process that coverage started in is killed; another goes on where it stopped."""
    page = tmp_path / record.PAGE
    page.parent.mkdir()
    page.write_text(f"Before.\n{record.BEGIN}\nold\n{record.END}\nAfter.\n")
    for name in ("hack/tiers/coverage.ini", "tests/support/save_coverage.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    logs = tmp_path / ".tiers"
    logs.mkdir()
    program = tmp_path / "program.py"
    child = "import time, tts_app.catalogue; time.sleep(600)"
    program.write_text(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    environment = {
        "COVERAGE_FILE": str(logs / "unit.coverage"),
        "PYTHONPATH": str(tmp_path / "tests/support"),
    }
    rcfile = f"--rcfile={tmp_path / 'hack/tiers/coverage.ini'}"
    command = [sys.executable, "-m", "coverage", "run", rcfile, str(program)]
    with subprocess.Popen(command, env=environment, cwd=tmp_path) as process:
        deadline = time.monotonic() + 300
        while saved_lines(logs, "catalogue.py") <= 10:
            assert time.monotonic() < deadline, "the child saves nothing"
            time.sleep(0.1)
        (killed,) = psutil.Process(process.pid).children()
        killed.kill()
    record.keep(logs, Result("unit", (), 90.0, 60.0, "7 passed"), "abc1234")
    record.write(tmp_path, logs)
    text = page.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")
    assert "old" not in text
    assert "| unit | passed | 7 passed | 1.5 | 1.0 |" in text
    measured = json.loads((logs / "coverage.json").read_text())["files"]
    (catalogue,) = (found for name, found in measured.items() if name.endswith("tts_app/catalogue.py"))
    assert catalogue["summary"]["covered_lines"] > 10
