"""Tests that stand on each other: after the first of a module that fails, the others fail at once.

They say so. Otherwise each of them would wait for what the first one left broken.
"""

from collections.abc import Generator

import pytest

MARK = "chain"
_BROKEN = pytest.StashKey[str]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep, for the module of a chain, which of its tests failed first."""
    report = yield
    if report.failed and item.get_closest_marker(MARK):
        assert item.parent is not None
        item.parent.stash.setdefault(_BROKEN, item.name)
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test of a chain that is broken, before anything of it is set up."""
    broken = item.parent.stash.get(_BROKEN, None) if item.parent else None
    if broken is not None:
        pytest.fail(f"not run: {broken} failed, on which it stands", pytrace=False)
