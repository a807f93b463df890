"""How far a TTSJob is: its RayJob, and what the driver says in the submitter's log."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tts_operator.desired.jobs import ATTEMPT_ANNOTATION
from tts_operator.objects import Manifest
from tts_operator.observed.conditions import Cause, Condition, conditions

Phase = Literal["Pending", "Running", "Suspended", "Succeeded", "PartiallyFailed", "Failed"]
OUTCOMES: Mapping[str, Phase] = {phase: phase for phase in ("Succeeded", "PartiallyFailed", "Failed")}
"""Phases that a job stays in, by what the driver calls them."""
FAILURES = 10
MESSAGE_LENGTH = 1024
LOG_LINES = 100
"""Lines of the submitter's log that are read: Ray adds some after the driver's last."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A RayJob."""

    number: int
    cluster: str
    """The RayCluster that was selected; empty for one of its own."""
    submission: str
    """Ray's id of the job: the submitter's pod has it as a variable."""
    runs: bool
    """Whether Ray says that the driver runs, or has run."""
    knows_dashboard: bool
    """Whether KubeRay knows where to hand the job in."""
    stage: str
    """KubeRay's jobDeploymentStatus: Initializing, Running, Complete, Failed ...; empty at first."""
    said: str
    """KubeRay's reason and message."""
    held: bool
    """Whether Kueue holds it back, or stopped it."""
    ended: datetime | None
    """When it ended, well or not."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the driver said last."""

    progress: Mapping[str, Any] | None = None
    """Counts of items; None before it knows any."""
    failures: list[dict[str, Any]] = field(default_factory=list)
    outcome: Phase | None = None
    """How the batch ended; None while it runs, and for ever where the driver was killed."""
    message: str = ""
    waiting: str = ""
    """What the batch waits for, such as a node that others keep busy."""


@dataclass(frozen=True, slots=True)
class JobState:
    """What is so of a TTSJob now."""

    phase: Phase
    reason: str
    """Why it is in its phase, in one CamelCase word."""
    message: str
    is_error: bool = False
    """Whether something is wrong that a person may have to see to."""
    report: Report | None = None
    """What the driver said last; None: nothing new."""
    failed_attempts: int = 0
    began: bool = False
    """Whether the batch runs now: the deadline counts from the first time."""


def read_attempt(ray_job: Manifest) -> Attempt:
    """Return what a RayJob says."""
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
    """Return the pod that follows an attempt's log, the newest of several; None while there is none.

    Pods of earlier attempts may still be there: Ray's id of the job distinguishes them.
    """
    own = [pod for pod in pods if attempt.submission and _submission(pod) == attempt.submission]
    return max(own, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


def read_report(log: str) -> Report | None:
    """Return what the driver said last in a log that has others' lines too; None where it said nothing."""
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
    """Return the status of a TTSJob, without conditions. `before` is the one that it has, `now` the time."""
    status: dict[str, Any] = {"phase": state.phase}
    report = state.report
    if report is not None and report.progress is not None:
        status["progress"], status["failures"] = dict(report.progress), report.failures
    else:
        status |= {name: before[name] for name in ("progress", "failures") if name in before}
    if state.phase != "Suspended":  # time that it is suspended does not count
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
