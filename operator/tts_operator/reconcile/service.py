"""The reconcile: one idempotent function that brings a service to what its resources say."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from tts_app.resources import Model, Playground
from tts_app.resources.playground import ENGINES
from tts_operator import metrics
from tts_operator.desired.children import KEPT, children
from tts_operator.desired.groups import downloads, rescale, shrinks
from tts_operator.desired.loading import RETRY_SECONDS, admit, load_name
from tts_operator.desired.ray_service import Defaults, engine_images, replacements, worker_groups
from tts_operator.desired.selection import Verdict, explain, select, served
from tts_operator.objects import (
    CLAIM,
    JOB,
    RAY_CLUSTER,
    RAY_SERVICE,
    Manifest,
    Ref,
    is_ours,
    ref_of,
    rfc3339,
)
from tts_operator.observed import loads
from tts_operator.observed.conditions import Cause, Condition, conditions_of, is_settled, latest_change
from tts_operator.observed.pods import pods_by_group
from tts_operator.observed.ray import read_service
from tts_operator.observed.status import Facts, model_status, service_status
from tts_operator.reconcile.drift import matches, stamp_of, stamped
from tts_operator.reconcile.kube import NOT_FOUND, Kube, KubeError
from tts_operator.reconcile.queue import Key
from tts_operator.reconcile.read import (
    Runtime,
    State,
    playground_of,
    read_children,
    read_runtime,
    read_state,
)
from tts_operator.reconcile.transitions import event_of

logger = logging.getLogger(__name__)

CALM_SHARE = 0.5
"""A service that is not ready is looked at again after this share of the time that nothing changed of it."""
CLAIM_REFUSALS = (403, 422)
"""What the API server answers to a claim that is not as its class, a quota or a rule wants it."""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Reconciles services. All that counts is in the API server, and what is kept spares reads alone."""

    kube: Kube
    defaults: Defaults
    poll_seconds: float
    """In how many seconds to look again at a service that is not ready; later and later while it stays so."""
    resync_seconds: float
    now: Callable[[], datetime]
    """Returns the time, in UTC."""
    instance: str = "tts-operator"
    """Who reports Events."""
    _checked: dict[Key, "_Check"] = field(default_factory=dict)
    """Services whose children, but for RayService and Jobs, were found right, or made so: nobody reads them
    again until a resync is due, or something else is wanted."""

    async def reconcile(self, key: Key) -> float | None:
        """Bring the service `key` to what its resources say.

        Returns the seconds after which to look again; None when nothing is left of it. Raises KubeError when
        the API server could not be read, or a status not be written: then it is to be tried again.
        """
        state = await read_state(self.kube, key)
        # Nothing stays known of what is not found right again: it would be due ever since.
        check = self._checked.pop(key, None)
        try:
            playground = playground_of(key, state.playground)
        except ValidationError as error:
            work = _Work(key, state, select(state.models, ENGINES, state.ray_service))
            work.failure = Cause("InvalidPlayground", explain(error))
        else:
            images = engine_images(playground, self.defaults)
            work = _Work(key, state, select(state.models, images, state.ray_service))
            await self._bring_about(work, playground, images, check)
        facts = await self._observe(work)
        again = await self._report(work, facts)
        if work.shrinks:  # that a pod is not used any more no event tells
            again = min(again, self.poll_seconds)
        check = self._checked.get(key)
        if not state.models and state.playground is None and work.live is None:
            self._checked.pop(key, None)
            return None
        return again if check is None else min(again, max(0.0, (check.until - self.now()).total_seconds()))

    async def _bring_about(
        self, work: "_Work", playground: Playground, images: Collection[str], check: "_Check | None"
    ) -> None:
        """Apply what differs, remove what should not be. What the API refuses is kept for the status.

        `check` is what was found right the last time, if all was.
        """
        models = served(work.verdicts)
        if work.state.models and not models and work.live is not None:
            return  # all are invalid, perhaps to a newer operator only: what runs is not torn down for it
        if check is not None and check.until <= self.now():
            check = None
        if check is None and (work.live is not None or not models):
            work.children = await read_children(self.kube, work.key)
        elif any(map(downloads, models)):  # else a service is new: what is wanted is looked up by its name
            work.children = await read_children(self.kube, work.key, [JOB])
        jobs = {ref.name: job for ref, job in work.children.items() if ref.kind is JOB}
        fetched = {name for name, job in jobs.items() if loads.done(job)}
        serve, work.waiting = admit(models, fetched, work.live)
        serve = [model for model in serve if model.spec.engine in images]
        wanted = [
            stamped(manifest)
            for manifest in children(playground, serve, work.waiting, self.defaults, work.live)
        ]
        stamps = frozenset((ref_of(m), stamp_of(m)) for m in wanted if m["kind"] != RAY_SERVICE.name)
        if check is not None and check.stamps != stamps:
            check = None
            work.children = await read_children(self.kube, work.key)
        until = self.now() + timedelta(seconds=self.resync_seconds)
        try:
            for manifest in wanted:
                if check is None or ref_of(manifest).kind in (RAY_SERVICE, JOB):
                    await self._apply(work, manifest)
            for ref in _superfluous(work.present - {ref_of(manifest) for manifest in wanted}):
                await self._remove(work, ref)
        except KubeError as error:
            if error.status is None:
                raise
            work.failure = _refusal(error)
        if work.failure is None:
            self._checked[work.key] = check or _Check(stamps, until)

    async def _apply(self, work: "_Work", manifest: Manifest) -> None:
        ref, namespace = ref_of(manifest), work.key.namespace
        live = work.child(ref)
        if live is None:
            live = await self.kube.get(ref, namespace)  # somebody else's has no label of ours
        if live is not None and not is_ours(live):
            raise KubeError(
                f"{ref.kind.name} {ref.name} is there already and not this operator's: rename one of the two",
                409,
            )
        if ref.kind is RAY_SERVICE and live is not None:
            work.live = live  # another operator may have made it since it was looked for
            work.disruptive_changes = replacements(manifest, live)
        if live is not None and ref.kind is JOB:  # a Job cannot be changed: what it fetches is in its name
            await self._retry(work, ref, live)
            return
        if live is not None and matches(manifest, live):
            return
        try:
            applied = await self.kube.apply(manifest, namespace)
        except KubeError as error:
            if ref.kind is not CLAIM or error.status not in CLAIM_REFUSALS:
                raise
            # Nothing else has to wait for it: what pods need is there, or they wait themselves.
            work.failure = _refusal(error) if live is None else _claim_refusal(ref, error)
            return
        if ref.kind is RAY_SERVICE:
            work.live = applied

    async def _retry(self, work: "_Work", ref: Ref, job: Manifest) -> None:
        """Remove a loader that failed a while ago: it is made anew when it is gone."""
        failed = loads.failed_at(job)
        if failed and (self.now() - datetime.fromisoformat(failed)).total_seconds() > RETRY_SECONDS:
            await self._remove(work, ref)

    async def _remove(self, work: "_Work", ref: Ref) -> None:
        live = work.child(ref)
        if live is None or not is_ours(live):
            return
        if not live["metadata"].get("deletionTimestamp"):
            await self.kube.delete(ref, work.key.namespace)
        if ref.kind is RAY_SERVICE:
            work.live = None

    async def _observe(self, work: "_Work") -> Facts:
        """Read what runs, and scale the worker groups of the clusters, as KubeRay does not."""
        ray = read_service(work.live, self.now())
        # Before KubeRay names a cluster there is none, and no pod of one.
        nothing = not ray.cluster and not work.waiting
        runtime = Runtime([], [], {}) if nothing else await read_runtime(self.kube, work.key, self.now())
        for cluster in runtime.ray_clusters:
            name, wanted = cluster["metadata"]["name"], worker_groups(work.live)
            pods = pods_by_group(runtime.pods, name, self.now())
            operations = rescale(cluster, wanted, pods)
            work.shrinks |= shrinks(cluster, wanted, pods)
            if operations and not cluster["metadata"].get("deletionTimestamp"):
                await self.kube.patch(Ref(RAY_CLUSTER, name), work.key.namespace, operations)
        return Facts(
            work.key.namespace,
            work.key.service,
            ray,
            runtime.pods,
            runtime.logs,
            work.failure,
            work.disruptive_changes,
            {
                model.name: loads.read_load(
                    work.children.get(Ref(JOB, load_name(model))), runtime.pods, runtime.logs
                )
                for model in work.waiting
            },
            work.state.previously_ready,
        )

    async def _report(self, work: "_Work", facts: Facts) -> float:
        """Write the statuses that changed. Return the seconds after which to look again."""
        reports = [
            (manifest, *model_status(work.verdicts[ref_of(manifest)], facts))
            for manifest in work.state.models
        ]
        if work.state.playground is not None:
            reports.append((work.state.playground, *service_status(work.verdicts, facts)))
        told = await asyncio.gather(*(self._write(work.key, *report) for report in reports))
        metrics.CONDITIONS.tell(
            work.key,
            [
                (manifest["kind"], condition.type, condition.status)
                for manifest, _, conditions in reports
                for condition in conditions
            ],
        )
        if all(
            _settled(work.verdicts.get(ref_of(manifest)), conditions) for manifest, _, conditions in reports
        ):
            return self.resync_seconds
        if work.waiting:  # how far a loader is, its log tells and no event
            return self.poll_seconds
        calm = self.now() - max(latest_change(conditions) for conditions in told)
        return min(self.resync_seconds, max(self.poll_seconds, calm.total_seconds() * CALM_SHARE))

    async def _write(
        self, key: Key, manifest: Manifest, status: Mapping[str, Any], conditions: Sequence[Condition]
    ) -> list[dict[str, Any]]:
        """Write a resource's status, if it changed, and an Event for what a person would want to know.

        Returns the conditions as they are told now.
        """
        before = manifest.get("status") or {}
        metadata = manifest["metadata"]
        generation, now = metadata["generation"], self.now()
        known = before.get("conditions", [])
        told = conditions_of(conditions, known, generation, rfc3339(now))
        after = {**status, "observedGeneration": generation, "conditions": told}
        if before == after:
            return told
        body = {
            "apiVersion": manifest["apiVersion"],
            "kind": manifest["kind"],
            "metadata": {"name": metadata["name"]},
            "status": after,
        }
        try:
            await self.kube.apply_status(body, key.namespace)
        except KubeError as error:
            if error.status == NOT_FOUND:  # it was deleted meanwhile
                return told
            raise
        event = event_of(manifest, known, told, rfc3339(now, "microseconds"), self.instance)
        if event is not None:
            await self.kube.create(event, key.namespace)
        return told


@dataclass(frozen=True, slots=True)
class _Check:
    """What children were like when all was right with them."""

    stamps: frozenset[tuple[Ref, str]]
    until: datetime
    """They are to be read again then: somebody may have changed them."""


@dataclass(slots=True)
class _Work:
    """One reconcile, as far as it has come."""

    key: Key
    state: State
    verdicts: Mapping[Ref, Verdict]
    failure: Cause | None = None
    disruptive_changes: Sequence[str] = ()
    waiting: Sequence[Model] = ()
    """Models whose files are still to be fetched."""
    shrinks: bool = False
    """Whether there are pods that go as soon as nothing runs in them."""
    children: dict[Ref, dict[str, Any]] = field(default_factory=dict)
    """Those that were read, with the service's label."""
    live: dict[str, Any] | None = field(init=False)
    """The RayService as it is now."""

    def __post_init__(self) -> None:
        self.live = self.state.ray_service

    @property
    def present(self) -> set[Ref]:
        """The children that there are, of those that were read."""
        ray_service = {Ref(RAY_SERVICE, self.key.service)} if self.live is not None else set()
        return ray_service | self.children.keys()

    def child(self, ref: Ref) -> dict[str, Any] | None:
        """Return a child as it is now, None where there is none with the service's label."""
        return self.live if ref.kind is RAY_SERVICE else self.children.get(ref)


def _superfluous(refs: Collection[Ref]) -> list[Ref]:
    """Return what is to be removed of children that nothing wants, in order: what runs goes first."""
    removed = [ref for ref in refs if ref.kind not in KEPT]
    return sorted(removed, key=lambda ref: (ref.kind is not RAY_SERVICE, ref.kind.name, ref.name))


def _refusal(error: KubeError) -> Cause:
    if error.status == NOT_FOUND:
        text = (
            "The cluster has no RayService kind, or no such namespace any more: install the KubeRay operator."
        )
        return Cause("KubeRayMissing", f"{text} ({error})")
    reason = {403: "Forbidden", 409: "NameTaken", 422: "InvalidChild"}.get(error.status or 0, "ApplyFailed")
    return Cause(reason, str(error))


def _claim_refusal(ref: Ref, error: KubeError) -> Cause:
    text = (
        f"Claim {ref.name} stays as it is: its class and access mode cannot be changed, and it grows only "
        "where its class allows that. Name it as `existingClaim` in the Playground's `storage` to keep it "
        f"so, or another claim there. ({error})"
    )
    return Cause("ClaimRefused", text)


def _settled(verdict: Verdict | None, conditions: Sequence[Condition]) -> bool:
    """Return whether only a change of a watched resource can change this status."""
    return (verdict is not None and verdict.model is None) or is_settled(conditions)
