"""What `ttsp render` tells on a terminal and elsewhere: its rate and the time left are of this run."""

import io
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from rich.console import Console

from tts_app.batch.outcome import Progress
from tts_app.batch.plan import Plan
from tts_app.cli import batch_report
from tts_app.cli.batch_report import progress_reports

MakePlan = Callable[..., Plan]
AT_ONCE = [(0.0, Progress(8)), (1.0, Progress(8, done=4, skipped=4))]
"""Half of the files were there before the run."""


def reported(
    plan: Plan, moments: list[tuple[float, Progress]], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> str:
    """Return what is printed when the progress is told at these moments."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=160, color_system=None)
    with progress_reports(plan, console, print, as_json=False) as report:
        for moment, progress in moments:
            clock = SimpleNamespace(monotonic=lambda moment=moment: 1000.0 + moment)
            monkeypatch.setattr(batch_report, "time", clock)
            report(progress)
    return screen.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_reports_tell_rate_and_time_left_of_this_run(
    make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    moments = [
        *AT_ONCE,
        (20.0, Progress(8, done=5, skipped=4)),
        (40.0, Progress(8, done=6, failed=1, skipped=4, waiting="node/cpu is 95% in use")),
    ]
    shown = reported(make_plan(), moments, monkeypatch, terminal)
    assert "0.05 files/s, about 20 s left; 1 failed; waiting: node/cpu is 95% in use" in shown


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_reports_tell_no_rate_before_anything_is_rendered(
    make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    shown = reported(make_plan(), AT_ONCE, monkeypatch, terminal)
    assert "files/s" not in shown
    assert "left" not in shown


def test_progress_reports_show_a_bar_on_a_terminal(
    make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan()
    shown = reported(plan, [(0.0, Progress(plan.total, done=3, skipped=1))], monkeypatch, terminal=True)
    assert "rendering" in shown
    assert "3/4" in shown
    assert "75%" in shown
