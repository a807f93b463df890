"""Plans a service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from tts_app.profiles import UNENCRYPTED
from tts_app.resources import Metadata, Model, Playground
from tts_app.resources.engines import IMAGES
from tts_app.serve_config import GATEWAY
from tts_operator.desired.children import KEPT, children
from tts_operator.desired.loading import RETRY_SECONDS, admit, load_name
from tts_operator.desired.ray_service import Defaults, engine_images
from tts_operator.desired.security import explained, lacking, profile_of, unaccepted
from tts_operator.desired.selection import LICENSE_FORBIDS, Verdict, explain, select, served
from tts_operator.objects import (
    JOB,
    RAY_CLUSTER,
    RAY_SERVICE,
    Key,
    Manifest,
    Ref,
    is_ours,
    ref_of,
)
from tts_operator.observed import loads
from tts_operator.observed.conditions import Cause, is_settled, latest_change, says_ready
from tts_operator.observed.drift import matches, stamped
from tts_operator.observed.pods import pods_by_group
from tts_operator.observed.ray import (
    ServedModels,
    disruptive_changes,
    read_service,
    with_running_ports,
    worker_groups,
)
from tts_operator.observed.scaling import is_shrinking, rescale
from tts_operator.observed.status import Observation, model_status, service_status
from tts_operator.observed.statuses import StatusUpdate

CALM_SHARE = 0.5
"""Look again at a service that is not ready after this share of the time since its last change."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator's settings decide."""

    defaults: Defaults
    poll_seconds: float
    """Seconds after which to look again at work in progress; they grow while nothing changes."""
    resync_seconds: float
    """Seconds after which to look again at a service in its desired state."""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What was read about a service, and how the API server answered the actions."""

    key: Key
    models: Sequence[Manifest] = ()
    """VoiceModels and TextModels, except those that are being deleted."""
    playground: Manifest | None = None
    ray_service: Manifest | None = None
    """None also where the RayService of the service's name is not the operator's."""
    children: Mapping[Ref, Manifest] = field(default_factory=dict)
    """All other objects with the service's label that the operator makes."""
    ray_clusters: Sequence[Manifest] = ()
    pods: Sequence[Manifest] = ()
    logs: Mapping[str, str] = field(default_factory=dict)
    """The last lines of the pods whose log is needed, and mount errors, by the pod's name."""
    refusal: Cause | None = None
    """Why the API server refused a child."""
    applied_changes: Sequence[str] = ()
    """Paths of the cluster's spec that have just changed and make a new cluster."""

    @property
    def previously_ready(self) -> frozenset[str]:
        """The applications whose current resources were Ready already."""
        names = {manifest["metadata"]["name"] for manifest in self.models if _is_ready(manifest)}
        return frozenset(names | ({GATEWAY} if self.playground and _is_ready(self.playground) else set()))

    @property
    def is_over(self) -> bool:
        """Whether nothing is left for the operator to manage."""
        gone = not self.models and self.playground is None and self.ray_service is None
        return gone and self.refusal is None

    def child(self, ref: Ref) -> Manifest | None:
        """Return a child as it was read; None where there is none with the service's label."""
        return self.ray_service if ref.kind is RAY_SERVICE else self.children.get(ref)


@dataclass(frozen=True, slots=True)
class Patch:
    """A JSON patch for an object that was read in this version."""

    ref: Ref
    resource_version: str
    operations: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What to do for a service, in this order."""

    apply: Sequence[Manifest] = ()
    """Children that are missing or differ from their manifest: what pods need comes before the RayService."""
    delete: Sequence[Ref] = ()
    """Children that should not exist: those that run come first."""
    changes: Sequence[str] = ()
    """Paths of the cluster's spec whose change makes KubeRay start a new cluster."""
    patches: Sequence[Patch] = ()
    """Numbers of pods, which KubeRay does not pass on to the clusters. They and the statuses are planned for
    the children as they were read, and are planned again after children have changed."""
    statuses: Sequence[StatusUpdate] = ()
    look_again: float | None = None
    """Seconds after which to look again; None when nothing is left of the service."""

    @property
    def changes_children(self) -> bool:
        """Whether to apply or delete a child."""
        return bool(self.apply or self.delete)


def playground_of(key: Key, found: Manifest | None) -> Playground:
    """Return the service's Playground: `found`, or one with every default.

    Raises:
        ValidationError: `found` is not valid.
    """
    metadata = {"name": key.service, "namespace": key.namespace}
    if found is None:
        return Playground(metadata=Metadata(**metadata))
    return Playground.model_validate({"metadata": metadata, "spec": found.get("spec", {})})


def fetched_loads(jobs: Mapping[Ref, Manifest]) -> set[str]:
    """Return the names of the loader Jobs that succeeded."""
    return {ref.name for ref, job in jobs.items() if ref.kind is JOB and loads.done(job)}


def plan_service(facts: ServiceFacts, now: datetime, policy: Policy) -> ServicePlan:
    """Return what to do for a service. `now` is the time, with its zone."""
    previous = ServedModels(facts.ray_service)
    try:
        playground = playground_of(facts.key, facts.playground)
    except ValidationError as error:
        verdicts = select(facts.models, IMAGES, previous)
        return _observe(facts, verdicts, (), Cause("InvalidPlayground", explain(error)), now, policy)
    images = engine_images(playground, policy.defaults)
    commercial = policy.defaults.is_commercial(playground)
    verdicts = select(facts.models, images, previous, commercial=commercial)
    models = served(verdicts)
    forbidden = any(verdict.reason == LICENSE_FORBIDS for verdict in verdicts.values())
    if facts.models and not models and facts.ray_service is not None and not forbidden:
        # All are invalid, perhaps only to this version: do not tear down what runs.
        return _observe(facts, verdicts, (), None, now, policy)
    serve, pending = admit(models, fetched_loads(facts.children), previous)
    serve = [model for model in serve if model.spec.image_key in images]
    groups = worker_groups(facts.ray_service)
    built = children(playground, serve, pending, policy.defaults, groups)
    wanted = [stamped(_as_it_runs(m, facts.ray_service)) for m in built]
    profile = profile_of(playground, policy.defaults.profile)
    found = lacking(playground, policy.defaults.profile) if wanted else []
    if refused := unaccepted(found, facts.ray_service):
        return _observe(facts, verdicts, (), Cause("Insecure", explained(refused, profile)), now, policy)
    apply = [m for m in wanted if _is_to_be_applied(m, facts.child(ref_of(m)))]
    changes = _changes(apply, facts)
    insecure = explained(found, profile) if found else ""
    unencrypted = UNENCRYPTED if profile == "regulated" else ""
    shown = playground.spec.ray.dashboard
    observed = _observe(facts, verdicts, pending, None, now, policy, changes, insecure, unencrypted, shown)
    return replace(
        observed,
        apply=apply,
        delete=_orphans({ref_of(m) for m in wanted}, facts) + _failed_loaders(wanted, facts, now),
        changes=changes,
    )


def _as_it_runs(wanted: Manifest, ray_service: Manifest | None) -> Manifest:
    """Return a child, or the RayService without what would start a new cluster needlessly."""
    if wanted["kind"] != RAY_SERVICE.name or ray_service is None:
        return wanted
    return with_running_ports(wanted, ray_service)


def _is_to_be_applied(wanted: Manifest, live: Manifest | None) -> bool:
    if live is None or not is_ours(live):  # applying reports whose it is
        return True
    # A Job cannot be changed: its name identifies what it fetches.
    return ref_of(wanted).kind is not JOB and not matches(wanted, live)


def _changes(apply: Sequence[Manifest], facts: ServiceFacts) -> Sequence[str]:
    """Return the changes that make a new cluster, if the RayService is to be applied."""
    if facts.ray_service is None:
        return ()
    desired = next((m for m in apply if m["kind"] == RAY_SERVICE.name), None)
    return disruptive_changes(desired, facts.ray_service) if desired is not None else ()


def _orphans(wanted: set[Ref], facts: ServiceFacts) -> list[Ref]:
    """Return the children that nothing needs any more, in the order in which to delete them."""
    present = {*facts.children, *([Ref(RAY_SERVICE, facts.key.service)] if facts.ray_service else [])}
    orphans = [ref for ref in present - wanted if ref.kind not in KEPT and _is_removable(facts.child(ref))]
    return sorted(orphans, key=lambda ref: (ref.kind is not RAY_SERVICE, ref.kind.name, ref.name))


def _is_removable(live: Manifest | None) -> bool:
    return live is not None and is_ours(live) and not live["metadata"].get("deletionTimestamp")


def _failed_loaders(wanted: Sequence[Manifest], facts: ServiceFacts, now: datetime) -> list[Ref]:
    """Return the loaders that failed a while ago: they are made again after their deletion."""
    refs = [ref for ref in map(ref_of, wanted) if ref.kind is JOB and ref in facts.children]
    return [
        ref
        for ref in refs
        if (failed := loads.failed_at(facts.children[ref])) is not None
        and (now - datetime.fromisoformat(failed)).total_seconds() > RETRY_SECONDS
        and _is_removable(facts.children[ref])
    ]


def _observe(
    facts: ServiceFacts,
    verdicts: Mapping[Ref, Verdict],
    pending: Sequence[Model],
    fault: Cause | None,
    now: datetime,
    policy: Policy,
    changes: Sequence[str] = (),
    insecure: str = "",
    unencrypted: str = "",
    shows_dashboard: bool = False,
) -> ServicePlan:
    """Return the part of a plan that changes no child: numbers of pods, statuses, when to look again.

    `pending` are the models whose files are not fetched yet, `fault` is what is wrong with the Playground,
    `changes` are those that make a new cluster and are not applied yet, `insecure` is what the service
    goes on without, `unencrypted` what it stores in clear, `shows_dashboard` whether its API serves Ray's
    dashboard.
    """
    patches, shrinks = _rescale(facts, now)
    observation = Observation(
        facts.key.namespace,
        facts.key.service,
        read_service(facts.ray_service, now),
        facts.pods,
        facts.logs,
        facts.refusal,
        facts.applied_changes or changes,
        {
            model.name: loads.read_load(
                facts.children.get(Ref(JOB, load_name(model))), facts.pods, facts.logs
            )
            for model in pending
        },
        facts.previously_ready,
        fault,
        insecure,
        unencrypted,
        shows_dashboard,
    )
    statuses = [StatusUpdate(m, *model_status(verdicts[ref_of(m)], observation)) for m in facts.models]
    if facts.playground is not None:
        statuses.append(StatusUpdate(facts.playground, *service_status(verdicts, observation)))
    again = None if facts.is_over else _look_again(statuses, verdicts, bool(pending), now, policy)
    if again is not None and shrinks:  # no event reports that a pod's replica has had the time to end
        again = min(again, policy.poll_seconds)
    return ServicePlan(patches=patches, statuses=statuses, look_again=again)


def _rescale(facts: ServiceFacts, now: datetime) -> tuple[Sequence[Patch], bool]:
    """Return the patches of the clusters' numbers of pods, and whether more pods are to be removed later."""
    patches, shrinks = [], False
    wanted = worker_groups(facts.ray_service)
    for cluster in facts.ray_clusters:
        metadata = cluster["metadata"]
        pods = pods_by_group(facts.pods, metadata["name"], now)
        shrinks = shrinks or is_shrinking(cluster, wanted, pods)
        operations = rescale(cluster, wanted, pods)
        if operations and not metadata.get("deletionTimestamp"):
            ref = Ref(RAY_CLUSTER, metadata["name"])
            patches.append(Patch(ref, metadata.get("resourceVersion", ""), operations))
    return patches, shrinks


def _look_again(
    statuses: Sequence[StatusUpdate],
    verdicts: Mapping[Ref, Verdict],
    loading: bool,
    now: datetime,
    policy: Policy,
) -> float:
    """Return the seconds after which to look at a service again even without an event."""
    if all(_is_settled(update, verdicts.get(update.ref)) for update in statuses):
        return policy.resync_seconds
    if loading:  # a loader's progress is in its log, not in an event
        return policy.poll_seconds
    calm = now - max(latest_change(update.after(now)["conditions"]) for update in statuses)
    return min(policy.resync_seconds, max(policy.poll_seconds, calm.total_seconds() * CALM_SHARE))


def _is_settled(update: StatusUpdate, verdict: Verdict | None) -> bool:
    """Return whether only a change of a watched object can change this status."""
    return (verdict is not None and verdict.model is None) or is_settled(update.conditions)


def _is_ready(found: Manifest) -> bool:
    status = found.get("status") or {}
    return says_ready(status.get("conditions", ()), found["metadata"]["generation"])
