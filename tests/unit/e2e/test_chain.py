"""A chain of tests ends with its first failure, and none of the others counts as passed or skipped."""

from pathlib import Path

from inner_pytest import run_pytest

CHAIN = """
import pytest

pytestmark = pytest.mark.chain

@pytest.fixture
def service():
    {service}

def test_first(service):
    pass

def test_second():
    {second}

def test_third(service):
    print("the third ran")
"""
ALONE = "def test_alone(): pass"


def run(folder: Path, service: str = "pass", second: str = "pass") -> tuple[int, str]:
    """Run pytest on a chain of three tests and on one outside it; return its status and its words."""
    (folder / "test_a_chain.py").write_text(CHAIN.format(service=service, second=second))
    (folder / "test_b_alone.py").write_text(ALONE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = chain\n")
    return run_pytest(folder, "-p", "chain", "-rA", str(folder))


def test_chain_runs_all_tests_without_a_failure(tmp_path: Path) -> None:
    status, reported = run(tmp_path)
    assert status == 0
    assert "4 passed" in reported


def test_chain_ends_with_an_error_after_a_failure(tmp_path: Path) -> None:
    status, reported = run(tmp_path, second="raise RuntimeError('broken')")
    assert status == 1
    assert "1 failed, 2 passed, 1 error" in reported
    assert "not run: test_second failed, on which it stands" in reported
    assert "the third ran" not in reported


def test_chain_ends_when_its_service_does_not_start(tmp_path: Path) -> None:
    status, reported = run(tmp_path, service="raise RuntimeError('no service')")
    assert status == 1
    assert "1 passed, 3 errors" in reported
    assert reported.count("not run: test_first failed, on which it stands") >= 2
