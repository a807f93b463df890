"""The reconcile of a TTSJob: one idempotent function that brings it on by a step."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from tts_app.resources import TTSJob, VoiceModel
from tts_app.serving.config import GATEWAY
from tts_operator import metrics
from tts_operator.desired.claims import audio_claim_of
from tts_operator.desired.groups import downloads
from tts_operator.desired.jobs import (
    QUEUE_LABEL,
    Plan,
    is_owned,
    job_children,
    needed,
    too_large,
    unusable,
)
from tts_operator.desired.loading import COMPONENT_LABEL, admit
from tts_operator.desired.network import SUBMITTER
from tts_operator.desired.ray_service import DASHBOARD_PORT, Defaults, engine_images
from tts_operator.desired.selection import explain, select, served, written
from tts_operator.objects import (
    JOB,
    JOB_LABEL,
    POD,
    RAY_CLUSTER,
    RAY_JOB,
    RAY_SERVICE,
    TTS_JOB,
    Manifest,
    Ref,
    rfc3339,
)
from tts_operator.observed import loads
from tts_operator.observed.conditions import conditions_of, latest_change
from tts_operator.observed.jobs import (
    LOG_LINES,
    OUTCOMES,
    Attempt,
    JobState,
    Report,
    ending,
    job_conditions,
    job_status,
    read_attempt,
    read_report,
    submitter_of,
)
from tts_operator.observed.pods import problems_of
from tts_operator.observed.ray import Service, read_service
from tts_operator.reconcile.kube import NOT_FOUND, Kube, KubeError
from tts_operator.reconcile.queue import JobKey, Key
from tts_operator.reconcile.read import State, playground_of, read_children, read_state, read_volume_trouble
from tts_operator.reconcile.transitions import job_event_of

logger = logging.getLogger(__name__)

ATTEMPTS = 5
"""RayJobs that may end without having said how the batch ended; after the last the job has failed."""
FIRST_BACKOFF = 10.0
"""Seconds from the end of the first attempt to the second; twice as many each time."""
RUNNING_POLL = 3.0
"""Seconds after which a job that runs is looked at again: its progress is in a log, which nobody watches."""
LONGEST_WAIT = 30.0
"""A job that waits is looked at this often, at the least."""
CALM_SHARE = 0.5
"""A job that waits is looked at again after this share of the time that nothing changed of it."""
CONFLICT = 409


@dataclass(frozen=True, slots=True)
class JobReconciler:
    """Reconciles TTSJobs. All that counts is in the API server, but for what the driver says in its log."""

    kube: Kube
    defaults: Defaults
    poll_seconds: float
    now: Callable[[], datetime]
    """Returns the time, in UTC."""
    instance: str = "tts-operator"
    """Who reports Events."""

    async def reconcile(self, key: JobKey) -> float | None:
        """Bring the TTSJob `key` on. Return the seconds after which to look again, or None.

        Raises KubeError when the API server does not answer, or refuses a status.
        """
        manifest = await self.kube.get(Ref(TTS_JOB, key.job), key.namespace)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            metrics.CONDITIONS.tell((TTS_JOB, key), [])
            return None
        status = manifest.get("status") or {}
        if status.get("phase") in OUTCOMES:
            known = [(TTS_JOB.name, c["type"], c["status"] == "True") for c in status["conditions"]]
            metrics.CONDITIONS.tell((TTS_JOB, key), known)
            return await self._expire(key, manifest)
        ray_job = await self.kube.get(Ref(RAY_JOB, key.job), key.namespace)
        work = _Work(key, manifest, status, ray_job)
        try:
            verdict = await self._advance(work)
        except KubeError as error:
            if error.status is None:
                raise
            verdict = work.waits(*_refusal(error), is_error=True)
        told = await self._report(work, verdict)
        if verdict.phase in OUTCOMES:
            return 0.0
        if verdict.phase == "Suspended" and work.ray_job is None:
            return None
        if verdict.phase == "Running":
            return min(RUNNING_POLL, self.poll_seconds)
        calm = (self.now() - latest_change(told)).total_seconds() * CALM_SHARE
        return min(LONGEST_WAIT, max(self.poll_seconds, calm))

    async def _expire(self, key: JobKey, manifest: Manifest) -> float | None:
        """Delete an ended job when its time is over."""
        ttl = manifest["spec"].get("ttlSecondsAfterFinished")
        if ttl is None:
            return None
        ended = datetime.fromisoformat(manifest["status"]["completionTime"])
        left = (ended + timedelta(seconds=ttl) - self.now()).total_seconds()
        if left > 0:
            return left
        await self.kube.delete(Ref(TTS_JOB, key.job), key.namespace)
        return None

    async def _advance(self, work: "_Work") -> JobState:
        """Do the next step, and return what becomes of the job.

        How the batch ended counts before all else, unless it failed while it was being stopped: with its
        output away, say, a driver cannot leave things as they are to be. It goes on, or fails again, later.
        """
        try:
            job = TTSJob.model_validate(written(work.manifest))
        except ValidationError as error:
            return work.waits("InvalidSpec", explain(error), is_error=True)
        if work.ray_job is not None and not is_owned(work.ray_job, work.uid):
            text = f"A RayJob called {job.name} is there that is not this job's: it waits until that is gone."
            return work.waits("NameTaken", text, is_error=True)
        attempt = read_attempt(work.ray_job) if work.ray_job is not None else None
        report = await self._read_log(work, attempt) if attempt is not None else None
        # Whose cluster is taken away says that it failed.
        stopped = job.spec.suspend or work.is_being_removed or (attempt is not None and attempt.held)
        if report is not None and report.outcome is not None and not (report.outcome == "Failed" and stopped):
            return replace(ending(report, report.outcome), failed_attempts=work.failed_attempts)
        work.report = report
        if job.spec.suspend:
            return await self._suspend(work)
        return await self._go_on(work, job, attempt)

    async def _go_on(self, work: "_Work", job: TTSJob, attempt: Attempt | None) -> JobState:
        if self._is_overdue(work, job):
            await self._remove(work)
            text = f"It was not done within activeDeadlineSeconds ({job.spec.active_deadline_seconds})."
            return work.says("Failed", "DeadlineExceeded", text, is_error=True)
        if work.ray_job is None or attempt is None:
            return await self._begin(work, job)
        if work.is_being_removed:
            return work.waits("Stopping", "The RayJob before is being removed.")
        if attempt.cluster and await self._is_lost(work, job, attempt):  # it may have ended of that
            await self._remove(work)
            text = f"RayCluster {attempt.cluster} is replaced or gone: the job goes on on the next one."
            return work.waits("ClusterReplaced", text)
        if attempt.ended is not None:
            return await self._try_again(work, attempt, attempt.ended)
        return await self._look(work, attempt)

    async def _look(self, work: "_Work", attempt: Attempt) -> JobState:
        """Return the verdict on an attempt that goes on, or is about to."""
        if attempt.held:
            return work.waits("Queued", "Kueue holds the RayJob back until there is room.")
        where = f"RayCluster {attempt.cluster}" if attempt.cluster else "a Ray cluster of its own"
        if attempt.runs or work.report is not None:
            text = f"Attempt {attempt.number} runs on {where}."
            if work.report is not None and work.report.waiting:
                text += f" It waits: {work.report.waiting}."
            return work.says("Running", "Running", text, began=True)
        pods = await self.kube.list(POD, work.key.namespace, labels={JOB_LABEL: work.key.job})
        said = await read_volume_trouble(self.kube, work.key.namespace, pods, self.now())
        found = problems_of(pods, said)
        if found:
            return work.waits(found[0].reason, found[0].message, is_error=True)
        if attempt.cluster and attempt.stage == "Initializing" and not attempt.knows_dashboard:
            await self._tell_dashboard(work, attempt.cluster)
        return work.waits("Starting", f"Attempt {attempt.number} starts on {where}.")

    async def _tell_dashboard(self, work: "_Work", cluster: str) -> None:
        """Tell KubeRay where to hand the job in.

        It would find that out when every pod of the cluster is ready at the same time, and of a service they
        never need be: a pod is ready while Serve has a proxy there, which it has beside a replica alone, and
        there are as many pods as the most replicas.
        """
        live = await self.kube.get(Ref(RAY_CLUSTER, cluster), work.key.namespace)
        head = ((live or {}).get("status", {}).get("head") or {}).get("serviceName")
        if head:
            address = f"{head}.{work.key.namespace}.svc:{DASHBOARD_PORT}"
            body = {
                "apiVersion": RAY_JOB.api_version,
                "kind": RAY_JOB.name,
                "metadata": {"name": work.key.job},
                "status": {"dashboardURL": address},
            }
            await self.kube.apply_status(body, work.key.namespace)

    async def _suspend(self, work: "_Work") -> JobState:
        if work.ray_job is not None:
            await self._remove(work)
            return work.says("Suspended", "Stopping", "The job is being stopped; what is done stays.")
        return work.says(
            "Suspended", "Suspended", "The job waits until `suspend` is false; what is done stays."
        )

    def _is_overdue(self, work: "_Work", job: TTSJob) -> bool:
        started, deadline = work.status.get("startTime"), job.spec.active_deadline_seconds
        if started is None or deadline is None:
            return False
        return self.now() >= datetime.fromisoformat(started) + timedelta(seconds=deadline)

    async def _begin(self, work: "_Work", job: TTSJob) -> JobState:
        """Make the RayJob, if all is there that it needs."""
        try:
            plan = await self._plan(work, job)
        except _NotYetError as error:
            return error.verdict
        children = job_children(plan, self.defaults)
        if fault := too_large(children):
            return work.says("Failed", "BatchTooLarge", fault, is_error=True)
        for child in children:
            try:
                await self.kube.create(child, work.key.namespace)
            except KubeError as error:
                # Its name tells its content; a RayJob of the name is seen the next time.
                if error.status != CONFLICT:
                    raise
        where = f"RayCluster {plan.cluster}" if plan.cluster else "a cluster of its own"
        text = f"Attempt {plan.attempt} is handed to {where}."
        if plan.cluster and QUEUE_LABEL in job.metadata.labels:
            text += f" {QUEUE_LABEL} is left out: Kueue admits whole clusters, so it takes `ephemeral`."
        return work.waits("Starting", text)

    async def _plan(self, work: "_Work", job: TTSJob) -> Plan:
        """Return what the RayJob is made of. Raises _NotYetError where the job must wait."""
        ephemeral = job.spec.ephemeral
        name = ephemeral.copy_of if ephemeral is not None else str(job.spec.service_name)
        key = Key(work.key.namespace, name)
        state = await read_state(self.kube, key)
        try:
            playground = playground_of(key, state.playground)
        except ValidationError as error:
            raise work.not_yet("InvalidPlayground", f"Playground {name}: {explain(error)}") from error
        fault = unusable(job, audio_claim_of(playground))
        if fault is not None:
            final = fault[0] == "LocalFiles"  # nobody can change it; a Playground may still name the claim
            raise _NotYetError(work.says("Failed" if final else "Pending", *fault, is_error=True))
        models = await self._models(work, job, key, state, engine_images(playground, self.defaults))
        cluster = ""
        if ephemeral is None:
            ray = read_service(state.ray_service, self.now())
            reason = _not_ready(name, ray, needed(job, models), state.previously_ready)
            if reason is not None:
                raise work.not_yet(*reason, is_error=False)
            cluster = ray.active_cluster
        else:
            if await self.kube.get(Ref(RAY_SERVICE, job.name), key.namespace):
                # KubeRay would take `<name>-head-svc` from the one for the other.
                text = f"A RayService is called {job.name} too: a job with its own cluster must not be."
                raise work.not_yet("NameTaken", text)
            models = needed(job, models)
        # Its output is what a driver tells its progress of.
        goes_on = "progress" in work.status
        return Plan(job, work.uid, playground, models, cluster, work.failed_attempts + 1, goes_on)

    async def _models(
        self, work: "_Work", job: TTSJob, key: Key, state: State, images: Collection[str]
    ) -> list[VoiceModel]:
        """Return the models that a service serves. Raises _NotYetError where a needed one is not there."""
        models = served(select(state.models, images, state.ray_service))
        if not needed(job, models):
            missing = "ServiceMissing" if not state.models else "NoModels"
            raise work.not_yet(missing, f"Service {key.service} has no VoiceModel that speaks for the job.")
        done: set[str] = set()
        if any(map(downloads, models)):
            children = await read_children(self.kube, key, [JOB])
            done = {ref.name for ref, child in children.items() if loads.done(child)}
        ready, waiting = admit(models, done, state.ray_service)
        voices = [m for m in ready if isinstance(m, VoiceModel) and m.spec.engine in images]
        lacking = {model.name for model in needed(job, waiting)} - {model.name for model in voices}
        if lacking:
            text = f"The files of {', '.join(sorted(lacking))} are still being fetched."
            raise work.not_yet("ModelsLoading", text, is_error=False)
        return voices

    async def _try_again(self, work: "_Work", attempt: Attempt, ended: datetime) -> JobState:
        """Return the verdict on an attempt that was broken off; make room for the next in time."""
        work.failed_attempts = attempt.number
        said = (
            attempt.said or f"The RayJob is {attempt.stage}, and the driver did not say how the batch ended."
        )
        text = f"Attempt {attempt.number} of {ATTEMPTS} was broken off: {said}"
        if attempt.number >= ATTEMPTS:
            await self._remove(work)
            return work.says("Failed", "AttemptsExhausted", text, is_error=True)
        due = ended + timedelta(seconds=FIRST_BACKOFF * 2 ** (attempt.number - 1))
        # What is not in the status yet would be forgotten with the RayJob.
        if self.now() >= due and work.status.get("failedAttempts") == attempt.number:
            await self._remove(work)
        return work.waits("AttemptFailed", f"{text} Another one follows; what is done stays.", is_error=True)

    async def _is_lost(self, work: "_Work", job: TTSJob, attempt: Attempt) -> bool:
        """Tell whether an attempt runs on a cluster that is not its service's any more."""
        service = Ref(RAY_SERVICE, str(job.spec.service_name))
        live = await self.kube.get(service, work.key.namespace)
        return read_service(live, self.now()).active_cluster != attempt.cluster

    async def _read_log(self, work: "_Work", attempt: Attempt) -> Report | None:
        if not attempt.submission:
            return None
        labels = {JOB_LABEL: work.key.job, COMPONENT_LABEL: SUBMITTER}
        pods = await self.kube.list(POD, work.key.namespace, labels=labels)
        pod = submitter_of(attempt, pods)
        if pod is None or pod.get("status", {}).get("phase", "Pending") == "Pending":
            return None
        try:
            log = await self.kube.log(pod["metadata"]["name"], SUBMITTER, work.key.namespace, LOG_LINES)
        except KubeError as error:
            if error.status is None:
                raise
            # Its node may be gone for good: the job goes on without, and another attempt says how it ended.
            logger.warning("no log of pod %s: %s", pod["metadata"]["name"], error)
            return None
        return read_report(log)

    async def _remove(self, work: "_Work") -> None:
        if work.ray_job is not None and not work.is_being_removed:
            await self.kube.delete(Ref(RAY_JOB, work.key.job), work.key.namespace)

    async def _report(self, work: "_Work", verdict: JobState) -> list[dict[str, Any]]:
        """Write the status, if it changed, and an Event where the phase or its reason did."""
        manifest, before, now = work.manifest, work.status, self.now()
        metadata = manifest["metadata"]
        conditions = job_conditions(verdict)
        known = before.get("conditions", [])
        told = conditions_of(conditions, known, metadata["generation"], rfc3339(now))
        ray_job = work.ray_job["metadata"]["name"] if work.ray_job is not None else None
        status = job_status(verdict, before, ray_job, rfc3339(now))
        after = {**status, "observedGeneration": metadata["generation"], "conditions": told}
        metrics.CONDITIONS.tell((TTS_JOB, work.key), [(TTS_JOB.name, c.type, c.status) for c in conditions])
        if before == after:
            return told
        body = {
            "apiVersion": TTS_JOB.api_version,
            "kind": TTS_JOB.name,
            "metadata": {"name": metadata["name"]},
            "status": after,
        }
        try:
            await self.kube.apply_status(body, work.key.namespace)
        except KubeError as error:
            if error.status == NOT_FOUND:  # it was deleted meanwhile
                return told
            raise
        event = job_event_of(manifest, before, after, rfc3339(now, "microseconds"), self.instance)
        if event is not None:
            await self.kube.create(event, work.key.namespace)
        return told


class _NotYetError(Exception):
    """The job cannot begin now."""

    def __init__(self, verdict: JobState) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


@dataclass(slots=True)
class _Work:
    """One reconcile, as far as it has come."""

    key: JobKey
    manifest: Manifest
    status: Mapping[str, Any]
    ray_job: Manifest | None
    report: Report | None = None
    failed_attempts: int = 0

    def __post_init__(self) -> None:
        self.failed_attempts = self.status.get("failedAttempts", 0)

    @property
    def uid(self) -> str:
        """The TTSJob's uid."""
        return str(self.manifest["metadata"]["uid"])

    @property
    def is_being_removed(self) -> bool:
        """Whether the RayJob is on its way out."""
        return self.ray_job is not None and "deletionTimestamp" in self.ray_job["metadata"]

    def says(
        self, phase: Any, reason: str, message: str, *, is_error: bool = False, began: bool = False
    ) -> JobState:
        """Return a verdict, with what the driver said and how many attempts failed."""
        return JobState(phase, reason, message, is_error, self.report, self.failed_attempts, began)

    def not_yet(self, reason: str, message: str, *, is_error: bool = True) -> "_NotYetError":
        """Return the error that says that the job cannot begin."""
        return _NotYetError(self.waits(reason, message, is_error=is_error))

    def waits(self, reason: str, message: str, *, is_error: bool = False) -> JobState:
        """Return the verdict on a job that cannot run now."""
        return self.says("Pending", reason, message, is_error=is_error)


def _not_ready(
    name: str, ray: Service, models: list[VoiceModel], previously_ready: Collection[str]
) -> tuple[str, str] | None:
    """Return why a service cannot run a batch of `models` yet; None where it can.

    `previously_ready` are the applications that were Ready already.
    """
    if not ray.exists:
        return "ServiceMissing", f"Service {name} has no RayService yet."
    if not ray.active_cluster:
        return "ServiceNotReady", f"Service {name} has no active RayCluster yet."
    for application in (GATEWAY, *(model.name for model in models)):
        if not ray.is_healthy(application, previously_ready):
            said = ray.application(application).status or "not known to Serve yet"
            return "ServiceNotReady", f"Application {application} of service {name} is {said}."
    return None


def _refusal(error: KubeError) -> tuple[str, str]:
    if error.status == NOT_FOUND:
        return "KubeRayMissing", f"The cluster has no RayJob kind: install the KubeRay operator. ({error})"
    reason = {403: "Forbidden", 422: "InvalidChild"}.get(error.status or 0, "ApplyFailed")
    return reason, str(error)
