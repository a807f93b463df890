"""Runs tiers in lanes: prints their output as it comes, and makes a log and a result of each."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tiers.table import STAGES, Stages, Tier

_PORTS = range(20_000, 30_000)
"""The lanes of a stage divide these: `cluster.process.free_port` reads TTSP_TEST_PORTS."""
_SUMMARY = re.compile(r"^=+ (\d.*) in [\d.]+s.*=+$", re.MULTILINE)
_FAILURE = re.compile(r"^(?:FAILED|ERROR) .+$", re.MULTILINE)
_POLL = 0.2


@dataclass(frozen=True, slots=True)
class Result:
    """How a tier ended, and how long it took."""

    tier: str
    failed: tuple[str, ...]
    """Command lines that did not exit with 0, with their exit status."""
    wall: float
    """Seconds."""
    cpu: float
    """Seconds of processor time of its processes, except those that were not waited for."""
    tests: str
    """pytest's own summary; empty if the tier ran no pytest, or pytest did not finish."""
    failures: tuple[str, ...] = ()
    """pytest's line for each test that failed."""


class Run:
    """A run of some tiers.

    Args:
        root: the checkout.
        logs: folder of the logs, made where it is missing.
        everything: every trial, with coverage: `make test-all`.
        environment: variables of the tiers' processes.
        stages: all tiers, in their lanes.
    """

    def __init__(
        self,
        root: Path,
        logs: Path,
        everything: bool,
        environment: Mapping[str, str],
        stages: Stages = STAGES,
    ) -> None:
        self._root = root
        self._logs = logs
        self._stages = stages
        self._everything = everything
        self._environment = environment
        self._printing = threading.Lock()
        self._interrupted = threading.Event()
        logs.mkdir(parents=True, exist_ok=True)

    def run(self, names: Sequence[str]) -> list[Result]:
        """Run these tiers, each even if others fail; return their results, stage by stage."""
        results: list[Result] = []
        for stage in self._stages:
            lanes = [lane for lane in ([t for t in lane if t.name in names] for lane in stage) if lane]
            if not lanes:
                continue
            with ThreadPoolExecutor(max_workers=len(lanes)) as executor:
                running = [
                    executor.submit(self._lane, *lane)
                    for lane in zip(lanes, shares(_PORTS, len(lanes)), strict=True)
                ]
                try:
                    results += [result for lane in running for result in lane.result()]
                except KeyboardInterrupt:
                    self._interrupted.set()  # the terminal has also interrupted the tier's processes
                    raise
        return results

    def _lane(self, tiers: Sequence[Tier], ports: range) -> list[Result]:
        return [self._tier(tier, ports) for tier in tiers if not self._interrupted.is_set()]

    def _tier(self, tier: Tier, ports: range) -> Result:
        environment = dict(self._environment) | {"TTSP_TEST_PORTS": f"{ports.start}-{ports.stop}"}
        if self._everything:
            environment |= self._for_everything(tier)
        self._say(tier.name, "begins")
        begin, cpu, failed = time.monotonic(), 0.0, []
        log = self._logs / f"{tier.name}.log"
        log.write_bytes(b"")
        for line in tier.lines(self._everything):
            status, seconds = self._command(tier.name, line, environment, log)
            cpu += seconds
            if status != 0:
                failed.append(f"{' '.join(line)} (exit status {status})")
        wall = time.monotonic() - begin
        output = log.read_text(encoding="utf-8", errors="replace")
        summaries = _SUMMARY.findall(output)
        failures = tuple(_FAILURE.findall(output)) if failed else ()
        result = Result(
            tier.name, tuple(failed), wall, cpu, summaries[-1] if summaries else "", failures=failures
        )
        word = "failed" if failed else "passed"
        self._say(tier.name, f"{word} after {wall:.0f} s, {cpu:.0f} s of processor time")
        return result

    def _for_everything(self, tier: Tier) -> dict[str, str]:
        """Return the variables for every trial and for coverage; remove the tier's earlier coverage data."""
        data = self._logs / f"{tier.name}.coverage"
        for old in self._logs.glob(f"{data.name}.*"):
            old.unlink()
        path = os.pathsep.join(
            [str(self._root / "tests" / "support"), self._environment.get("PYTHONPATH", "")]
        )
        return {"TTSP_TEST_ALL": "1", "COVERAGE_FILE": str(data), "PYTHONPATH": path.rstrip(os.pathsep)}

    def _command(
        self, name: str, line: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> tuple[int, float]:
        """Run a command; return its exit status and its seconds of processor time.

        It writes to the log and not to a pipe: a process that it leaves behind would keep a pipe open.
        """
        with log.open("ab") as output, log.open("rb") as reader:
            reader.seek(0, os.SEEK_END)
            process = subprocess.Popen(
                line, cwd=self._root, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
            begun = b""
            while True:
                ended, status, used = os.wait4(process.pid, os.WNOHANG)
                *whole, begun = (begun + reader.read()).split(b"\n")
                for said in [*whole, begun] if ended else whole:
                    self._say(name, said.decode(errors="replace"))
                if ended:
                    process.returncode = os.waitstatus_to_exitcode(status)
                    return process.returncode, used.ru_utime + used.ru_stime
                time.sleep(_POLL)

    def _say(self, name: str, text: str) -> None:
        with self._printing:
            print(f"{name:>8} | {text}", flush=True)


def shares(ports: range, count: int) -> list[range]:
    """Return `count` ranges of the same length, one after another."""
    length = len(ports) // count
    return [ports[number * length : (number + 1) * length] for number in range(count)]
