"""Attack the gateway's listener, and measure how long another caller waits.

Write docs/benchmarks-door.md; exit with 1 if a target is missed.
"""

import argparse
import contextlib
import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

import numpy as np
import paths
from parts import Findings, Part, measure, options_of
from server import Server
from tables import figure

PAGE = paths.ROOT / "docs" / "benchmarks-door.md"
ATTACK = paths.ROOT / "tests" / "support" / "attack.py"
VOICES = paths.ROOT / "manifests" / "samples" / "embedded.yaml"
ABOUT = (
    "`make bench-door` writes this page: attacks on the gateway's own listener. Meanwhile another caller "
    "asks for `/healthz` on a new connection every 20 ms. All come from one address and share the cores."
)
MOST_MS = 50.0
"""Milliseconds that the caller may wait at the 99th percentile."""
PAUSE = 0.02
Asked = tuple[list[float], int]
"""Milliseconds of each request that was answered, and how many failed."""
MIB = 2**20


def main() -> int:
    """Measure, write the page, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="seconds that an attack lasts")
    parser.add_argument("--url", help="attack this playground on loopback instead of one of its own")
    options = options_of(parser, PARTS, PAGE)
    return measure("Attacks on the door", ABOUT, PARTS, options)


def attacked_by(attackers: Sequence[tuple[str, int]]) -> Callable[[Findings, argparse.Namespace], None]:
    """Return what measures beside `attackers`: the kind and the connections of each process."""

    def measure_attack(findings: Findings, options: argparse.Namespace) -> None:
        findings.rows = [
            ["", "Requests", "Failed", "p50, ms", "p99, ms", "Most, ms", "Connections made", "MiB"]
        ]
        with contextlib.ExitStack() as stack:
            server = None if options.url else stack.enter_context(Server("-f", str(VOICES)))
            url = options.url or server.url
            _row(findings, "before", _ask(url, options.seconds / 4), "", server)
            with _attacks(url, attackers, options.seconds) as made:
                during = _ask(url, options.seconds)
            _row(findings, "during", during, f"{sum(made):,}", server)
            _row(findings, "after", _ask(url, options.seconds / 4), "", server)
        times, failed = during
        p99 = float(np.percentile(times, 99)) if times else float("inf")
        findings.targets += [
            (f"{findings.title}: requests of others that failed", "none", str(failed), not failed),
            (f"{findings.title}: p99 of others", f"under {MOST_MS:g} ms", f"{p99:.0f} ms", p99 < MOST_MS),
        ]

    return measure_attack


PARTS: dict[str, Part] = {
    "idle": ("20,500 idle connections from two processes", attacked_by([("idle", 10_250), ("idle", 10_250)])),
    "headers": ("1,500 requests whose headers trickle", attacked_by([("headers", 1500)])),
    "bodies": ("1,500 requests whose bodies trickle", attacked_by([("bodies", 1500)])),
    "endless-header": ("An endless header, again and again", attacked_by([("endless-header", 1)])),
    "header-lines": ("2,000,000 header lines, again and again", attacked_by([("header-lines", 1)])),
}


@contextlib.contextmanager
def _attacks(url: str, attackers: Sequence[tuple[str, int]], seconds: float) -> Iterator[list[int]]:
    """Attack inside the context, once all attackers are under way; fill the list with what each made."""
    processes = [
        subprocess.Popen(
            [sys.executable, str(ATTACK), kind, url, str(count), str(seconds + 2)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind, count in attackers
    ]
    made: list[int] = []
    try:
        for process in processes:
            if _line(process) != "ready":
                raise RuntimeError(f"the attack ended with {process.wait(60)}")
        yield made
        made += [int(_line(process)) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait(60)


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _ask(url: str, seconds: float) -> Asked:
    """Ask for /healthz on new connections for `seconds`; return the milliseconds of each, and failures."""
    times: list[float] = []
    failed = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        try:
            connection.request("GET", "/healthz")
            ok = connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException) as error:
            print(f"failed: {error!r}", file=sys.stderr)
            ok = False
        finally:
            connection.close()
        failed += not ok
        times += [1000 * (time.perf_counter() - began)] * ok
        time.sleep(PAUSE)
    return times, failed


def _row(findings: Findings, name: str, asked: Asked, made: str, server: Server | None) -> None:
    times, failed = asked
    figures = (*np.percentile(times, (50, 99)), max(times)) if times else (None, None, None)
    of_all = [figure(value, 1) for value in figures]
    memory = f"{server.memory() / MIB:,.0f}" if server else ""
    findings.rows.append([name, str(len(times) + failed), str(failed), *of_all, made, memory])
    print(findings.rows[-1], flush=True)


if __name__ == "__main__":
    sys.exit(main())
