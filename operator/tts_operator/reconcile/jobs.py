"""The reconcile of a TTSJob: reads the facts, plans, and executes the plan."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tts_operator import metrics
from tts_operator.desired.jobs import is_owned
from tts_operator.kube import CONFLICT, NOT_FOUND, Kube, KubeError
from tts_operator.objects import POD_MONITOR, RAY_JOB, JobKey, Manifest, ref_of
from tts_operator.observed.conditions import Cause, State
from tts_operator.observed.jobs import Advance, advance
from tts_operator.plan.job import JobFacts, JobPlan, name_taken, plan_job
from tts_operator.plan.service import Policy
from tts_operator.reconcile.read import LiveReader, Reader, read_job_facts
from tts_operator.reconcile.refusals import refusal
from tts_operator.reconcile.statuses import StatusWriter

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobReconciler:
    """Reconciles TTSJobs."""

    kube: Kube
    reader: Reader
    policy: Policy
    now: Callable[[], datetime]
    """Returns the time, in UTC."""
    writer: StatusWriter

    async def reconcile(self, key: JobKey) -> float | None:
        """Take the next step of the TTSJob `key`. Return the seconds after which to look again, or None.

        Raises:
            KubeError: the API server does not answer, or refuses a status.
        """
        facts = await read_job_facts(self.reader, self.kube, key, self.now())
        if facts is None:
            _report(key, [], None)
            return None
        plan = plan_job(facts, self.now(), self.policy)
        if plan.acts:  # the facts may be older than the API server's state
            facts = await read_job_facts(LiveReader(self.kube), self.kube, key, self.now())
            if facts is None:
                _report(key, [], None)
                return None
            plan = plan_job(facts, self.now(), self.policy)
            refused = await act(self.kube, plan, facts)
            if refused is not None:
                plan = plan_job(replace(facts, refusal=refused), self.now(), self.policy)
        if plan.status is not None:
            await self.writer.write(plan.status, key.namespace)
        if plan.status is None:
            _report(key, facts.states, advance(facts.status, self.now()))
        else:
            _report(key, plan.status.states, advance(plan.status.fields, self.now()))
        return plan.look_again


def _report(key: JobKey, states: Sequence[State], how_far: Advance | None) -> None:
    """Put a job into the metrics; without an advance, take it out of them."""
    metrics.CONDITIONS.report((JobKey, key), states)
    metrics.JOBS.report(key, how_far)


async def act(kube: Kube, plan: JobPlan, facts: JobFacts) -> Cause | None:
    """Create and delete as planned; return why the API server refused it, or None.

    Raises:
        KubeError: the API server does not answer, or refuses to delete a job that has ended.
    """
    namespace = facts.key.namespace
    try:
        for child in plan.create:
            await _create(kube, child, facts)
        if plan.delete is not None:
            await kube.delete(plan.delete, namespace)
        if plan.dashboard:
            body = {
                "apiVersion": RAY_JOB.api_version,
                "kind": RAY_JOB.name,
                "metadata": {"name": facts.key.job},
            }
            await kube.apply_status({**body, "status": {"dashboardURL": plan.dashboard}}, namespace)
    except _NameTakenError:
        return name_taken(facts.key.job)
    except KubeError as error:
        if error.status is None or facts.has_ended:  # an ended job's status must keep its outcome: retry
            raise
        return refusal(error, RAY_JOB)
    return None


class _NameTakenError(Exception):
    """A RayJob of the job's name belongs to another owner."""


async def _create(kube: Kube, child: Manifest, facts: JobFacts) -> None:
    """Create a child, unless it exists. Raises KubeError and _NameTakenError."""
    try:
        await kube.create(child, facts.key.namespace)
    except KubeError as error:
        if error.status == NOT_FOUND and child["kind"] == POD_MONITOR.name:
            logger.warning("job %s is not monitored: %s", facts.key.job, error)
            return  # a batch does not wait for those who watch it
        if error.status != CONFLICT:
            raise
        if child["kind"] != RAY_JOB.name:
            return  # its name has a hash of its content
        live = await kube.get(ref_of(child), facts.key.namespace)
        if live is not None and not is_owned(live, facts.uid):
            raise _NameTakenError from error
