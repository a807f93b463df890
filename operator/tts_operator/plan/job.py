"""Plans a TTSJob: one step at a time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from tts_app.backoff import Backoff
from tts_app.resources import TTSJob, VoiceModel
from tts_app.serve_config import GATEWAY
from tts_operator.desired.claims import audio_claim_of
from tts_operator.desired.jobs import (
    QUEUE_LABEL,
    JobInputs,
    is_owned,
    job_children,
    needed,
    too_large,
    too_open,
    unusable,
)
from tts_operator.desired.loading import admit
from tts_operator.desired.ray_service import DASHBOARD_PORT, engine_images
from tts_operator.desired.security import profile_of
from tts_operator.desired.selection import explain, select, served, written
from tts_operator.objects import RAY_JOB, TTS_JOB, JobKey, Manifest, Ref, rfc3339
from tts_operator.observed.conditions import Cause, State, latest_change
from tts_operator.observed.jobs import (
    OUTCOMES,
    Attempt,
    JobState,
    Phase,
    Report,
    ending,
    job_conditions,
    job_status,
    read_attempt,
)
from tts_operator.observed.pods import problems_of
from tts_operator.observed.ray import ServedModels, Service, read_service
from tts_operator.observed.statuses import StatusUpdate
from tts_operator.plan.service import Policy, ServiceFacts, fetched_loads, playground_of
from tts_operator.reasons import Reason

ATTEMPTS = 5
"""RayJobs that may end without a report of how the batch ended; after the last of them the job has failed."""
RETRY = Backoff(10.0)
"""Delays from the end of an attempt to the next."""
RUNNING_POLL = 3.0
"""Seconds after which to look again at a running job: its progress is in a log, which is not watched."""
LONGEST_WAIT = 30.0
"""Most seconds after which to look again at a waiting job."""
_FINAL = ("LocalFiles", "PostsInResource")
"""Faults that only another job mends; with the others, somebody may still change the Playground."""
CALM_SHARE = 0.5
"""Look again at a waiting job after this share of the time since its last change."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What was read about a TTSJob, and how the API server answered the actions."""

    key: JobKey
    resource: Manifest
    """The TTSJob."""
    ray_job: Manifest | None = None
    report: Report | None = None
    """The driver's last report; None where the RayJob is not this job's."""
    pods: Sequence[Manifest] = ()
    """The job's own pods: submitters, and those of its own cluster."""
    mount_errors: Mapping[str, str] = field(default_factory=dict)
    """By the pod's name."""
    service: ServiceFacts | None = None
    """The service that the job runs on, or that is the template of its cluster: its resources, its
    RayService, its loader Jobs and its clusters. None where the TTSJob is not valid."""
    namesake: Manifest | None = None
    """The RayService that has the job's name."""
    refusal: Cause | None = None
    """Why the API server refused a child."""

    @property
    def status(self) -> Mapping[str, Any]:
        """The TTSJob's status; empty where it has none."""
        return self.resource.get("status") or {}

    @property
    def has_ended(self) -> bool:
        """Whether its status says that the job is over: then only its time to live counts."""
        return self.status.get("phase") in OUTCOMES

    @property
    def states(self) -> list[State]:
        """The state of each condition in the status."""
        conditions = self.status.get("conditions", ())
        return [State(TTS_JOB.name, c["type"], c["status"] == "True", c["reason"]) for c in conditions]

    @property
    def uid(self) -> str:
        """The TTSJob's uid."""
        return str(self.resource["metadata"]["uid"])

    @property
    def is_stopping(self) -> bool:
        """Whether the RayJob is being deleted."""
        return self.ray_job is not None and "deletionTimestamp" in self.ray_job["metadata"]


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What to do for a TTSJob, in this order."""

    create: Sequence[Manifest] = ()
    """Children, the RayJob last."""
    delete: Ref | None = None
    """The RayJob, or the TTSJob when its time to live has passed."""
    dashboard: str = ""
    """Where KubeRay should submit the RayJob; empty where it needs no help."""
    status: StatusUpdate | None = None
    look_again: float | None = None
    """Seconds after which to look again; None when only a change of a watched object matters."""

    @property
    def acts(self) -> bool:
        """Whether to write anything but the status."""
        return bool(self.create or self.delete or self.dashboard)


@dataclass(frozen=True, slots=True)
class _Step:
    """The job's next state, and what to do for it."""

    state: JobState
    create: Sequence[Manifest] = ()
    stops: bool = False
    """Whether to delete the RayJob."""
    dashboard: str = ""


def parse(resource: Manifest) -> TTSJob:
    """Return a resource as a TTSJob.

    Raises:
        ValidationError: it is not valid.
    """
    return TTSJob.model_validate(written(resource))


def service_of(job: TTSJob) -> str:
    """Return the name of the service that a job runs on, or that is the template of its own cluster."""
    ephemeral = job.spec.ephemeral
    return ephemeral.copy_of if ephemeral is not None else str(job.spec.service_name)


def plan_job(facts: JobFacts, now: datetime, policy: Policy) -> JobPlan:
    """Return what to do for a TTSJob. `now` is the time, with its zone."""
    if facts.has_ended:
        return _expire(facts, now)
    step = _step(facts, now, policy)
    removed = step.stops and facts.ray_job is not None and not facts.is_stopping
    ray_job = facts.ray_job["metadata"]["name"] if facts.ray_job is not None else None
    fields = job_status(step.state, facts.status, ray_job, rfc3339(now))
    status = StatusUpdate(facts.resource, fields, job_conditions(step.state))
    return JobPlan(
        create=step.create,
        delete=Ref(RAY_JOB, facts.key.job) if removed else None,
        dashboard=step.dashboard,
        status=status,
        look_again=_look_again(step.state, status, facts, now, policy),
    )


def _expire(facts: JobFacts, now: datetime) -> JobPlan:
    """Return the plan for a job that has ended: it is deleted when its time to live has passed."""
    ttl = facts.resource["spec"].get("ttlSecondsAfterFinished")
    if ttl is None:
        return JobPlan()
    ended = datetime.fromisoformat(facts.status["completionTime"])
    left = (ended + timedelta(seconds=ttl) - now).total_seconds()
    return JobPlan(look_again=left) if left > 0 else JobPlan(delete=Ref(TTS_JOB, facts.key.job))


def _look_again(
    state: JobState, status: StatusUpdate, facts: JobFacts, now: datetime, policy: Policy
) -> float | None:
    if state.phase in OUTCOMES:
        return policy.poll_seconds
    if state.phase == "Suspended" and facts.ray_job is None:
        return None
    if state.phase == "Running":
        return min(RUNNING_POLL, policy.poll_seconds)
    calm = (now - latest_change(status.after(now)["conditions"])).total_seconds() * CALM_SHARE
    return min(LONGEST_WAIT, max(policy.poll_seconds, calm))


def _step(facts: JobFacts, now: datetime, policy: Policy) -> _Step:
    """Return the next step.

    How the batch ended takes priority, unless it failed while it was being stopped: a driver that has lost
    its output, for example, cannot stop cleanly. The job resumes, or fails again, later.
    """
    if facts.refusal is not None:
        return _Step(_pending(facts, *facts.refusal, is_error=True))
    try:
        job = parse(facts.resource)
    except ValidationError as error:
        return _Step(_pending(facts, "InvalidSpec", explain(error), is_error=True))
    if facts.ray_job is not None and not is_owned(facts.ray_job, facts.uid):
        return _Step(_pending(facts, *name_taken(job.name), is_error=True))
    attempt = read_attempt(facts.ray_job) if facts.ray_job is not None else None
    report = facts.report
    # A driver whose cluster is taken away reports that it failed.
    stopped = job.spec.suspend or facts.is_stopping or (attempt is not None and attempt.held)
    if report is not None and report.outcome is not None and not (report.outcome == "Failed" and stopped):
        ended = ending(report, report.outcome)
        return _Step(replace(ended, failed_attempts=facts.status.get("failedAttempts", 0)))
    return _advance(facts, job, attempt, now, policy)


def _advance(facts: JobFacts, job: TTSJob, attempt: Attempt | None, now: datetime, policy: Policy) -> _Step:
    """Return the step of a job whose batch has not ended."""
    if job.spec.suspend:
        return _suspend(facts)
    if _is_overdue(facts, job, now):
        text = f"It was not done within activeDeadlineSeconds ({job.spec.active_deadline_seconds})."
        return _Step(_state(facts, "Failed", "DeadlineExceeded", text, is_error=True), stops=True)
    return _begin(facts, job, now, policy) if attempt is None else _continue(facts, attempt, now)


def _continue(facts: JobFacts, attempt: Attempt, now: datetime) -> _Step:
    """Return the step of a job that has a RayJob."""
    if facts.is_stopping:
        return _Step(_pending(facts, "Stopping", "The RayJob before is being removed."))
    if attempt.cluster and _is_lost(facts, attempt, now):  # the lost cluster may have ended it
        text = f"RayCluster {attempt.cluster} is replaced or gone: the job goes on on the next one."
        return _Step(_pending(facts, "ClusterReplaced", text), stops=True)
    if attempt.ended is not None:
        return _try_again(facts, attempt, attempt.ended, now)
    return _follow(facts, attempt)


def name_taken(name: str) -> Cause:
    """Return why a job cannot run while a RayJob of its name belongs to another owner."""
    text = f"A RayJob called {name} is there that is not this job's: it waits until that is gone."
    return Cause("NameTaken", text)


def _state(
    facts: JobFacts,
    phase: Phase,
    reason: Reason,
    message: str,
    *,
    is_error: bool = False,
    began: bool = False,
    failed_attempts: int | None = None,
) -> JobState:
    """Return a state with the driver's report and the number of failed attempts."""
    failed = facts.status.get("failedAttempts", 0) if failed_attempts is None else failed_attempts
    return JobState(phase, reason, message, is_error, facts.report, failed, began)


def _pending(facts: JobFacts, reason: Reason, message: str, *, is_error: bool = False) -> JobState:
    """Return the state of a job that cannot run now."""
    return _state(facts, "Pending", reason, message, is_error=is_error)


def _suspend(facts: JobFacts) -> _Step:
    if facts.ray_job is not None:
        text = "The job is being stopped; what is done stays."
        return _Step(_state(facts, "Suspended", "Stopping", text), stops=True)
    text = "The job waits until `suspend` is false; what is done stays."
    return _Step(_state(facts, "Suspended", "Suspended", text))


def _is_overdue(facts: JobFacts, job: TTSJob, now: datetime) -> bool:
    started, deadline = facts.status.get("startTime"), job.spec.active_deadline_seconds
    if started is None or deadline is None:
        return False
    return now >= datetime.fromisoformat(started) + timedelta(seconds=deadline)


def _is_lost(facts: JobFacts, attempt: Attempt, now: datetime) -> bool:
    """Return whether an attempt runs on a cluster that its service has no more."""
    live = facts.service.ray_service if facts.service is not None else None
    return read_service(live, now).active_cluster != attempt.cluster


def _try_again(facts: JobFacts, attempt: Attempt, ended: datetime, now: datetime) -> _Step:
    """Return the step of an interrupted attempt, which is deleted in time for the next one."""
    said = attempt.said or f"The RayJob is {attempt.stage}, and the driver did not say how the batch ended."
    text = f"Attempt {attempt.number} of {ATTEMPTS} was broken off: {said}"
    if attempt.number >= ATTEMPTS:
        state = _state(
            facts, "Failed", "AttemptsExhausted", text, is_error=True, failed_attempts=attempt.number
        )
        return _Step(state, stops=True)
    due = ended + timedelta(seconds=RETRY.after(attempt.number))
    # Anything not in the status yet would be lost with the RayJob.
    is_known = facts.status.get("failedAttempts") == attempt.number
    text += " Another one follows; what is done stays."
    state = _state(facts, "Pending", "AttemptFailed", text, is_error=True, failed_attempts=attempt.number)
    return _Step(state, stops=is_known and now >= due)


def _follow(facts: JobFacts, attempt: Attempt) -> _Step:
    """Return the step of an attempt that runs or is about to run."""
    if attempt.held:
        return _Step(_pending(facts, "Queued", "Kueue holds the RayJob back until there is room."))
    where = f"RayCluster {attempt.cluster}" if attempt.cluster else "a Ray cluster of its own"
    report = facts.report
    if attempt.runs or report is not None:
        text = f"Attempt {attempt.number} runs on {where}."
        if report is not None and report.waiting:
            text += f" It waits: {report.waiting}."
        return _Step(_state(facts, "Running", "Running", text, began=True))
    found = problems_of(facts.pods, facts.mount_errors)
    if found:
        return _Step(_pending(facts, found[0].reason, found[0].message, is_error=True))
    dashboard = ""
    if attempt.cluster and attempt.stage == "Initializing" and not attempt.knows_dashboard:
        dashboard = _dashboard(facts, attempt.cluster)
    starting = _pending(facts, "Starting", f"Attempt {attempt.number} starts on {where}.")
    return _Step(starting, dashboard=dashboard)


def _dashboard(facts: JobFacts, cluster: str) -> str:
    """Return where KubeRay should submit the job; empty where the cluster does not say.

    KubeRay finds this out itself only when every pod of the cluster is ready at the same time. In a service
    this may never happen: a pod is ready while Serve has a proxy on it, which is only beside a replica, and
    there are as many pods as the highest number of replicas.
    """
    clusters = facts.service.ray_clusters if facts.service is not None else ()
    live = next((found for found in clusters if found["metadata"]["name"] == cluster), {})
    head = (live.get("status", {}).get("head") or {}).get("serviceName")
    return f"{head}.{facts.key.namespace}.svc:{DASHBOARD_PORT}" if head else ""


class _BlockedError(Exception):
    """The job cannot start now."""

    def __init__(self, state: JobState) -> None:
        super().__init__(state.message)
        self.state = state


def _begin(facts: JobFacts, job: TTSJob, now: datetime, policy: Policy) -> _Step:
    """Return the step that makes the RayJob, if everything that it needs exists."""
    try:
        inputs = _inputs(facts, job, now, policy)
    except _BlockedError as error:
        return _Step(error.state)
    children = job_children(inputs, policy.defaults)
    if fault := too_large(children):
        return _Step(_state(facts, "Failed", "BatchTooLarge", fault, is_error=True))
    where = f"RayCluster {inputs.cluster}" if inputs.cluster else "a cluster of its own"
    text = f"Attempt {inputs.attempt} is handed to {where}."
    if inputs.cluster and QUEUE_LABEL in job.metadata.labels:
        text += f" {QUEUE_LABEL} is left out: Kueue admits whole clusters, so it takes `ephemeral`."
    return _Step(_pending(facts, "Starting", text), create=children)


def _inputs(facts: JobFacts, job: TTSJob, now: datetime, policy: Policy) -> JobInputs:
    """Return the inputs of the RayJob. Raises _BlockedError where the job must wait."""
    service = facts.service
    assert service is not None  # noqa: S101 - the job is valid
    name = service.key.service
    try:
        playground = playground_of(service.key, service.playground)
    except ValidationError as error:
        raise _blocked(facts, "InvalidPlayground", f"Playground {name}: {explain(error)}") from error
    profile = profile_of(playground, policy.defaults.profile)
    fault = too_open(job, playground, profile) or unusable(job, audio_claim_of(playground))
    if fault is not None:
        final = fault[0] in _FINAL
        raise _BlockedError(_state(facts, "Failed" if final else "Pending", *fault, is_error=True))
    images, commercial = engine_images(playground, policy.defaults), policy.defaults.is_commercial(playground)
    models = _models(facts, job, service, images, commercial)
    cluster = ""
    if job.spec.ephemeral is None:
        ray = read_service(service.ray_service, now)
        reason = _not_ready(name, ray, needed(job, models), service.previously_ready)
        if reason is not None:
            raise _blocked(facts, *reason, is_error=False)
        cluster = ray.active_cluster
    else:
        if facts.namesake is not None:
            # KubeRay would use `<name>-head-svc` of the one for the other.
            text = f"A RayService is called {job.name} too: a job with its own cluster must not be."
            raise _blocked(facts, "NameTaken", text)
        models = needed(job, models)
    failed = facts.status.get("failedAttempts", 0)
    # A driver reports progress only after it has read its output.
    resumes = "progress" in facts.status
    return JobInputs(job, facts.uid, playground, models, cluster, failed + 1, resumes)


def _models(
    facts: JobFacts, job: TTSJob, service: ServiceFacts, images: Collection[str], commercial: bool
) -> list[VoiceModel]:
    """Return the VoiceModels that a service serves. Raises _BlockedError where a needed one is missing."""
    previous = ServedModels(service.ray_service)
    models = served(select(service.models, images, previous, commercial=commercial))
    if not needed(job, models):
        missing: Reason = "ServiceMissing" if not service.models else "NoModels"
        text = f"Service {service.key.service} has no VoiceModel that speaks for the job."
        raise _blocked(facts, missing, text)
    ready, pending = admit(models, fetched_loads(service.children), previous)
    voices = [m for m in ready if isinstance(m, VoiceModel) and m.spec.image_key in images]
    lacking = {model.name for model in needed(job, pending)} - {model.name for model in voices}
    if lacking:
        text = f"The files of {', '.join(sorted(lacking))} are still being fetched."
        raise _blocked(facts, "ModelsLoading", text, is_error=False)
    return voices


def _blocked(facts: JobFacts, reason: Reason, message: str, *, is_error: bool = True) -> _BlockedError:
    return _BlockedError(_pending(facts, reason, message, is_error=is_error))


def _not_ready(
    name: str, ray: Service, models: Sequence[VoiceModel], previously_ready: Collection[str]
) -> Cause | None:
    """Return why a service cannot run a batch of `models` yet; None where it can.

    `previously_ready` are the applications that were Ready before.
    """
    if not ray.exists:
        return Cause("ServiceMissing", f"Service {name} has no RayService yet.")
    if not ray.active_cluster:
        return Cause("ServiceNotReady", f"Service {name} has no active RayCluster yet.")
    for application in (GATEWAY, *(model.name for model in models)):
        if not ray.is_healthy(application, previously_ready):
            said = ray.application(application).status or "not known to Serve yet"
            return Cause("ServiceNotReady", f"Application {application} of service {name} is {said}.")
    return None
