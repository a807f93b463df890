"""Tests and measurements that need a GPU: `pytest tests/gpu`. Without one they are skipped, and say so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tts_app.sources.base import cache_folder

REPORT = pytest.StashKey[list[str]]()


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
def report(pytestconfig: pytest.Config) -> list[str]:
    """Lines of Markdown that are shown at the end; `--gpu-report FILE` writes them, too."""
    return pytestconfig.stash.setdefault(REPORT, [])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--gpu-report", type=Path, default=None, help="file that the tables are written to")


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    yield
    if lines := config.stash.get(REPORT, []):
        terminalreporter.write_line("\n".join(lines))
        if (path := config.getoption("--gpu-report")) is not None:
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
