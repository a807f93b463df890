"""Whether a test must run again: when a file that it covers has changed, and until it has passed."""

from pathlib import Path

import pytest
from inner_pytest import run_pytest

from tiers.digest import digest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("operator/main.py", "operator/deep/part.py", "Makefile", "docs/page.md"):
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "checkout"


def of(root: Path) -> str:
    return digest(root, ["operator", "Makefile"])


def test_digest_is_the_same_for_the_same_files(root: Path) -> None:
    assert of(root) == of(root) == digest(root, ["Makefile", "operator"])
    (root / "docs" / "page.md").write_text("of no interest")
    (root / "operator" / "__pycache__").mkdir()
    (root / "operator" / "__pycache__" / "main.pyc").write_text("byte code")
    before = of(root)
    root.rename(root.with_name("elsewhere"))
    assert of(root.with_name("elsewhere")) == before


def test_digest_changes_with_any_change_of_a_file(root: Path) -> None:
    seen = {of(root)}
    part = root / "operator" / "deep" / "part.py"
    part.write_text("changed")
    seen.add(of(root))
    (root / "operator" / "new.py").touch()
    seen.add(of(root))
    part.rename(part.with_name("renamed.py"))
    seen.add(of(root))
    (root / "Makefile").write_text("changed")
    seen.add(of(root))
    part.with_name("renamed.py").unlink()
    seen.add(of(root))
    assert len(seen) == 6


def test_digest_refuses_a_path_without_files(root: Path) -> None:
    with pytest.raises(ValueError, match="oprator has no files"):
        digest(root, ["oprator"])


PLUGIN = """
from pathlib import Path
from unchanged import LeavesOut

def pytest_configure(config):
    config.pluginmanager.register(LeavesOut("slow", Path("tested"), Path("covered").read_text()))
"""
TEST = """
import pytest

@pytest.fixture
def slow(): pass

def test_quick(): pass

def test_slow(slow): assert not {fails}
"""


def run(folder: Path, covered: str, fails: bool = False) -> tuple[int, str]:
    """Run pytest on a test that is left out and one that is not; return its status and its words."""
    (folder / "covered").write_text(covered)
    (folder / "conftest.py").write_text(PLUGIN)
    (folder / "test_it.py").write_text(TEST.format(fails=fails))
    return run_pytest(folder, "--rootdir", str(folder))


def test_unchanged_test_is_left_out_until_its_files_change(tmp_path: Path) -> None:
    status, reported = run(tmp_path, "one", fails=True)
    assert status == 1
    status, reported = run(tmp_path, "one")
    assert (status, "2 passed" in reported) == (0, True)
    status, reported = run(tmp_path, "one")
    assert status == 0
    assert "1 passed, 1 deselected" in reported
    assert "skipped" not in reported
    assert "test_it.py::test_slow was left out: nothing that it covers has changed" in reported
    status, reported = run(tmp_path, "two")
    assert (status, "2 passed" in reported) == (0, True)
    status, reported = run(tmp_path, "one")
    assert (status, "2 passed" in reported) == (0, True), "only the last is kept"
