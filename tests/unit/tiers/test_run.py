"""Tiers in lanes: what runs, what is kept of it, and what a failure does."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tiers.report import failures, table
from tiers.run import Result, Run, shares
from tiers.table import STAGES, TIERS, Stages, Tier


def says(text: str, status: int = 0) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print({text!r}); raise SystemExit({status})")


def run(folder: Path, stages: Stages, *names: str, everything: bool = False) -> list[Result]:
    names = names or tuple(tier.name for stage in stages for lane in stage for tier in lane)
    return Run(folder, folder / "logs", everything, os.environ, stages).run(names)


def test_run_goes_on_after_a_failing_tier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = Tier("first", (says("one", 3), says("two")))
    found = run(
        tmp_path, (((first, Tier("second", (says("three"),))),), ((Tier("third", (says("four"),)),),))
    )
    assert [result.tier for result in found] == ["first", "second", "third"]
    assert [len(result.failed) for result in found] == [1, 0, 0]
    assert found[0].failed[0].endswith("(exit status 3)")
    assert (tmp_path / "logs" / "first.log").read_text() == "one\ntwo\n"
    said = capsys.readouterr().out
    assert "   first | one" in said
    assert "   third | four" in said


def test_run_runs_only_the_named_tiers(tmp_path: Path) -> None:
    stages = (((Tier("first", (says("one"),)), Tier("second", (says("two"),))),),)
    assert [result.tier for result in run(tmp_path, stages, "second")] == ["second"]
    assert not (tmp_path / "logs" / "first.log").exists()


def test_run_runs_lanes_side_by_side_and_stages_in_order(tmp_path: Path) -> None:
    """Each of the first two waits for the other's file; the third is not to find a file of a fourth."""
    waits = (
        "import pathlib, time\npathlib.Path('{}').touch()\n"
        "while not pathlib.Path('{}').exists(): time.sleep(0.01)"
    )
    left, right = (
        Tier(mine, ((sys.executable, "-c", waits.format(mine, other)),))
        for mine, other in (("left", "right"), ("right", "left"))
    )
    after = Tier("after", ((sys.executable, "-c", "open('left').close(); open('right').close()"),))
    found = run(tmp_path, (((left,), (right,)), ((after,),)))
    assert [result.failed for result in found] == [(), (), ()]


def test_run_gives_the_lanes_of_a_stage_separate_ports(tmp_path: Path) -> None:
    tells = (sys.executable, "-c", "import os; print(os.environ['TTSP_TEST_PORTS'])")
    run(tmp_path, (((Tier("left", (tells,)),), (Tier("right", (tells,)),)),))
    reported = {(tmp_path / "logs" / f"{name}.log").read_text().strip() for name in ("left", "right")}
    assert reported == {"20000-25000", "25000-30000"}
    assert shares(range(10, 20), 3) == [range(10, 13), range(13, 16), range(16, 19)]


def test_run_does_not_wait_for_a_process_that_is_left_behind(tmp_path: Path) -> None:
    leaves = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
    (found,) = run(tmp_path, (((Tier("leaves", ((sys.executable, "-c", leaves),)),),),))
    left = int((tmp_path / "logs" / "leaves.log").read_text())
    os.kill(left, signal.SIGKILL)  # it is still there: the tier has not waited for it
    assert found.failed == ()


def test_run_records_processor_time_and_the_summary_of_pytest(tmp_path: Path) -> None:
    summary = "==== 3 passed, 1 skipped in 12.34s (0:00:12) ===="
    spins = f"import time\nwhile time.process_time() < 0.3: pass\nprint({summary!r})"
    (found,) = run(tmp_path, (((Tier("spins", ((sys.executable, "-c", spins),)),),),))
    assert found.cpu >= 0.3
    assert found.tests == "3 passed, 1 skipped"


def test_run_with_everything_wants_all_trials_and_measures_coverage(tmp_path: Path) -> None:
    tells = "import os; print(os.environ['TTSP_TEST_ALL'], os.environ['COVERAGE_FILE'])"
    tier = Tier("tells", ((sys.executable, "-c", tells),), tests=("nothing",))
    run(tmp_path, (((tier,),),), everything=True)
    log = tmp_path / "logs" / "tells.log"
    assert log.read_text().startswith(f"1 {tmp_path / 'logs' / 'tells.coverage'}\n")
    assert "coverage" in tier.lines(True)[-1]
    assert "coverage" not in tier.lines(False)[-1]


def test_failures_name_the_tests_that_failed(tmp_path: Path) -> None:
    output = "FAILED tests/unit/test_a.py::test_b - assert 1 == 2\n=== 1 failed in 1.00s ==="
    results = run(tmp_path, (((Tier("unit", (says(output, 1),)),),),))
    named, command = failures(results, strict=True)
    assert named == "unit: FAILED tests/unit/test_a.py::test_b - assert 1 == 2"
    assert command.endswith("(exit status 1)")


def test_failures_ignore_preparing_tiers_unless_strict() -> None:
    (prepares,) = (tier.name for tier in TIERS.values() if tier.name == "images" and tier.prepares)
    results = [Result(prepares, ("build (exit status 1)",), 1, 1, ""), Result("unit", (), 60, 30, "2 passed")]
    assert failures(results, strict=False) == []
    assert failures(results, strict=True) == ["images: build (exit status 1)"]
    assert "| unit | passed | 1.0 | 0.5 | 2 passed |" in table(results)


def test_stages_have_each_tier_once_after_what_it_needs() -> None:
    order = [tier.name for stage in STAGES for lane in stage for tier in lane]
    assert len(order) == len(set(order))
    assert order.index("programs") < order.index("operator")
    assert max(order.index("programs"), order.index("images")) < order.index("e2e")
