"""The status of models and of their Playground."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tts_app.resources import Model, VoiceModel
from tts_app.serve_config import GATEWAY
from tts_operator.desired.groups import group_of
from tts_operator.desired.loading import RETRY_SECONDS, load_name
from tts_operator.desired.ray_service import SERVE_PORT
from tts_operator.desired.selection import Verdict
from tts_operator.objects import Manifest, Ref
from tts_operator.observed.conditions import Cause, Condition, conditions
from tts_operator.observed.loads import Load
from tts_operator.observed.pods import HEAD_GROUP, Problem, problems, ready_pods
from tts_operator.observed.ray import Application, Service
from tts_operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Observation:
    """What was observed of a service."""

    namespace: str
    name: str
    ray: Service
    pods: Sequence[Manifest] = ()
    logs: Mapping[str, str] = field(default_factory=dict)
    """The last lines of crashed pods, and messages about volumes that are not ready, by the pod's name."""
    failure: Cause | None = None
    """Why the children could not be changed as planned."""
    disruptive_changes: Sequence[str] = ()
    """Paths of the cluster's spec whose change will start a new cluster."""
    loads: Mapping[str, Load] = field(default_factory=dict)
    """The progress of the files of each model that waits for them, by the model's name."""
    previously_ready: frozenset[str] = frozenset()
    """Applications whose current resources were Ready already."""
    blocked: Cause | None = None
    """Why nothing of the service is changed until its Playground is."""
    insecure: str = ""
    """What its security profile asks for and the service goes on without; empty if nothing."""
    unencrypted: str = ""
    """What is stored in clear although its security profile names it; empty if nothing."""
    shows_dashboard: bool = False
    """Whether the API serves Ray's dashboard."""

    @property
    def url(self) -> str:
        """Where the API answers within the cluster."""
        return f"http://{self.name}-serve-svc.{self.namespace}.svc:{SERVE_PORT}"

    @property
    def addresses(self) -> dict[str, str]:
        """Fields of a status: where the API answers within the cluster and, if shown, the dashboard."""
        return {"url": self.url} | ({"dashboardUrl": f"{self.url}/ray/"} if self.shows_dashboard else {})


def model_status(verdict: Verdict, facts: Observation) -> tuple[dict[str, Any], Sequence[Condition]]:
    """Return the status of one model without its conditions, and its conditions."""
    model = verdict.model
    if model is None:
        return {"readyReplicas": 0}, _refused(Cause(verdict.reason, verdict.message))
    return _model_fields(model, facts), (*_model_conditions(model, verdict, facts), *_insecure(facts))


def _insecure(facts: Observation) -> Sequence[Condition]:
    """Return the condition of a service that goes on although it is insecure; none if it is secure."""
    return (Condition("Insecure", True, "GoesOn", facts.insecure),) if facts.insecure else ()


def _model_fields(model: Model, facts: Observation) -> dict[str, Any]:
    """Return the status of a model without its conditions."""
    status = {
        **_offer(model),
        "readyReplicas": ready_pods(facts.pods, facts.ray.cluster, group_of(model)),
        "replicas": model.spec.replicas.max,
        "rayService": facts.name,
        **facts.addresses,
    }
    if facts.ray.cluster:
        status["rayCluster"] = facts.ray.cluster
    load = facts.loads.get(model.name)
    if load is not None:
        total = {} if load.total is None else {"totalBytes": load.total}
        status["download"] = {"percent": load.percent, "bytes": load.fetched, **total}
    return status


def _model_conditions(model: Model, verdict: Verdict, facts: Observation) -> Sequence[Condition]:
    """Return the conditions of a model."""
    application = facts.ray.application(model.name)
    if facts.blocked is not None and not application.healthy:
        return _refused(facts.blocked)
    load = facts.loads.get(model.name)
    if load is not None:
        return _loading(model, load, application, facts)
    if verdict.is_outdated:
        until = " (until it is right the model is served as it was before)" if application.healthy else ""
        return _refused(Cause(verdict.reason, f"{verdict.message}{until}"))
    found = problems(facts.pods, facts.logs, frozenset({HEAD_GROUP, group_of(model)}))
    limit = Cause("AvatarsTaken", verdict.message) if verdict.taken else None
    stage = _stage(application, facts, model)
    return _serving(_serves(model, facts), stage, _fault(application, facts, found), facts, limit)


def _refused(cause: Cause) -> Sequence[Condition]:
    """Return the conditions of a model whose current resource cannot be served."""
    idle = Cause(cause.reason, "Nothing is done until the resource is changed.")
    return conditions("Ready", False, cause, progressing=False, stage=idle, fault=cause)


def _serving(
    ready: bool, stage: Cause, fault: Cause | None, facts: Observation, limit: Cause | None = None
) -> Sequence[Condition]:
    """Return the conditions of an application that is served or being started.

    `limit` is a fault too, but one that does not prevent Ready.
    """
    why = (
        Cause("Serving", "The application runs, with all its replicas healthy.") if ready else fault or stage
    )
    replacement = _replacement(facts)
    settled = Cause("Settled", "There is nothing left to do.")
    return conditions(
        "Ready",
        ready,
        why,
        progressing=not ready or replacement is not None,
        stage=replacement or (settled if ready else stage),
        fault=fault or limit,
    )


def _offer(model: Model) -> dict[str, Any]:
    """Return what a status says about the model's abilities."""
    if not isinstance(model, VoiceModel):
        return {}
    voices = model.spec.voices
    return {"locales": sorted({voice.locale for voice in voices}), "avatars": len(voices)}


def service_status(
    verdicts: Mapping[Ref, Verdict], facts: Observation
) -> tuple[dict[str, Any], Sequence[Condition]]:
    """Return the status of the Playground without its conditions, and its conditions."""
    served = [verdict.model for verdict in verdicts.values() if verdict.model is not None]
    total = len(verdicts)
    up = sum(
        verdict.model is not None and not verdict.is_outdated and _serves(verdict.model, facts)
        for verdict in verdicts.values()
    )
    status: dict[str, Any] = {"models": {"total": total, "ready": up, "summary": f"{up}/{total}"}}
    if facts.ray.exists:
        status |= {"rayService": facts.name, **facts.addresses}
    if facts.ray.cluster:
        status["rayCluster"] = facts.ray.cluster
    if facts.blocked is not None:
        return status, _refused(facts.blocked)
    gateway = facts.ray.application(GATEWAY)
    found = problems(facts.pods, facts.logs, _groups(served))
    if not facts.ray.exists and not served:
        idle = Cause("NoModels", "The service has no VoiceModel and no TextModel: nothing runs.")
        return status, conditions(
            "Ready", False, idle, progressing=False, stage=idle, fault=None, healthy=idle
        )
    ready = (
        _is_taken_up(GATEWAY, facts)
        and facts.ray.is_healthy(GATEWAY, facts.previously_ready)
        and _has_head(facts)
    )
    state = _serving(ready, _stage(gateway, facts), _fault(gateway, facts, found), facts)
    return status, (*state, *_insecure(facts), *_encrypted(facts))


def _encrypted(facts: Observation) -> Sequence[Condition]:
    """Return the condition that warns of what is stored in clear; none if the profile asks for nothing."""
    if not facts.unencrypted:
        return ()
    return (Condition("EncryptedAtRest", False, "NotEncrypted", facts.unencrypted),)


def _serves(model: Model, facts: Observation) -> bool:
    """Return whether requests for the model are answered.

    While the head is gone, KubeRay continues to report Serve's last state, and Serve calls a deployment
    healthy that is about to get a new replica. So the pods count too.
    """
    return (
        _is_taken_up(model.name, facts)
        and facts.ray.is_healthy(model.name, facts.previously_ready)
        and model.name not in facts.loads
        and _has_head(facts)
        and _has_pods(model, facts)
    )


def _is_taken_up(name: str, facts: Observation) -> bool:
    """Return whether KubeRay runs an application as its current resource says.

    KubeRay only reports whether it has applied all changes of a service. An application that was Ready stays
    so when something else changes.
    """
    return facts.ray.exists and (facts.ray.current or name in facts.previously_ready)


def _has_head(facts: Observation) -> bool:
    return ready_pods(facts.pods, facts.ray.cluster, HEAD_GROUP) > 0


def _has_pods(model: Model, facts: Observation) -> bool:
    return ready_pods(facts.pods, facts.ray.cluster, group_of(model)) >= model.spec.replicas.min


def _loading(model: Model, load: Load, application: Application, facts: Observation) -> Sequence[Condition]:
    """Return the conditions of a model whose files are being fetched."""
    size = f"{load.percent}% of {load.total / 1e6:.0f} MB" if load.total else f"{load.fetched / 1e6:.0f} MB"
    text = f"{size} of {model.spec.source.uri} fetched."
    if application.healthy:
        text += " Until all is there the model is served as it was before."
    stage = Cause("Downloading", text)
    found = problems(facts.pods, facts.logs, frozenset({load_name(model)}))
    fault = facts.blocked or facts.failure or _of_pods(found)
    if fault is None and load.failure:
        again = f"in {RETRY_SECONDS // 60} minutes" if load.given_up else "soon"
        said = f"{model.spec.source.uri} could not be fetched, and is tried again {again}: {load.failure}"
        fault = Cause("DownloadFailed", said)
    progressing = fault is None or not load.given_up
    return conditions("Ready", False, fault or stage, progressing=progressing, stage=stage, fault=fault)


def _groups(models: Sequence[Model]) -> frozenset[str]:
    return frozenset({HEAD_GROUP, *(group_of(model) for model in models)})


def _replacement(facts: Observation) -> Cause | None:
    """Return why a new Ray cluster replaces the one that serves; None where none does."""
    if not facts.ray.active_cluster or not (facts.disruptive_changes or facts.ray.replacing):
        return None
    changes = ", ".join(facts.disruptive_changes)
    return Cause(
        "ClusterReplacement",
        f"A new Ray cluster takes over from {facts.ray.active_cluster} when it is ready; until then both "
        f"hold their resources.{f' The change: {changes}.' if changes else ''}",
    )


def _fault(application: Application, facts: Observation, found: Sequence[Problem]) -> Cause | None:
    """Return the fault nearest to the cause; None when none is known."""
    fault = facts.blocked or facts.failure or _of_pods(found)
    if fault is None and application.status in ("DEPLOY_FAILED", "UNHEALTHY"):
        failed = application.status == "DEPLOY_FAILED"
        reason: Reason = "ApplicationFailed" if failed else "ApplicationUnhealthy"
        fault = Cause(reason, application.message or f"Serve says {application.status}.")
    return fault


def _of_pods(found: Sequence[Problem]) -> Cause | None:
    return Cause(found[0].reason, found[0].message) if found else None


def _stage(application: Application, facts: Observation, model: Model | None = None) -> Cause:
    """Return what is in progress for a model's application or the gateway."""
    if not facts.ray.exists:
        return Cause("Creating", "The RayService is being made.")
    if not facts.ray.cluster:
        return Cause("ClusterStarting", "KubeRay has not made the Ray cluster yet.")
    if not application.status:
        starting = facts.ray.pending_cluster or facts.ray.cluster
        return Cause("ClusterStarting", f"Ray cluster {starting} starts; Serve does not answer yet.")
    if not facts.ray.current:
        return Cause("Updating", "KubeRay has not taken up the latest change yet.")
    lacking = _lacking_pods(application, facts, model)
    if lacking:
        return Cause("PodsStarting", lacking)
    said = f": {application.message}" if application.message else ""
    return Cause("Deploying", f"Serve's application is {application.status}{said}.")


def _lacking_pods(application: Application, facts: Observation, model: Model | None) -> str:
    """Return which pods are missing, although Serve may report no fault; empty where none is."""
    if not _has_head(facts):
        return f"The head pod of Ray cluster {facts.ray.cluster} is not ready."
    if model is not None and application.healthy and not _has_pods(model, facts):
        there = ready_pods(facts.pods, facts.ray.cluster, group_of(model))
        return f"{there} of {model.spec.replicas.min} pods of the model are ready."
    return ""
