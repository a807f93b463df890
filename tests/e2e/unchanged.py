"""Tests that are left out where nothing that they cover has changed since they last passed on this machine.

What a test covered is kept as a hash when it has passed.
"""

from collections.abc import Generator
from pathlib import Path

import pytest


class LeavesOut:
    """A plugin of pytest: of the tests that use a fixture, it leaves out those that have passed before.

    A file of `folder`, by a test's name, holds what the test covered when it last passed. A test is left out
    where that is `covered`.
    """

    def __init__(self, fixture: str, folder: Path, covered: str) -> None:
        self._fixture, self._folder, self._covered = fixture, folder, covered
        self._left_out: list[str] = []

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Take out of `items` what need not run."""
        left_out = [item for item in items if self._is_ours(item) and self._passed(item)]
        self._left_out = [item.nodeid for item in left_out]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep what a test covered that has passed."""
        report = yield
        if call.when == "call" and report.passed and self._is_ours(item):
            self._write(self._folder / item.name)
        return report

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was left out, and why."""
        for name in self._left_out:
            terminalreporter.write_line(
                f"{name} was left out: nothing that it covers has changed since it passed. "
                "TTSP_TEST_ALL=1 runs it."
            )

    def _is_ours(self, item: pytest.Item) -> bool:
        return isinstance(item, pytest.Function) and self._fixture in item.fixturenames

    def _passed(self, item: pytest.Item) -> bool:
        file = self._folder / item.name
        return file.is_file() and file.read_text(encoding="utf-8").strip() == self._covered

    def _write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(f"{self._covered}\n", encoding="utf-8")
        unfinished.replace(file)
