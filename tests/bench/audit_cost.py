"""Measure what the audit costs a request.

Write docs/benchmarks-audit.md; exit with 1 if a target is missed.
"""

import argparse
import asyncio
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from urllib.parse import urlsplit

import numpy as np
import paths
from parts import Findings, Part, measure, options_of
from postgres import Postgres
from server import Server
from tables import figure

from tts_app.api.group_commit import GroupCommit
from tts_app.security.audit import Entry, chain_key
from tts_app.storage.acts import UNRECORDED
from tts_app.storage.api_keys import ApiKey, ApiKeys
from tts_app.storage.audit import AuditLog
from tts_app.storage.database import Database

PAGE = paths.ROOT / "docs" / "benchmarks-audit.md"
VOICES = paths.ROOT / "manifests" / "samples" / "embedded.yaml"
ABOUT = (
    "`make bench-audit` writes this page: what the [audit](security.md#audit) adds to a request. PostgreSQL "
    "is a server of its own on this machine, which waits for the disk at each commit."
)
MOST_MS = 1.0
"""Milliseconds that the audit may add to a request at the median."""
ENTRY = Entry(
    "default", "key:0123456789abcdef", "speech.listen", "speech", f"speech_{'0' * 24}", "began",
    "192.0.2.1", "0" * 32,
)  # fmt: skip
CALLERS = (1, 16, 64)
HEADERS = {"Content-Type": "application/json"}
Times = list[float]
"""Milliseconds."""


def main() -> int:
    """Measure, write the page, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="rounds in which both services take turns")
    parser.add_argument("--requests", type=int, default=400, help="requests or rows of each measurement")
    return measure("Benchmarks of the audit", ABOUT, PARTS, options_of(parser, PARTS, PAGE))


def measure_requests(findings: Findings, options: argparse.Namespace) -> None:
    """Measure the cheapest request that is audited, with the audit and without."""
    findings.note = (
        "`GET /v1/speech/{id}/audio` with `Range: bytes=0-1023`, on connections that stay open. Two services "
        "take turns; the one that is not asked stands still. The difference is the median of the rounds'."
    )
    findings.rows = [["Callers", "Audit", "Requests a second", "p50, ms", "p99, ms", "p50 more, ms"]]
    with (
        Server("-f", str(VOICES)) as plain,
        Server("-f", str(VOICES), settings={"TTSP_AUDIT": "true"}) as audited,
    ):
        stored = {server: _stored(server.url) for server in (plain, audited)}
        for callers in CALLERS[:2]:
            taken: dict[Server, list[tuple[Times, float]]] = {plain: [], audited: []}
            for _ in range(options.rounds):
                for server, other in ((plain, audited), (audited, plain)):
                    with other.standing_still():
                        taken[server].append(_ask(server.url, stored[server], callers, options.requests))
            _add_requests(findings, callers, taken[plain], taken[audited])


def measure_rows(findings: Findings, options: argparse.Namespace) -> None:
    """Measure how long a row takes that belongs to no transaction, and how group commit holds it there."""
    findings.note = "In one process, from the call until the row is committed."
    findings.rows = [["Database", "Callers", "Rows a second", "p50, ms", "p99, ms"]]
    for name, url in _databases():
        for callers in CALLERS:
            with _opened(url) as database:
                audit = AuditLog(database, chain_key(b"secret"))
                times, seconds = asyncio.run(_rows(audit, callers, options.requests * callers))
            middle, late = map(float, np.percentile(times, (50, 99)))
            findings.rows.append(
                [name, str(callers), figure(len(times) / seconds, 0), figure(middle), figure(late)]
            )
            if callers == 1:
                told = (f"A row in {name}, one caller, p50", f"at most {MOST_MS:g} ms", f"{middle:.2f} ms")
                findings.targets.append((*told, middle <= MOST_MS))


def measure_acts(findings: Findings, options: argparse.Namespace) -> None:
    """Measure what a row adds to the transaction that it is in."""
    findings.note = "A key is stored; with the audit its row is in the same transaction. Taken in turns."
    findings.rows = [["Database", "Without, p50, ms", "With, p50, ms", "More, ms"]]
    for name, url in _databases():
        with _opened(url) as database:
            keys, audit = ApiKeys(database), AuditLog(database, chain_key(b"secret"))
            without, recorded = [], []
            for number in range(options.requests):
                without.append(_timed(lambda: keys.add(_key(f"a{number}"), UNRECORDED)))  # noqa: B023
                recorded.append(_timed(lambda: keys.add(_key(f"b{number}"), audit.act(ENTRY))))  # noqa: B023
        more = median(recorded) - median(without)
        findings.rows.append([name, figure(median(without)), figure(median(recorded)), figure(more)])
        told = (f"An act's row in {name}, p50", f"at most {MOST_MS:g} ms", f"{more:.2f} ms")
        findings.targets.append((*told, more <= MOST_MS))


PARTS: dict[str, Part] = {
    "requests": ("Requests", measure_requests),
    "rows": ("Rows by themselves", measure_rows),
    "acts": ("Rows in the transaction of an act", measure_acts),
}


def _add_requests(
    findings: Findings, callers: int, plain: list[tuple[Times, float]], audited: list[tuple[Times, float]]
) -> None:
    """Write down what was measured with so many callers, round by round."""
    more = median(
        float(np.median(with_[0]) - np.median(without[0]))
        for without, with_ in zip(plain, audited, strict=True)
    )
    for name, rounds in (("off", plain), ("on", audited)):
        times = [one for each, _ in rounds for one in each]
        rate = len(times) / sum(seconds for _, seconds in rounds)
        middle, late = np.percentile(times, (50, 99))
        added = figure(more) if name == "on" else ""
        findings.rows.append([str(callers), name, figure(rate, 0), figure(middle), figure(late), added])
    if callers == 1:
        told = ("A request, one caller, p50", f"at most {MOST_MS:g} ms more", f"{more:.2f} ms more")
        findings.targets.append((*told, more <= MOST_MS))


def _stored(url: str) -> str:
    """Store a speech and return the path of its audio."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
    body = json.dumps({"text": "The quiet rooms overlook the old harbour.", "language": "en"})
    connection.request("POST", "/v1/speech", body, {**HEADERS, "Prefer": "wait=60"})
    answer = connection.getresponse()
    made = json.load(answer)
    if answer.status != http.client.CREATED:
        raise RuntimeError(f"the speech was not made: {made}")
    connection.close()
    return str(made["links"]["audio"])


def _ask(url: str, path: str, callers: int, requests: int) -> tuple[Times, float]:
    """Return the milliseconds of each request of all callers, and the seconds of all together."""

    def call(_number: int) -> Times:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        times = [_timed(lambda: _part(connection, path)) for _ in range(requests // callers)]
        connection.close()
        return times

    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        times = [one for each in pool.map(call, range(callers)) for one in each]
    return times, time.perf_counter() - began


def _part(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("GET", path, headers={"Range": "bytes=0-1023"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != http.client.PARTIAL_CONTENT:
        raise RuntimeError(f"the service answers {answer.status}")


async def _rows(audit: AuditLog, callers: int, rows: int) -> tuple[Times, float]:
    """Return the milliseconds of each row, written by callers one after the other, and all seconds."""
    group = GroupCommit(audit)
    await group.append(ENTRY)
    times: Times = []

    async def call() -> None:
        for _ in range(rows // callers):
            began = time.perf_counter()
            await group.append(ENTRY)
            times.append(1000 * (time.perf_counter() - began))

    began = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    seconds = time.perf_counter() - began
    await group.close()
    return times, seconds


def _databases() -> Iterator[tuple[str, str]]:
    """Yield the name and the URL of an empty database of each kind, one after the other."""
    with tempfile.TemporaryDirectory(prefix="bench-audit-") as folder:
        yield "SQLite", f"sqlite:///{folder}/metadata.sqlite"
    with Postgres(durable=True) as server:
        yield "PostgreSQL", server.new_database()


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def _key(key_id: str) -> ApiKey:
    return ApiKey(
        id=key_id, tenant="default", name="bench", digest="0" * 64, scopes=["read"], created=1.0,
        created_by="bench", expires=None, revoked=None,
    )  # fmt: skip


def _timed(work: Callable[[], object]) -> float:
    """Return the milliseconds of `work`."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
