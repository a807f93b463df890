"""The progress of fetching a model's files."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tts_operator.objects import Manifest

_JOB_LABEL = "batch.kubernetes.io/job-name"


@dataclass(frozen=True, slots=True)
class Load:
    """The loader Job of a model that waits for its files."""

    fetched: int = 0
    """Bytes."""
    total: int | None = None
    """Bytes; None where the source does not say."""
    failure: str = ""
    """The message of the last failed try; empty where none failed."""
    given_up: bool = False
    """Whether no further try follows by itself."""

    @property
    def percent(self) -> int:
        """Share of the bytes that are fetched; 0 where the source does not report the total."""
        return min(100, self.fetched * 100 // self.total) if self.total else 0


def job_of_pod(pod: Manifest) -> str:
    """Return the name of the pod's Job; empty for a pod without one."""
    return str(pod["metadata"].get("labels", {}).get(_JOB_LABEL, ""))


def done(job: Manifest) -> bool:
    """Return whether a Job succeeded."""
    return _condition(job, "Complete") is not None


def failed_at(job: Manifest) -> str | None:
    """Return when a Job failed for good, in RFC 3339; None if it did not."""
    condition = _condition(job, "Failed")
    return condition["lastTransitionTime"] if condition else None


def read_load(job: Manifest | None, pods: Iterable[Manifest], logs: Mapping[str, str]) -> Load:
    """Return a Job's progress. `pods` are the service's, `logs` the last lines of running ones, by name."""
    if job is None:
        return Load()
    own = [pod for pod in pods if job_of_pod(pod) == job["metadata"]["name"]]
    counts = [count for pod in own for count in [_count(logs.get(pod["metadata"]["name"], ""))] if count]
    fetched, total = max(counts, key=lambda count: count[0], default=(0, None))
    failures = sorted(failure for pod in own for failure in _failures(pod))
    said = failures[-1][1] if failures else ""
    given_up = _condition(job, "Failed")
    if given_up is not None and not said:
        said = given_up.get("message", "")
    return Load(fetched, total, said, given_up is not None)


def _condition(job: Manifest, type_: str) -> dict[str, Any] | None:
    conditions = job.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == type_ and c["status"] == "True"), None)


def _count(log: str) -> tuple[int, int | None] | None:
    """Return fetched and total bytes from the last progress line in a loader's log."""
    for line in reversed(log.splitlines()):
        try:
            found = json.loads(line)
            return int(found["bytes"]), found["total_bytes"]
        except (ValueError, KeyError, TypeError):  # a line of another kind
            continue
    return None


def _failures(pod: Manifest) -> Iterable[tuple[str, str]]:
    """Yield, for each failed container of the pod, when it ended and the end of its output."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        ended = status.get("state", {}).get("terminated", {})
        if ended.get("exitCode"):
            said = _error(ended.get("message", "")) or ended.get("reason", "")
            yield ended.get("finishedAt", ""), f"{said} (exit code {ended['exitCode']})"


def _error(log: str) -> str:
    """Return the error with which `ttsp` ended, without earlier output of libraries; else the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip() and not line.startswith("{")]
    begin = next((i for i, line in enumerate(lines) if line.startswith("ttsp: ")), -1)
    return " ".join(lines[begin:]).removeprefix("ttsp: ")
