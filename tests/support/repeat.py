"""Run tests many times while the machine is busy: `.venv/bin/python tests/support/repeat.py TEST...`.

It shows whether a test is certain: 20 times with two busy processes beside it, unless told otherwise.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(100_000))"
"""A program that keeps a core busy until the process that started it has ended."""


class Repeated:
    """A pytest plugin: each test is run so many times; what a module or the session shares is made once."""

    def __init__(self, times: int) -> None:
        self._times = times

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give the test a parameter that it does not use."""
        metafunc.fixturenames.append("repetition")
        metafunc.parametrize("repetition", range(1, self._times + 1))


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep so many cores busy meanwhile."""
    started = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def main() -> int:
    """Return pytest's exit status: 0 where every test passed every time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tests", nargs="+", metavar="TEST", help="as pytest names it: a file, or file::test")
    parser.add_argument("--times", type=int, default=20, help="runs of each test (20)")
    parser.add_argument("--busy", type=int, default=2, help="busy processes beside them (2)")
    given = parser.parse_args()
    with busy(given.busy):
        return int(pytest.main(["-q", *given.tests], plugins=[Repeated(given.times)]))


if __name__ == "__main__":
    sys.exit(main())
