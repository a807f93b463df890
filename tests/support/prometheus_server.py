"""A real Prometheus of the tests' own, on a free port of loopback, and what it answers."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from cluster.process import Process, answers, free_port

_START = 60.0
_SCRAPE = 60.0


class PrometheusMissingError(Exception):
    """There is no Prometheus on this machine."""


class PrometheusError(Exception):
    """Prometheus refused a query; the message is its own."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A series' value at one moment."""

    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """A series' values over a time: pairs of Unix seconds and value."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert whose expression holds: `pending` until its `for` is over, then `firing`."""

    name: str
    state: str
    labels: dict[str, str]
    annotations: dict[str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """What is scraped: `address` is host:port. `labels` are set on each of its series."""

    job: str
    address: str
    path: str = "/metrics"
    labels: dict[str, str] = field(default_factory=dict)


def find_program(*names: str) -> str:
    """Return the path of the first of these programs that is found, in `.venv` before elsewhere.

    Raises PrometheusMissingError if there is none.
    """
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    for name in names:
        if (found := shutil.which(name, path=folders)) is not None:
            return found
    raise PrometheusMissingError(f"there is no {' or '.join(names)} here: `hack/setup dev` fetches it")


class PrometheusServer:
    """A Prometheus while the block lasts: it scrapes `targets` and evaluates the rules of `rule_files`.

    Both happen every `interval` seconds. Its data are in `folder`.
    """

    def __init__(
        self,
        folder: Path,
        targets: Sequence[Target],
        rule_files: Sequence[Path] = (),
        *,
        interval: int = 1,
        dropped_labels: str = "",
    ) -> None:
        """`dropped_labels` is a regular expression: labels that match it are dropped from each series."""
        self._folder = folder
        self._targets = len(targets)
        self._port = free_port("127.0.0.1")
        self._config = folder / "prometheus.json"  # YAML's subset
        self._config.write_text(
            json.dumps(_configuration(targets, rule_files, interval, dropped_labels)), encoding="utf-8"
        )
        self._process = Process("Prometheus", self._command(), folder / "prometheus.log")

    def _command(self) -> list[str]:
        return [
            find_program("prometheus"),
            f"--config.file={self._config}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it has scraped each target once, with success or without."""
        self._process.start()
        self._process.wait_ready(lambda: answers("127.0.0.1", self._port, "/-/ready"), _START)
        self._process.wait_ready(self._has_scraped, _SCRAPE)

    def stop(self) -> None:
        """Kill it."""
        self._process.stop()

    def query(self, promql: str, *, at: float | None = None) -> list[Sample]:
        """Return what an expression is at a moment (Unix seconds), else now.

        Raises PrometheusError if it is no correct expression.
        """
        data = self._get("/api/v1/query", {"query": promql} | ({} if at is None else {"time": at}))
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(found["metric"], float(found["value"][1])) for found in data["result"]]

    def query_range(self, promql: str, *, start: float, end: float, step: float) -> list[Series]:
        """Return what an expression is from `start` to `end` (Unix seconds), every `step` seconds.

        Raises PrometheusError if it is no correct expression.
        """
        arguments = {"query": promql, "start": start, "end": end, "step": step}
        found = self._get("/api/v1/query_range", arguments)["result"]
        return [
            Series(one["metric"], [(float(at), float(value)) for at, value in one["values"]]) for one in found
        ]

    def alerts(self) -> list[Alert]:
        """Return the alerts that are pending or firing."""
        return [
            Alert(found["labels"]["alertname"], found["state"], found["labels"], found["annotations"])
            for found in self._get("/api/v1/alerts", {})["alerts"]
        ]

    def targets(self) -> dict[str, str]:
        """Return the health of each target (`up`, `down`, `unknown`), by job and address."""
        found = self._get("/api/v1/targets", {"state": "active"})["activeTargets"]
        return {f"{one['labels']['job']} {one['labels']['instance']}": one["health"] for one in found}

    def _has_scraped(self) -> bool:
        healths = self.targets().values()  # of none, until it has read its configuration
        return len(healths) == self._targets and "unknown" not in healths

    def _get(self, path: str, arguments: Mapping[str, Any]) -> Any:
        reply = httpx.get(f"{self.url}{path}", params=arguments, timeout=60, trust_env=False).json()
        if reply["status"] != "success":
            raise PrometheusError(reply["error"])
        return reply["data"]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _configuration(
    targets: Sequence[Target], rule_files: Sequence[Path], interval: int, dropped_labels: str
) -> dict[str, Any]:
    relabelling = [{"action": "labeldrop", "regex": dropped_labels}] if dropped_labels else []
    return {
        "global": {"scrape_interval": f"{interval}s", "evaluation_interval": f"{interval}s"},
        "rule_files": [str(path.absolute()) for path in rule_files],
        "scrape_configs": [
            {
                "job_name": job,
                "metric_relabel_configs": relabelling,
                "static_configs": [
                    {
                        "targets": [target.address],
                        "labels": {"__metrics_path__": target.path, **target.labels},
                    }
                    for target in targets
                    if target.job == job
                ],
            }
            for job in dict.fromkeys(target.job for target in targets)
        ],
    }
