"""A real OpenTelemetry collector of the tests' own."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cluster.binaries import OBSERVABILITY
from cluster.build import check, path_of
from cluster.process import Process

_START = 30.0
_END = 30.0
_READY = b"Everything is ready. Begin running and processing data."
_QUIET: dict[str, Any] = {"service": {"telemetry": {"metrics": {"level": "none"}}}}
"""Its own metrics would be served on a fixed port."""


class OtelCollector:
    """A collector while the block lasts.

    `configs` are files or mappings; later ones are merged into those before. Files may read the variables of
    `environment` (`${env:NAME}`). At the end the collector is asked to end, and has written all that it has.

    Raises:
        PrerequisiteError: it is not built; the message says how.
        StartError: it did not start, or does not end; the message has the end of its log.
    """

    def __init__(
        self, folder: Path, *configs: Path | Mapping[str, Any], environment: Mapping[str, str] | None = None
    ) -> None:
        check(OBSERVABILITY)
        self.log = folder / "otel-collector.log"
        arguments = [
            f"--config={f'file:{config}' if isinstance(config, Path) else f'yaml:{json.dumps(config)}'}"
            for config in (*configs, _QUIET)
        ]
        self._process = Process(
            "otel-collector",
            [str(path_of("otel-collector")), *arguments],
            self.log,
            dict(environment or {}),
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it receives."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        self._process.start()
        self._process.wait_ready(lambda: _READY in self.log.read_bytes()[begin:], _START)

    def stop(self) -> None:
        """Ask it to end, and wait until it has written all that it received."""
        if (pid := self._process.pid) is not None:
            os.kill(pid, signal.SIGTERM)
            self._process.wait_end(_END)
        self._process.stop()


def otlp_to_files(port: int, folder: Path) -> dict[str, Any]:
    """Return a configuration that takes OTLP over HTTP on `port` of loopback, into `folder`/SIGNAL.jsonl."""
    signals = ("traces", "logs", "metrics")
    return {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": {f"file/{name}": {"path": str(folder / f"{name}.jsonl")} for name in signals},
        "service": {
            "pipelines": {name: {"receivers": ["otlp"], "exporters": [f"file/{name}"]} for name in signals}
        },
    }


def spans(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the spans in a file of traces, as OTLP's JSON has them, each with its `resource` attributes."""
    for line in file.read_text(encoding="utf-8").splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            about = attributes(resource["resource"])
            for scope in resource["scopeSpans"]:
                yield from ({**span, "resource": about} for span in scope["spans"])


def log_records(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the records in a file of logs, as OTLP's JSON has them, each with its `resource` attributes."""
    for line in file.read_text(encoding="utf-8").splitlines():
        for resource in json.loads(line)["resourceLogs"]:
            about = attributes(resource["resource"])
            for scope in resource["scopeLogs"]:
                yield from ({**record, "resource": about} for record in scope["logRecords"])


def attributes(of: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a resource, span or record; a list stays as OTLP has it."""
    return {entry["key"]: next(iter(entry["value"].values()), None) for entry in of.get("attributes", ())}
