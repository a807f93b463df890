"""The reconcile of a service: reads the facts, plans, and executes the plan."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from tts_operator import metrics
from tts_operator.kube import CONFLICT, NOT_FOUND, Kube, KubeError
from tts_operator.objects import (
    CLAIM,
    JOB,
    POD_MONITOR,
    RAY_SERVICE,
    SERVICE_MONITOR,
    Key,
    Kind,
    Manifest,
    Ref,
    is_ours,
    ref_of,
)
from tts_operator.observed.conditions import Cause
from tts_operator.observed.drift import matches
from tts_operator.plan.service import Patch, Policy, ServiceFacts, ServicePlan, plan_service
from tts_operator.reconcile.read import LiveReader, Reader, read_resources, read_service_facts
from tts_operator.reconcile.refusals import refusal
from tts_operator.reconcile.statuses import StatusWriter

MONITORS = (POD_MONITOR, SERVICE_MONITOR)
CLAIM_REFUSALS = (403, 422)
"""The API server's answers to a claim that violates its class, a quota or a policy."""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Reconciles services."""

    kube: Kube
    reader: Reader
    policy: Policy
    now: Callable[[], datetime]
    """Returns the time, in UTC."""
    writer: StatusWriter

    async def reconcile(self, key: Key) -> float | None:
        """Bring the service `key` to the state that its resources describe.

        Returns the seconds after which to look again; None when nothing is left of it.

        Raises:
            KubeError: the API server could not be read, or a status could not be written: try again.
        """
        facts = await read_service_facts(self.reader, self.kube, key, self.now())
        plan = plan_service(facts, self.now(), self.policy)
        if plan.changes_children:
            facts = await self._refreshed(facts)
            plan = plan_service(facts, self.now(), self.policy)
        if plan.changes_children:
            facts = await change_children(self.kube, plan, facts)
            plan = plan_service(facts, self.now(), self.policy)
        for patch in plan.patches:
            await apply_patch(self.kube, patch, key.namespace)
        await asyncio.gather(*(self.writer.write(update, key.namespace) for update in plan.statuses))
        metrics.CONDITIONS.report((Key, key), [state for update in plan.statuses for state in update.states])
        return plan.look_again

    async def _refreshed(self, facts: ServiceFacts) -> ServiceFacts:
        """Return the facts with the API server's current resources: those that were read may be older."""
        now = await read_resources(LiveReader(self.kube), facts.key)
        return replace(facts, models=now.models, playground=now.playground, ray_service=now.ray_service)


async def change_children(kube: Kube, plan: ServicePlan, facts: ServiceFacts) -> ServiceFacts:
    """Apply and delete children as planned; return the new facts.

    If the API server refuses a child, the children after it wait, and the facts say why.

    Raises:
        KubeError: the API server did not answer.
    """
    try:
        for wanted in plan.apply:
            facts = await _apply(kube, wanted, plan, facts)
        for ref in plan.delete:
            facts = await _delete(kube, ref, facts)
    except KubeError as error:
        if error.status is None:
            raise
        return replace(facts, refusal=refusal(error, RAY_SERVICE))
    return facts


async def apply_patch(kube: Kube, patch: Patch, namespace: str) -> None:
    """Apply a patch, unless its object has changed since it was read: the change makes its service due again.

    Raises KubeError.
    """
    live = await kube.get(patch.ref, namespace)
    if live is not None and live["metadata"].get("resourceVersion", "") == patch.resource_version:
        await kube.patch(patch.ref, namespace, patch.operations)


async def _apply(kube: Kube, wanted: Manifest, plan: ServicePlan, facts: ServiceFacts) -> ServiceFacts:
    ref, namespace = ref_of(wanted), facts.key.namespace
    live = await kube.get(ref, namespace)  # also another owner's, which has no label of ours
    if live is not None and not is_ours(live):
        text = f"{ref.kind.name} {ref.name} is there already and not this operator's: rename one of the two"
        raise KubeError(text, CONFLICT)
    if live is not None and (ref.kind is JOB or matches(wanted, live)):
        return _with_child(facts, ref, live)
    if ref.kind is RAY_SERVICE:
        facts = replace(facts, applied_changes=plan.changes)
    try:
        return _with_child(facts, ref, await kube.apply(wanted, namespace))
    except KubeError as error:
        if ref.kind in MONITORS and error.status == NOT_FOUND:
            # A service does not wait for those who watch it.
            return replace(facts, refusal=_monitor_refusal(ref.kind, error))
        if ref.kind is not CLAIM or error.status not in CLAIM_REFUSALS:
            raise
        # No other child has to wait for it: pods that need it wait themselves.
        return replace(
            facts, refusal=refusal(error, RAY_SERVICE) if live is None else _claim_refusal(ref, error)
        )


async def _delete(kube: Kube, ref: Ref, facts: ServiceFacts) -> ServiceFacts:
    live = await kube.get(ref, facts.key.namespace)
    if live is not None and is_ours(live) and not live["metadata"].get("deletionTimestamp"):
        await kube.delete(ref, facts.key.namespace)
    return _with_child(facts, ref, None)


def _with_child(facts: ServiceFacts, ref: Ref, child: Manifest | None) -> ServiceFacts:
    """Return the facts with the new state of a child, or without it."""
    if ref.kind is RAY_SERVICE:
        return replace(facts, ray_service=child)
    others = {known: found for known, found in facts.children.items() if known != ref}
    return replace(facts, children=others if child is None else {**others, ref: child})


def _monitor_refusal(kind: Kind, error: KubeError) -> Cause:
    text = (
        f"Prometheus does not find the service: the cluster has no {kind.name} kind. Install Prometheus' "
        f"operator, or set the Playground's `monitoring.kind` to None or Annotations. ({error})"
    )
    return Cause("MonitorKindMissing", text)


def _claim_refusal(ref: Ref, error: KubeError) -> Cause:
    text = (
        f"Claim {ref.name} stays as it is: its class and access mode cannot be changed, and it grows only "
        "where its class allows that. Name it as `existingClaim` in the Playground's `storage` to keep it "
        f"so, or another claim there. ({error})"
    )
    return Cause("ClaimRefused", text)
