"""Tests and measurements that need a GPU: `pytest tests/gpu`. Without one they are skipped, and say so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from report import Report

from tts_app.sources.base import cache_folder

REPORT = pytest.StashKey[Report]()


@pytest.fixture(scope="session")
def gpu() -> str:
    """The name of the first GPU."""
    torch = pytest.importorskip("torch", reason="the extra `transformers` is not installed")
    if not torch.cuda.is_available():
        pytest.skip("this machine has no GPU that torch can use")
    return str(torch.cuda.get_device_name(0))


@pytest.fixture(scope="session")
def smollm() -> Path:
    """The embedded language model: a folder with one GGUF file."""
    folder = cache_folder() / "models" / "smollm2-135m-instruct" / "q4_1"
    if not (folder / "model.gguf").is_file():
        pytest.skip("the embedded language model is not in the cache: run `make setup` first")
    return folder


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Report:
    """What was measured: it is shown at the end, and `--gpu-report FILE` has it as soon as it is known."""
    return pytestconfig.stash.setdefault(REPORT, Report(pytestconfig.getoption("--gpu-report")))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--gpu-report", type=Path, default=None, help="file that the tables are added to")


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    yield
    if (found := config.stash.get(REPORT, None)) is not None:
        terminalreporter.write_line("\n".join(found.lines))
