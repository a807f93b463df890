"""The progress of a TTSJob: from its RayJob, and from the driver's lines in the submitter's log."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tts_operator.desired.jobs import ATTEMPT_ANNOTATION
from tts_operator.objects import Manifest
from tts_operator.observed.conditions import Cause, Condition, conditions
from tts_operator.reasons import Reason

Phase = Literal["Pending", "Running", "Suspended", "Succeeded", "PartiallyFailed", "Failed"]
OUTCOMES: Mapping[str, Phase] = {phase: phase for phase in ("Succeeded", "PartiallyFailed", "Failed")}
"""Final phases of a job, by the driver's name for them."""
FAILURES = 10
MESSAGE_LENGTH = 1024
LOG_LINES = 100
"""Lines of the submitter's log to read: Ray adds some after the driver's last line."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A RayJob."""

    number: int
    cluster: str
    """The selected RayCluster; empty if the job has its own cluster."""
    submission: str
    """Ray's id of the job, also in a variable of the submitter's pod."""
    runs: bool
    """Whether Ray reports that the driver runs, or has run."""
    knows_dashboard: bool
    """Whether KubeRay knows where to submit the job."""
    stage: str
    """KubeRay's jobDeploymentStatus: Initializing, Running, Complete, Failed ...; empty at first."""
    said: str
    """KubeRay's reason and message."""
    held: bool
    """Whether Kueue holds it back or has stopped it."""
    ended: datetime | None
    """When it ended, successfully or not."""


@dataclass(frozen=True, slots=True)
class Report:
    """The driver's last report."""

    progress: Mapping[str, Any] | None = None
    """Counts of items; None before the driver knows them."""
    failures: list[dict[str, Any]] = field(default_factory=list)
    outcome: Phase | None = None
    """How the batch ended; None while it runs, and forever if the driver was killed."""
    message: str = ""
    waiting: str = ""
    """What the batch waits for, such as a node that other work keeps busy."""


@dataclass(frozen=True, slots=True)
class JobState:
    """The current state of a TTSJob."""

    phase: Phase
    reason: Reason
    """Why it is in its phase."""
    message: str
    is_error: bool = False
    """Whether something is wrong that a person may have to fix."""
    report: Report | None = None
    """The driver's last report; None: nothing new."""
    failed_attempts: int = 0
    began: bool = False
    """Whether the batch runs now: the deadline counts from the first time."""


def read_attempt(ray_job: Manifest) -> Attempt:
    """Return what a RayJob reports."""
    spec, status = ray_job["spec"], ray_job.get("status") or {}
    stage = status.get("jobDeploymentStatus", "")
    ended = stage in ("Complete", "Failed", "ValidationFailed")
    moment = status.get("endTime") or ray_job["metadata"]["creationTimestamp"]
    said = [status.get("reason") or "", status.get("message") or ""]
    return Attempt(
        number=int(ray_job["metadata"].get("annotations", {}).get(ATTEMPT_ANNOTATION, "1")),
        cluster=(spec.get("clusterSelector") or {}).get("ray.io/cluster", ""),
        submission=status.get("jobId", ""),
        runs=stage == "Running" and status.get("jobStatus", "") not in ("", "PENDING"),
        knows_dashboard=bool(status.get("dashboardURL")),
        stage=stage,
        said=": ".join(part for part in said if part),
        held=bool(spec.get("suspend")) or stage in ("Suspending", "Suspended"),
        ended=datetime.fromisoformat(moment) if ended else None,
    )


def submitter_of(attempt: Attempt, pods: Iterable[Manifest]) -> Manifest | None:
    """Return the pod that follows an attempt's log, or the newest of several; None while there is none.

    Pods of earlier attempts may still exist: Ray's id of the job distinguishes them.
    """
    own = [pod for pod in pods if attempt.submission and _submission(pod) == attempt.submission]
    return max(own, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


def read_report(log: str) -> Report | None:
    """Return the driver's last report in a log that also has other lines; None where there is none."""
    for line in reversed(log.splitlines()):
        try:
            said = json.loads(line)
            if not {"progress", "outcome", "waiting"} & said.keys():
                continue
            progress = _progress(said["progress"]) if "progress" in said else None
            failures = [_failure(item) for item in said.get("failures", [])[:FAILURES]]
        except (ValueError, KeyError, TypeError, AttributeError):  # a line of another kind
            continue
        outcome = OUTCOMES.get(said.get("outcome", ""))
        message, waiting = (str(said.get(name) or "")[:MESSAGE_LENGTH] for name in ("message", "waiting"))
        return Report(progress, failures, outcome, message, waiting)
    return None


def ending(report: Report, outcome: Phase) -> JobState:
    """Return the state of a job whose batch ended by itself."""
    progress = report.progress or {"summary": "0", "failed": 0}
    done, failed = progress["summary"], progress["failed"]
    first = f" The first: {report.failures[0]['message']}" if report.failures else ""
    if outcome == "Succeeded":
        return JobState(outcome, "Succeeded", f"{done} items are in the output.", report=report, began=True)
    if outcome == "PartiallyFailed":
        text = f"{done} items are in the output, {failed} failed.{first}"
        return JobState(outcome, "ItemsFailed", text, is_error=True, report=report, began=True)
    return JobState(
        outcome, "BatchFailed", report.message or f"No item is done.{first}", True, report, began=True
    )


def job_conditions(state: JobState) -> Sequence[Condition]:
    """Return the conditions of a TTSJob."""
    cause = Cause(state.reason, state.message)
    return conditions(
        "Complete",
        state.phase in OUTCOMES,
        cause,
        progressing=state.phase in ("Pending", "Running"),
        stage=cause,
        fault=cause if state.is_error else None,
    )


def job_status(state: JobState, before: Mapping[str, Any], ray_job: str | None, now: str) -> dict[str, Any]:
    """Return the status of a TTSJob, without conditions. `before` is its current status, `now` the time."""
    status: dict[str, Any] = {"phase": state.phase}
    report = state.report
    if report is not None and report.progress is not None:
        status["progress"], status["failures"] = dict(report.progress), report.failures
    else:
        status |= {name: before[name] for name in ("progress", "failures") if name in before}
    if state.phase != "Suspended":  # the time in suspension does not count
        started = before.get("startTime") or (now if state.began else None)
        if started:
            status["startTime"] = started
    if state.phase in OUTCOMES:
        status["completionTime"] = now
    if ray_job is not None:
        status["rayJob"] = ray_job
    if state.failed_attempts:
        status["failedAttempts"] = state.failed_attempts
    return status


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a TTSJob is, for metrics."""

    phase: str
    items: Mapping[str, int]
    """Number of items by state: done by this job, failed, skipped because they were done before, open."""
    eta: float | None
    """Estimated seconds to its end; None unless it runs and has done items."""


def advance(status: Mapping[str, Any], now: datetime) -> Advance:
    """Return how far a job with that status is at the time `now`.

    The rest is estimated to take as long an item as the items since the start did.
    """
    phase, progress = status.get("phase", "Pending"), status.get("progress")
    if progress is None:
        return Advance(phase, {}, None)
    counts = {name: int(progress.get(name, 0)) for name in ("total", "done", "failed", "skipped")}
    rest = max(0, counts["total"] - counts["done"] - counts["failed"])
    new = counts["done"] - counts["skipped"]
    items = {"done": new, "failed": counts["failed"], "skipped": counts["skipped"], "open": rest}
    through, started = new + counts["failed"], status.get("startTime")
    if phase != "Running" or through <= 0 or started is None:
        return Advance(phase, items, None)
    passed = (now - datetime.fromisoformat(started)).total_seconds()
    return Advance(phase, items, max(0.0, passed) * rest / through)


def _progress(said: Mapping[str, Any]) -> dict[str, Any]:
    counts = {name: int(said[name]) for name in ("total", "done", "failed", "skipped")}
    through, total = counts["done"] + counts["failed"], counts["total"]
    return {
        **counts,
        "percent": min(100, through * 100 // total) if total else 0,
        "summary": f"{counts['done']}/{total}",
    }


def _submission(pod: Manifest) -> str:
    variables = pod["spec"]["containers"][0].get("env", ())
    return next((str(v.get("value")) for v in variables if v["name"] == "RAY_JOB_SUBMISSION_ID"), "")


def _failure(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "post": int(item["post"]),
        "avatar": str(item["avatar"]),
        "reason": str(item["reason"]),
        "message": str(item["message"])[:MESSAGE_LENGTH],
    }
